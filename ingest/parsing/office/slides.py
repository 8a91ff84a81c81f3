"""PowerPoint files."""

import io
from collections.abc import Iterator
from typing import Any

from ingest.parsing.archive.limits import broken_file, check_archive
from ingest.parsing.document import ParsedDocument, TextBuilder, one_line
from ingest.parsing.office.word import with_properties

PPTX = "application/vnd.openxmlformats-officedocument.presentationml.presentation"
_MAX_DEPTH = 50


def parse_pptx(content: bytes) -> ParsedDocument:
    """A page and a heading a slide, then its text, tables and notes."""
    check_archive(content)
    import pptx

    builder = TextBuilder()
    with broken_file("PowerPoint file"):
        show = pptx.Presentation(io.BytesIO(content))
        for number, slide in enumerate(show.slides, start=1):
            builder.page()
            _write_slide(builder, slide, number)
        return with_properties(builder, PPTX, show.core_properties)


def _write_slide(builder: TextBuilder, slide: Any, number: int) -> None:
    title = slide.shapes.title
    name = one_line(title.text_frame.text) if title is not None else ""
    builder.heading(1, name or f"Slide {number}")
    for shape in _shapes(slide.shapes, 0):
        if title is None or shape.shape_id != title.shape_id:
            _write_shape(builder, shape)
    if slide.has_notes_slide and slide.notes_slide.notes_text_frame is not None:
        notes = slide.notes_slide.notes_text_frame.text
        if notes.strip():
            builder.block(f"Notes: {notes.strip()}")


def _shapes(shapes: Any, depth: int) -> Iterator[Any]:
    for shape in shapes:
        if hasattr(shape, "shapes"):
            if depth < _MAX_DEPTH:
                yield from _shapes(shape.shapes, depth + 1)
        else:
            yield shape


def _write_shape(builder: TextBuilder, shape: Any) -> None:
    if shape.has_text_frame:
        builder.block("\n".join(p.text for p in shape.text_frame.paragraphs if p.text.strip()))
    elif getattr(shape, "has_table", False):
        # A cell that is merged into another is empty; the other one holds the text.
        rows = (
            " | ".join(one_line(cell.text) for cell in row.cells if not cell.is_spanned).strip(" |")
            for row in shape.table.rows
        )
        builder.block("\n".join(row for row in rows if row))
