"""What is known of a mail before its text is read: headers, parts and attachments."""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.parser import BytesHeaderParser
from email.utils import parseaddr, parsedate_to_datetime
from typing import Any
from urllib.parse import unquote_to_bytes

HEADERS = "BODY.PEEK[HEADER.FIELDS (MESSAGE-ID REFERENCES IN-REPLY-TO SUBJECT DATE FROM)]"
_MESSAGE_ID = re.compile(r"<\s*([^<>\s]+)\s*>")
_SIGNATURES = {"application/pkcs7-signature", "application/x-pkcs7-signature", "application/pgp-signature"}
_DEEPEST = 20
_BLANK_BYTES = 4
_WHOLE_BYTES = 200_000


@dataclass(frozen=True, slots=True)
class Part:
    """One leaf of a mail, by its number in IMAP."""

    number: str
    media_type: str
    file_name: str
    size_bytes: int
    encoding: str


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail in a folder. `key` is its Message-ID, or stands for one; `date` is when it was sent."""

    uid: int
    size_bytes: int
    key: str
    references: tuple[str, ...]
    subject: str
    author: str
    date: datetime
    texts: tuple[Part, ...]
    attachments: tuple[Part, ...]
    whole: bool
    """Whether it is read as it is; else only its texts: attachments are documents of their own, and large
    images between the lines hold no text."""
    refused: bool = False
    """Whether the server tells nothing of it."""

    @property
    def text_bytes(self) -> int:
        return self.size_bytes if self.whole else _bytes(self.texts) + 4096


def is_gone(found: Mapping[bytes, Any]) -> bool:
    """Whether the mail was expunged meanwhile: servers answer NIL for its headers then."""
    return next((value for name, value in found.items() if name.startswith(b"BODY[HEADER")), None) is None


def read_summary(uid: int, found: Mapping[bytes, Any], *, apart: bool) -> Mail:
    """A mail from what FETCH gave of it. `apart` is whether attachments are taken out of it."""
    raw = next((value for name, value in found.items() if name.startswith(b"BODY[HEADER")), b"") or b""
    raw = raw if isinstance(raw, bytes) else str(raw).encode()
    headers = _headers(raw)
    size = int(found.get(b"RFC822.SIZE") or 0)
    arrived = found.get(b"INTERNALDATE")
    date = _moment(headers.get("date", "")) or _aware(arrived) or datetime.fromtimestamp(0, UTC)
    own = _MESSAGE_ID.findall(headers.get("message-id", ""))
    references = _MESSAGE_ID.findall(headers.get("references", "") + " " + headers.get("in-reply-to", ""))
    structure = found.get(b"BODYSTRUCTURE")
    parts = list(_leaves(structure, "", 0)) if structure else []
    texts = tuple(part for part, attached in parts if not attached)
    attachments = tuple(part for part, attached in parts if attached) if apart else ()
    name, address = parseaddr(headers.get("from", ""))
    return Mail(
        uid=uid,
        size_bytes=size,
        key=_printable(own[0])
        if own
        else "no-id-" + hashlib.sha256(raw + str(size).encode()).hexdigest()[:24],
        references=tuple(dict.fromkeys(_printable(each) for each in references)),
        subject=headers.get("subject", ""),
        author=_printable(name or address),
        date=date,
        texts=texts,
        attachments=attachments,
        whole=not attachments and (size <= _WHOLE_BYTES or not texts or _bytes(texts) > size // 2),
    )


def refused_mail(uid: int, validity: int) -> Mail:
    """A mail that the server has but tells nothing of."""
    never = datetime.fromtimestamp(0, UTC)
    return Mail(uid, 0, f"refused-{validity}-{uid}", (), "", "", never, (), (), whole=True, refused=True)


def _bytes(parts: Iterable[Part]) -> int:
    return sum(part.size_bytes for part in parts)


def _headers(raw: bytes) -> dict[str, str]:
    message = BytesHeaderParser().parsebytes(raw)
    found: dict[str, str] = {}
    for name, value in message.raw_items():
        found.setdefault(name.lower(), decoded(str(value)))
    return found


def decoded(value: str) -> str:
    """A header as text, also one of raw 8-bit bytes or with an encoding that nobody knows."""
    flat = re.sub(r"[\r\n]+\s*", " ", value)
    plain = flat.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    try:
        plain = str(make_header(decode_header(plain)))
    except (LookupError, UnicodeError, HeaderParseError, ValueError):
        return _printable(plain)
    return _printable(plain)


def _printable(text: str) -> str:
    clean = text.encode("utf-8", "replace").decode()
    return " ".join("".join(char if char.isprintable() else " " for char in clean).split())


def _moment(text: str) -> datetime | None:
    try:
        return _aware(parsedate_to_datetime(text))
    except (TypeError, ValueError, OverflowError):
        return None


def _aware(moment: datetime | None) -> datetime | None:
    if moment is None:
        return None
    try:
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except OverflowError:
        return None


def _leaves(body: Any, number: str, depth: int) -> Iterator[tuple[Part, bool]]:
    """The parts of a body that hold something, and whether each is an attachment."""
    if depth > _DEEPEST or not body:
        return
    if isinstance(body[0], list | tuple):
        children = (
            body[0] if isinstance(body[0], list) else [part for part in body if isinstance(part, tuple)]
        )
        found = [
            leaf
            for position, child in enumerate(children, 1)
            for leaf in _leaves(child, f"{number}.{position}" if number else str(position), depth + 1)
        ]
        yield from _one_of_many(found) if _subtype(body) == "alternative" else found
        return
    kind, parameters, content_id = f"{_text(body[0])}/{_text(body[1])}".lower(), _pairs(body[2]), body[3]
    disposition, about = _disposition(body)
    name = _file_name(about, parameters)
    if kind in _SIGNATURES or (kind.startswith("image/") and (content_id or disposition == "inline")):
        return
    is_text = kind.startswith("text/") and disposition != "attachment" and not name
    size = body[6] if isinstance(body[6], int) else 0
    name = name or ("forwarded.eml" if kind == "message/rfc822" else "unnamed")
    yield Part(number or "1", kind, name, size, _text(body[5]).lower()), not is_text


def _subtype(body: Any) -> str:
    """Of a multipart: what comes first behind its parts."""
    return next((_text(each).lower() for each in body if isinstance(each, bytes)), "")


def _one_of_many(leaves: list[tuple[Part, bool]]) -> Iterator[tuple[Part, bool]]:
    """The same text in several forms counts once: plain, else HTML, else whatever there is."""
    texts = [part for part, attached in leaves if not attached]
    plain = [part for part in texts if part.media_type == "text/plain" and part.size_bytes > _BLANK_BYTES]
    kept = plain or [part for part in texts if part.media_type == "text/html"] or texts
    yield from ((part, attached) for part, attached in leaves if attached or part in kept)


def _disposition(body: Any) -> tuple[str, dict[str, str]]:
    for part in body[7:]:
        if isinstance(part, tuple) and part and isinstance(part[0], bytes):
            kind = part[0].lower()
            if kind in (b"attachment", b"inline"):
                return kind.decode(), _pairs(part[1] if len(part) > 1 else None)
    return "", {}


def _pairs(values: Any) -> dict[str, str]:
    if not isinstance(values, tuple):
        return {}
    return {_text(values[i]).lower(): _text(values[i + 1]) for i in range(0, len(values) - 1, 2)}


def _file_name(about: Mapping[str, str], parameters: Mapping[str, str]) -> str:
    for values, key in ((about, "filename"), (parameters, "name")):
        if values.get(key):
            return decoded(values[key]).replace("/", "_")[:200]
        parts = [value for name, value in sorted(values.items()) if name.startswith(f"{key}*")]
        if parts:
            return _rfc2231("".join(parts)).replace("/", "_")[:200]
    return ""


def _rfc2231(value: str) -> str:
    charset, _, rest = value.partition("'")
    _, quote, text = rest.partition("'")
    if not quote:
        return _printable(value)
    try:
        return _printable(unquote_to_bytes(text).decode(charset or "utf-8", "replace"))
    except LookupError:
        return _printable(text)


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return "" if value is None else str(value)
