"""A mailbox file: each message a section, in the order of the file."""

import re
from collections.abc import Iterator

from ingest.parsing.document import ParsedDocument, ParseError, TextBuilder
from ingest.parsing.mail.message import parse_mail

_FROM = re.compile(rb"(?:\A|(?<=\n\n)|(?<=\n\r\n))From [^\r\n]{1,500}\r?\n")
_QUOTED_FROM = re.compile(rb"^>(>*From )", re.MULTILINE)
_MAX_NOTES = 20


def parse_mbox(content: bytes) -> ParsedDocument:
    """Each message under its subject; one that cannot be read is a note.

    Raises:
        ParseError: `damaged` when it is no mailbox, `no_text` when none of its messages can be read.
    """
    builder = TextBuilder()
    failed: list[str] = []
    for number, message in enumerate(_messages(content), start=1):
        try:
            parsed = parse_mail(message)
        except ParseError as error:
            failed.append(f"{number} ({error.code})")
            continue
        builder.heading(1, parsed.title or "(no subject)")
        builder.include(parsed, below=1)
    if failed:
        more = f" and {len(failed) - _MAX_NOTES} more" if len(failed) > _MAX_NOTES else ""
        builder.note("messages_failed", f"Messages not read: {', '.join(failed[:_MAX_NOTES])}{more}.")
    if not builder.length:
        raise ParseError("no_text", "None of its messages can be read.")
    parsed = builder.build("application/mbox")
    # The first message's subject is not the mailbox's title.
    return ParsedDocument(parsed.text, parsed.media_type, parsed.headings, notes=parsed.notes)


def _messages(content: bytes) -> Iterator[bytes]:
    starts = list(_FROM.finditer(content))
    if not starts or content[: starts[0].start()].strip():
        raise ParseError("damaged", "It does not begin as a mailbox does, with a line `From …`.")
    ends = [found.start() for found in starts[1:]] + [len(content)]
    for found, end in zip(starts, ends, strict=True):
        yield _QUOTED_FROM.sub(rb"\1", content[found.end() : end])
