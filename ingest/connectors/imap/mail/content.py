"""The bytes of mails, threads and attachments, read without marking anything as seen."""

import base64
import binascii
import hashlib
import quopri
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ingest.connectors.imap.connection import MailConnection
from ingest.connectors.imap.mail.mails import Mail, Part

_TAKEN_OUT = re.compile(
    rb"^(?:content-[a-z-]+|mime-version):.*(?:\r?\n[ \t].*)*\r?\n?", re.IGNORECASE | re.MULTILINE
)
_FROM = re.compile(rb"^(>*From )", re.MULTILINE)


class GoneError(Exception):
    """A mail was there when the folder was listed and is gone now."""


def fetch_whole(connection: MailConnection, uids: Sequence[int], limit_bytes: int) -> dict[int, bytes]:
    """Whole mails by UID, in one question; what is gone is missing."""
    found = connection.fetch(uids, [f"BODY.PEEK[]<0.{limit_bytes + 1}>"]) if uids else {}
    bodies = {uid: _body_or_none(about, b"BODY[]") for uid, about in found.items()}
    return {uid: body for uid, body in bodies.items() if body is not None}


def mail_bytes(
    connection: MailConnection, mails: Sequence[Mail], limit_bytes: int, ahead: Mapping[int, bytes]
) -> list[bytes]:
    """Each mail as a message, without the attachments that are documents of their own.

    Args:
        ahead: mails that were fetched before.

    Raises:
        GoneError: one of them is no longer there.
    """
    missing = [mail.uid for mail in mails if mail.whole and mail.uid not in ahead]
    whole = {**ahead, **fetch_whole(connection, missing, limit_bytes)}
    if any(mail.whole and mail.uid not in whole for mail in mails):
        raise GoneError
    return [whole[mail.uid] if mail.whole else _texts(connection, mail) for mail in mails]


def attachment_bytes(connection: MailConnection, mail: Mail, part: Part) -> bytes:
    """An attachment as it was before it was packed into the mail.

    Raises:
        GoneError: its mail is no longer there.
        ValueError: it is not encoded as it says.
    """
    found = connection.fetch([mail.uid], [f"BODY.PEEK[{part.number}]"]).get(mail.uid)
    data = _body(found, f"BODY[{part.number}]".encode(), empty=not part.size_bytes)
    if part.encoding == "base64":
        try:
            return base64.b64decode(re.sub(rb"[^A-Za-z0-9+/=]", b"", data))
        except binascii.Error as error:
            raise ValueError("it is not the base64 that it says it is") from error
    return quopri.decodestring(data) if part.encoding == "quoted-printable" else data


def as_mbox(messages: Sequence[bytes]) -> bytes:
    """Messages one after the other in the form of an mbox."""
    return b"".join(
        b"From rung@localhost Thu Jan  1 00:00:00 1970\n" + _quoted(each) + b"\n\n" for each in messages
    )


def _quoted(message: bytes) -> bytes:
    return _FROM.sub(rb">\1", message.replace(b"\r\n", b"\n")).rstrip(b"\n")


def _texts(connection: MailConnection, mail: Mail) -> bytes:
    items = ["BODY.PEEK[HEADER]"]
    for part in mail.texts:
        items += [f"BODY.PEEK[{part.number}.MIME]", f"BODY.PEEK[{part.number}]"]
    found = connection.fetch([mail.uid], items).get(mail.uid)
    header = _TAKEN_OUT.sub(b"", _body(found, b"BODY[HEADER]")).strip(b"\r\n")
    boundary = b"=_" + hashlib.sha256(mail.key.encode() + header).hexdigest()[:40].encode()
    lines = [
        header,
        b"MIME-Version: 1.0",
        b'Content-Type: multipart/mixed; boundary="' + boundary + b'"',
        b"",
    ]
    for part in mail.texts:
        name = f"BODY[{part.number}".encode()
        lines += [
            b"--" + boundary,
            _body(found, name + b".MIME]").strip(b"\r\n"),
            b"",
            _body(found, name + b"]", empty=not part.size_bytes),
        ]
    return b"\r\n".join([*lines, b"--" + boundary + b"--", b""])


def _body(found: Any, name: bytes, *, empty: bool = False) -> bytes:
    body = _body_or_none(found or {}, name)
    if body is None and not empty:
        raise GoneError
    return body or b""


def _body_or_none(found: Mapping[bytes, Any], name: bytes) -> bytes | None:
    """A body from what FETCH gave; servers answer NIL for one that was expunged meanwhile."""
    for key, value in found.items():
        # A part of a body comes back with where it begins: BODY[]<0>.
        if key.partition(b"<")[0].upper() == name.upper():
            return value if isinstance(value, bytes) or value is None else str(value).encode()
    return None
