"""Outlook messages, by python-oxmsg (MIT)."""

from ingest.parsing.archive.limits import broken_file
from ingest.parsing.document import ParsedDocument, ParseError, TextBuilder, one_line
from ingest.parsing.web.html import parse_html_text

MSG = "application/vnd.ms-outlook"


def parse_msg(content: bytes) -> ParsedDocument:
    """Sender, recipients, date and text; its subject is the title. Attachments are named, not read.

    Raises:
        ParseError: `damaged`, or `no_text` for a message that is only stored as rich text.
    """
    from oxmsg import Message

    with broken_file("Outlook message"):
        message = Message.load(content)
        builder = TextBuilder()
        sender = one_line(message.sender or "")
        recipients = ", ".join(_name(r.name, r.email_address) for r in message.recipients)
        sent = message.sent_date
        for label, value in (
            ("From", sender),
            ("To", recipients),
            ("Date", sent.strftime("%a, %d %b %Y %H:%M %z") if sent else ""),
        ):
            if value:
                builder.line(f"{label}: {value}")
        body = (message.body or "").strip()
        if not body and message.html_body:
            body = parse_html_text(message.html_body).text
        if not body:
            raise ParseError("no_text", "Its text is stored as rich text alone; save it as .eml.")
        builder.block(body)
        names = [one_line(a.file_name or "unnamed") for a in message.attachments]
        if names:
            builder.block("Attachments: " + ", ".join(names))
        title = message.subject.strip() or "(no subject)"
    return builder.build(MSG, title=title, author=sender, updated_at=sent)


def _name(name: str, address: str) -> str:
    name, address = one_line(name), one_line(address)
    return f"{name} <{address}>" if name and address and name != address else name or address
