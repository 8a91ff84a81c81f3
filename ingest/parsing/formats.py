"""Which parser reads which file: a format is one line here and one function in this folder."""

import importlib
from collections.abc import Callable
from pathlib import PurePosixPath

from ingest.parsing.document import ParsedDocument, ParseError

Parse = Callable[[bytes], ParsedDocument]

# Parsers are named, not imported: only the parsing process loads them, each on its first document.
_PARSERS = {
    ".md": "markdown:parse_markdown",
    ".markdown": "markdown:parse_markdown",
    ".txt": "markdown:parse_text",
    ".html": "html:parse_html",
    ".htm": "html:parse_html",
    ".pdf": "pdf:parse_pdf",
    ".docx": "office:parse_docx",
    ".pptx": "office:parse_pptx",
    ".xlsx": "tabular:parse_xlsx",
    ".csv": "tabular:parse_csv",
    ".eml": "mail:parse_mail",
}
_MEDIA_TYPES = {
    "text/markdown": ".md",
    "text/plain": ".txt",
    "text/html": ".html",
    "application/pdf": ".pdf",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": ".docx",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": ".pptx",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": ".xlsx",
    "text/csv": ".csv",
    "message/rfc822": ".eml",
}


def format_of(file_name: str, media_type: str | None = None) -> str | None:
    """The suffix that names the format, by media type where known, or nothing if no parser reads it."""
    known = _MEDIA_TYPES.get((media_type or "").split(";")[0].strip().lower())
    suffix = PurePosixPath(file_name).suffix.lower()
    return known or (suffix if suffix in _PARSERS else None)


def supports(file_name: str, media_type: str | None = None) -> bool:
    """Whether a parser reads this kind of file."""
    return format_of(file_name, media_type) is not None


def unsupported(file_name: str) -> ParseError:
    """The failure of a file that no parser reads."""
    known = ", ".join(_PARSERS)
    return ParseError(
        "unsupported_format", f"{PurePosixPath(file_name).suffix or 'No suffix'}: Rung reads {known}."
    )


def parse_bytes(file_name: str, media_type: str | None, content: bytes) -> ParsedDocument:
    """Parses in this process, without limits: for the parsing process and for tests.

    Raises:
        ParseError: names what is wrong.
    """
    if len(content) < 4096 and not content.strip(b"\x00 \t\r\n\xef\xbb\xbf"):
        raise ParseError("empty", "The file holds nothing.")
    name = format_of(file_name, media_type)
    if name is None:
        raise unsupported(file_name)
    module, function = _PARSERS[name].split(":")
    parse: Parse = getattr(importlib.import_module(f"ingest.parsing.{module}"), function)
    parsed = parse(content)
    if not parsed.text.strip():
        raise ParseError("no_text", "No readable text was found in it.")
    return parsed
