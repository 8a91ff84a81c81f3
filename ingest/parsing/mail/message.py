"""E-mail messages: subject, sender, recipients, date and the text, with quoted replies kept."""

import email
import email.policy
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from email.message import EmailMessage, MIMEPart
from email.utils import parsedate_to_datetime

from ingest.parsing.archive.limits import broken_file
from ingest.parsing.document import ParsedDocument, ParseError, TextBuilder, one_line
from ingest.parsing.web.html import parse_html_text

_ONE_OF_MANY = ("alternative", "related")


def parse_mail(content: bytes) -> ParsedDocument:
    """A message as a document: its subject is the title. Attachments are named, not read.

    Raises:
        ParseError: `damaged` when it has none of the headers of a message; `invalid_encoding`.
    """
    with broken_file("e-mail"):
        return _parsed(email.message_from_bytes(content, policy=email.policy.default))


def _parsed(message: EmailMessage) -> ParsedDocument:
    if not any(message[name] for name in ("From", "Date", "Subject", "Message-ID")):
        raise ParseError("damaged", "It has none of the headers of an e-mail.")
    subject, sender = _header(message, "Subject"), _header(message, "From")
    builder = TextBuilder()
    for name in ("From", "To", "Cc", "Date"):
        value = _header(message, name)
        if value:
            builder.line(f"{name}: {value}")
    body = message.get_body(preferencelist=("plain", "html"))
    texts = list(_texts(message)) or ([body] if body is not None else [])
    for part in texts:
        builder.block(_read(part))
    names = [one_line(part.get_filename() or "unnamed") for part in _attachments(message, texts)]
    if names:
        builder.block("Attachments: " + ", ".join(names))
    return builder.build(
        "message/rfc822", title=subject or "(no subject)", author=sender, updated_at=_moment(message)
    )


def _header(message: EmailMessage, name: str) -> str:
    return one_line(str(message[name] or ""))


def _texts(part: MIMEPart) -> Iterator[MIMEPart]:
    """The parts that are read as the mail's own words: lists and phones put some behind an attachment."""
    if part.is_attachment():
        return
    if part.get_content_maintype() == "multipart" and part.get_content_subtype() not in _ONE_OF_MANY:
        for each in part.iter_parts():
            if isinstance(each, MIMEPart) and not each.get_filename():
                yield from _texts(each)
        return
    body = part.get_body(preferencelist=("plain", "html"))
    if body is not None and not _decoded(body).strip():
        # Newsletters leave the plain alternative empty.
        body = part.get_body(preferencelist=("html",)) or body
    if body is not None:
        yield body


def _attachments(message: MIMEPart, texts: Sequence[MIMEPart]) -> Iterator[MIMEPart]:
    """What is not among the texts, in the order of the mail; containers without a name are none."""
    loose = list(message.iter_attachments())
    for part in message.iter_parts() if message.is_multipart() else loose:
        named = bool(part.get_filename())
        known = named or any(part is each for each in loose)
        if (
            known
            and not any(part is each for each in texts)
            and (named or part.get_content_maintype() != "multipart")
        ):
            yield part


def _read(part: MIMEPart) -> str:
    text = _decoded(part)
    return parse_html_text(text).text if part.get_content_subtype() == "html" else text


def _decoded(part: MIMEPart) -> str:
    payload = part.get_payload(decode=True)
    data = payload if isinstance(payload, bytes) else b""
    charset = part.get_content_charset("utf-8")
    # Plain ASCII is what a part without a charset promises; UTF-8 contains it.
    name = "utf-8" if charset in ("us-ascii", "ascii") else charset
    try:
        return data.decode(name)
    except (UnicodeDecodeError, LookupError) as error:
        raise ParseError("invalid_encoding", f"The message says it is {charset}, but is not.") from error


def _moment(message: EmailMessage) -> datetime | None:
    try:
        moment = parsedate_to_datetime(str(message["Date"]))
    except (TypeError, ValueError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
