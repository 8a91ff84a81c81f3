"""Word and PowerPoint files."""

import io
import re
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ingest.parsing.document import ParsedDocument, ParseError, TextBuilder, one_line

if TYPE_CHECKING:
    from docx.document import Document
    from docx.table import Table
    from docx.text.paragraph import Paragraph

_MAX_UNPACKED_BYTES = 1_000_000_000
_MAX_RATIO = 200
_RATIO_MATTERS_ABOVE_BYTES = 50_000_000
_MAX_ENTRIES = 20_000
_OLE_MAGIC = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_HEADING_STYLE = re.compile(r"heading (\d)", re.IGNORECASE)

DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
PPTX = "application/vnd.openxmlformats-officedocument.presentationml.presentation"


def check_archive(content: bytes) -> None:
    """Reads the directory of an Office file before anything is unpacked.

    Raises:
        ParseError: `encrypted` for a file behind a password, `damaged` for one that is no archive, and
            `archive_bomb` for one that would unpack to far more than an Office file does.
    """
    if content.startswith(_OLE_MAGIC):
        raise ParseError("encrypted", "It needs a password, or is of an old Office format; save a new copy.")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError) as error:
        raise ParseError("damaged", f"Not a readable Office file ({error}).") from error
    unpacked = sum(entry.file_size for entry in entries)
    ratio = unpacked / max(1, len(content))
    if (
        unpacked > _MAX_UNPACKED_BYTES
        or len(entries) > _MAX_ENTRIES
        or (unpacked > _RATIO_MATTERS_ABOVE_BYTES and ratio > _MAX_RATIO)
    ):
        raise ParseError(
            "archive_bomb",
            f"It would unpack {len(content):,} bytes to {unpacked:,} in {len(entries):,} parts; not opened.",
        )
    if any(entry.flag_bits & 1 for entry in entries):
        raise ParseError("encrypted", "Its parts need a password; save a copy without one.")


def parse_docx(content: bytes) -> ParsedDocument:
    """Headings by their styles, paragraphs, lists and tables in reading order."""
    check_archive(content)
    import docx

    document = _open(docx.Document, content)
    builder = TextBuilder()
    for item in document.iter_inner_content():
        if hasattr(item, "rows"):
            _write_table(builder, item)
        else:
            _write_paragraph(builder, item)
    return _with_properties(builder, DOCX, document.core_properties)


def parse_pptx(content: bytes) -> ParsedDocument:
    """A heading a slide, then its text, tables and notes."""
    check_archive(content)
    import pptx

    show = _open(pptx.Presentation, content)
    builder = TextBuilder()
    for number, slide in enumerate(show.slides, start=1):
        title = slide.shapes.title
        name = one_line(title.text_frame.text) if title is not None else ""
        builder.heading(1, name or f"Slide {number}")
        for shape in _shapes(slide.shapes):
            if title is not None and shape.shape_id == title.shape_id:
                continue
            _write_shape(builder, shape)
        if slide.has_notes_slide and slide.notes_slide.notes_text_frame is not None:
            builder.block(slide.notes_slide.notes_text_frame.text)
    return _with_properties(builder, PPTX, show.core_properties)


def _open(opener: Callable[[io.BytesIO], Any], content: bytes) -> Any:
    try:
        return opener(io.BytesIO(content))
    except MemoryError:
        raise
    except Exception as error:
        # The libraries raise KeyError, ValueError, XML errors and more for the same thing: a broken file.
        raise ParseError(
            "damaged", f"Not a readable Office file ({type(error).__name__}: {error})."
        ) from error


def _write_paragraph(builder: TextBuilder, paragraph: "Paragraph") -> None:
    style = paragraph.style.name if paragraph.style is not None else ""
    found = _HEADING_STYLE.fullmatch(style or "")
    if style == "Title":
        builder.heading(1, paragraph.text)
    elif found:
        builder.heading(int(found[1]), paragraph.text)
    elif (style or "").startswith("List") and paragraph.text.strip():
        builder.line(f"- {paragraph.text.strip()}")
    else:
        builder.block(paragraph.text)


def _write_table(builder: TextBuilder, table: "Table") -> None:
    rows = []
    for row in table.rows:
        cells: list[str] = []
        seen: set[Any] = set()
        for cell in row.cells:
            # A merged cell comes once for each column that it covers.
            if cell._tc not in seen:
                seen.add(cell._tc)
                cells.append(one_line(cell.text))
        rows.append(" | ".join(cells).strip(" |"))
    builder.block("\n".join(row for row in rows if row))


def _shapes(shapes: Any) -> Any:
    for shape in shapes:
        if hasattr(shape, "shapes"):
            yield from _shapes(shape.shapes)
        else:
            yield shape


def _write_shape(builder: TextBuilder, shape: Any) -> None:
    if shape.has_text_frame:
        builder.block("\n".join(p.text for p in shape.text_frame.paragraphs if p.text.strip()))
    elif getattr(shape, "has_table", False):
        rows = (" | ".join(one_line(cell.text) for cell in row.cells).strip(" |") for row in shape.table.rows)
        builder.block("\n".join(row for row in rows if row))


def _with_properties(builder: TextBuilder, media_type: str, about: "Document | Any") -> ParsedDocument:
    moment: datetime | None = about.modified or about.created
    if moment is not None and moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return builder.build(media_type, title=about.title, author=about.author, updated_at=moment)
