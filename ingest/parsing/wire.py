"""The messages between Rung and its parsing process: a length, then msgpack. Never pickle."""

from datetime import datetime
from typing import Any

import msgpack

from ingest.parsing.document import Heading, Note, ParsedDocument, ParseError

LENGTH_BYTES = 8


def frame(message: dict[str, Any]) -> bytes:
    """A message as bytes, its length in front."""
    body: bytes = msgpack.packb(message)
    return len(body).to_bytes(LENGTH_BYTES, "big") + body


def unframe(body: bytes) -> dict[str, Any]:
    """A message from its bytes, without the length."""
    message: dict[str, Any] = msgpack.unpackb(body)
    return message


def answer_of(parsed: ParsedDocument) -> dict[str, Any]:
    """A parsed document as a message."""
    return {
        "text": parsed.text,
        "media_type": parsed.media_type,
        "headings": [[h.level, h.text, h.start] for h in parsed.headings],
        "title": parsed.title,
        "author": parsed.author,
        "updated_at": parsed.updated_at.isoformat() if parsed.updated_at else None,
        "pages": list(parsed.pages),
        "language": parsed.language,
        "notes": [[note.code, note.text] for note in parsed.notes],
    }


def document_of(message: dict[str, Any]) -> ParsedDocument:
    """A parsed document from its message.

    Raises:
        ParseError: where the message says so.
    """
    if "code" in message:
        raise ParseError(message["code"], message["reason"])
    moment = message["updated_at"]
    return ParsedDocument(
        text=message["text"],
        media_type=message["media_type"],
        headings=tuple(Heading(*heading) for heading in message["headings"]),
        title=message["title"],
        author=message["author"],
        updated_at=datetime.fromisoformat(moment) if moment is not None else None,
        pages=tuple(message["pages"]),
        language=message["language"],
        notes=tuple(Note(*note) for note in message["notes"]),
    )
