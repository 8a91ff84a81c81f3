"""Word files."""

import io
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ingest.parsing.archive.limits import broken_file, check_archive
from ingest.parsing.document import ParsedDocument, TextBuilder, one_line

if TYPE_CHECKING:
    from docx.table import Table
    from docx.text.paragraph import Paragraph

_HEADING_STYLE = re.compile(r"heading (\d)", re.IGNORECASE)
_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_PAGE_BREAK = f"{_W}lastRenderedPageBreak"
_MAX_SPAN = 1_000

DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"


def parse_docx(content: bytes) -> ParsedDocument:
    """Headings by their styles, paragraphs, lists and tables in reading order.

    Pages are those that Word saw when it last saved the file; a file that it never saved has none.
    """
    check_archive(content)
    import docx

    builder = TextBuilder()
    with broken_file("Word file"):
        document = docx.Document(io.BytesIO(content))
        if next(document.element.body.iter(_PAGE_BREAK), None) is not None:
            builder.page()
        for item in document.iter_inner_content():
            if hasattr(item, "rows"):
                _write_table(builder, item)
                _turn_pages(builder, item._tbl)
            else:
                _write_paragraph(builder, item)
        return with_properties(builder, DOCX, document.core_properties)


def _write_paragraph(builder: TextBuilder, paragraph: "Paragraph") -> None:
    begins_page = _begins_page(paragraph._p)
    if begins_page:
        _turn_pages(builder, paragraph._p)
    level = _level(paragraph)
    style = (paragraph.style.name if paragraph.style is not None else "") or ""
    if level:
        builder.heading(level, paragraph.text)
    elif style.startswith("List") and paragraph.text.strip():
        builder.line(f"- {paragraph.text.strip()}")
    else:
        builder.block(paragraph.text)
    if not begins_page:
        _turn_pages(builder, paragraph._p)


def _level(paragraph: "Paragraph") -> int:
    """The level as a heading, or 0: by the style's English name, which Word keeps, or its outline level."""
    style = paragraph.style
    if style is not None and style.name == "Title":
        return 1
    found = _HEADING_STYLE.fullmatch((style.name if style is not None else "") or "")
    if found:
        return int(found[1])
    for element in (paragraph._p, style.element if style is not None else None):
        mark = next(element.iter(f"{_W}outlineLvl"), None) if element is not None else None
        value = mark.get(f"{_W}val", "9") if mark is not None else "9"
        if value in "012345":
            return int(value) + 1
    return 0


def _begins_page(element: Any) -> bool:
    """Whether a page begins with the paragraph, not within it."""
    for inner in element.iter(f"{_W}t", _PAGE_BREAK):
        if inner.tag == _PAGE_BREAK:
            return True
        if (inner.text or "").strip():
            return False
    return False


def _turn_pages(builder: TextBuilder, element: Any) -> None:
    for _ in element.iter(_PAGE_BREAK):
        builder.page()


def _write_table(builder: TextBuilder, table: "Table") -> None:
    above: dict[int, str] = {}
    rows = []
    for row in table._tbl.iterchildren(f"{_W}tr"):
        cells = dict(_cells(row, above))
        above = cells
        rows.append(" | ".join(cells.values()).strip(" |"))
    builder.block("\n".join(row for row in rows if row))


def _cells(row: Any, above: dict[int, str]) -> Iterator[tuple[int, str]]:
    """(column, text) of each cell; one that is merged with the cell above it says the same."""
    column = 0
    for cell in row.iter(f"{_W}tc"):
        if cell.getparent() is not row:
            continue
        merged = next(cell.iter(f"{_W}vMerge"), None)
        if merged is not None and merged.get(f"{_W}val") != "restart":
            yield column, above.get(column, "")
        else:
            yield column, _text(cell)
        span = next(cell.iter(f"{_W}gridSpan"), None)
        value = span.get(f"{_W}val", "1") if span is not None else "1"
        column += min(int(value), _MAX_SPAN) if value.isdigit() else 1


def _text(cell: Any) -> str:
    """All text of a cell, that of tables in it too."""
    paragraphs = ("".join(t.text or "" for t in p.iter(f"{_W}t")) for p in cell.iter(f"{_W}p"))
    return one_line(" ".join(paragraphs))


def with_properties(builder: TextBuilder, media_type: str, about: Any) -> ParsedDocument:
    """The document with the title, author and date that an Office file says of itself."""
    moment: datetime | None = about.modified or about.created
    if moment is not None and moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return builder.build(media_type, title=about.title, author=about.author, updated_at=moment)
