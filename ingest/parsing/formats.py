"""Which parser reads which file: a format is one line here and one function in this folder."""

import importlib
import io
import zipfile
from collections.abc import Callable
from pathlib import PurePosixPath

from ingest.parsing.document import ParsedDocument, ParseError

Parse = Callable[[bytes], ParsedDocument]

# Parsers are named, not imported: only the parsing process loads them, each on its first document.
_PARSERS = {
    ".md": "plain.markdown:parse_markdown",
    ".markdown": "plain.markdown:parse_markdown",
    ".txt": "plain.markdown:parse_text",
    ".text": "plain.markdown:parse_text",
    ".log": "plain.markdown:parse_text",
    ".rst": "plain.restructured:parse_rst",
    ".csv": "plain.delimited:parse_csv",
    ".tsv": "plain.delimited:parse_csv",
    ".json": "plain.structured:parse_json",
    ".jsonl": "plain.structured:parse_json_lines",
    ".html": "web.html:parse_html",
    ".htm": "web.html:parse_html",
    ".xhtml": "web.html:parse_html",
    ".epub": "web.epub:parse_epub",
    ".pdf": "pdf.reading:parse_pdf",
    ".docx": "office.word:parse_docx",
    ".pptx": "office.slides:parse_pptx",
    ".xlsx": "office.sheets:parse_xlsx",
    ".odt": "office.opendocument:parse_opendocument",
    ".ods": "office.opendocument:parse_opendocument",
    ".odp": "office.opendocument:parse_opendocument",
    ".eml": "mail.message:parse_mail",
    ".msg": "mail.outlook:parse_msg",
    ".mbox": "mail.mailbox:parse_mbox",
    ".ics": "mail.calendar:parse_ics",
    ".zip": "archive.bundle:parse_zip",
}
CODE_SUFFIXES = (
    *(".py", ".pyi", ".js", ".mjs", ".jsx", ".ts", ".tsx", ".java", ".kt", ".scala", ".go", ".rs", ".rb"),
    *(".c", ".h", ".cc", ".cpp", ".hpp", ".cs", ".swift", ".php", ".pl", ".lua", ".r", ".jl", ".sh", ".bash"),
    *(".ps1", ".sql", ".css", ".scss", ".vue", ".toml", ".yaml", ".yml", ".ini", ".cfg", ".conf", ".xml"),
    *(".tf", ".proto", ".graphql", ".tex", ".ex", ".exs", ".hs", ".dart"),
)
_PARSERS |= dict.fromkeys(CODE_SUFFIXES, "plain.code:parse_code")
_NAMES = {
    "dockerfile": ".sh",
    "makefile": ".sh",
    "readme": ".txt",
    "license": ".txt",
    "changelog": ".txt",
    "notice": ".txt",
}
_MEDIA_TYPES = {
    "text/markdown": ".md",
    "text/plain": ".txt",
    "text/x-rst": ".rst",
    "text/html": ".html",
    "application/xhtml+xml": ".html",
    "application/epub+zip": ".epub",
    "application/pdf": ".pdf",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": ".docx",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": ".pptx",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": ".xlsx",
    "application/vnd.oasis.opendocument.text": ".odt",
    "application/vnd.oasis.opendocument.spreadsheet": ".ods",
    "application/vnd.oasis.opendocument.presentation": ".odp",
    "text/csv": ".csv",
    "text/tab-separated-values": ".tsv",
    "application/json": ".json",
    "application/x-ndjson": ".jsonl",
    "message/rfc822": ".eml",
    "application/vnd.ms-outlook": ".msg",
    "application/mbox": ".mbox",
    "text/calendar": ".ics",
    "application/zip": ".zip",
    "application/x-zip-compressed": ".zip",
}
_WEAK_TYPES = ("text/plain", "application/zip", "application/x-zip-compressed")
"""What servers also say of files that they do not know: a suffix that is known says more."""

_PDF_WITHIN_BYTES = 1024
_OLE_MAGIC = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_MSG_STREAM = "__properties_version1.0".encode("utf-16-le")


def format_of(file_name: str, media_type: str | None = None) -> str | None:
    """The suffix that names the format, by media type where known, or nothing if no parser reads it."""
    said = (media_type or "").split(";")[0].strip().lower()
    by_type = _MEDIA_TYPES.get(said)
    path = PurePosixPath(file_name)
    suffix = path.suffix.lower()
    by_name = suffix if suffix in _PARSERS else _NAMES.get(path.name.lower())
    if by_name is not None and said in _WEAK_TYPES:
        return by_name
    return by_type or by_name


def supports(file_name: str, media_type: str | None = None) -> bool:
    """Whether a parser reads this kind of file."""
    return format_of(file_name, media_type) is not None


def unsupported(file_name: str) -> ParseError:
    """The failure of a file that no parser reads."""
    known = ", ".join(suffix for suffix in _PARSERS if suffix not in CODE_SUFFIXES)
    return ParseError(
        "unsupported_format",
        f"{PurePosixPath(file_name).suffix or 'No suffix'}: Rung reads {known} and source code.",
    )


def really(name: str, content: bytes) -> str:
    """The format by the first bytes where they say it plainly, such as a PDF that is called .txt."""
    if b"%PDF-" in content[:_PDF_WITHIN_BYTES] and name != ".mbox" and name != ".eml":
        return ".pdf"
    if content.startswith(_OLE_MAGIC) and _MSG_STREAM in content:
        return ".msg"
    if content.startswith(b"PK\x03\x04"):
        return _kind_of_archive(content) or name
    return name


def _kind_of_archive(content: bytes) -> str | None:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = set(archive.namelist()[:1000])
            if "mimetype" in names and archive.getinfo("mimetype").file_size < 200:
                return _MEDIA_TYPES.get(archive.read("mimetype").decode(errors="replace").strip())
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError, RuntimeError, KeyError, EOFError):
        # The parser that it goes to then says what is wrong with it.
        return None
    parts = {"word/document.xml": ".docx", "ppt/presentation.xml": ".pptx", "xl/workbook.xml": ".xlsx"}
    return next((suffix for part, suffix in parts.items() if part in names), None)


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
    module, function = _PARSERS[really(name, content)].split(":")
    parse: Parse = getattr(importlib.import_module(f"ingest.parsing.{module}"), function)
    parsed = parse(content)
    if not parsed.text.strip():
        raise ParseError("no_text", "No readable text was found in it.")
    return parsed
