"""Real files of each format, made on the spot."""

import io
import zipfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import docx
import pptx
import xlsxwriter
from fpdf import FPDF
from fpdf.enums import AccessPermission

MOMENT = datetime(2026, 3, 4, tzinfo=UTC)


def pdf(*pages: str, password: str | None = None, sections: bool = False) -> bytes:
    made = FPDF()
    made.set_title("Sensor manual")
    made.set_author("Rui Costa")
    made.set_creation_date(MOMENT)
    made.set_font("Helvetica", size=11)
    for number, text in enumerate(pages, start=1):
        made.add_page()
        if sections:
            made.start_section(f"Part {number}")
            made.multi_cell(0, 8, f"Part {number}", new_x="LMARGIN", new_y="NEXT")
        made.multi_cell(0, 8, text)
    if password is not None:
        made.set_encryption(
            owner_password="owner", user_password=password, permissions=AccessPermission.all()
        )
    return bytes(made.output())


def word() -> bytes:
    made = docx.Document()
    made.core_properties.title = "Travel policy"
    made.core_properties.author = "Ana Ferreira"
    made.core_properties.modified = MOMENT.replace(tzinfo=None)
    made.add_heading("Hotels", level=1)
    made.add_paragraph("Book at most 140 EUR a night.")
    made.add_paragraph("Porto", style="List Bullet")
    made.add_paragraph("Leeds", style="List Bullet")
    made.add_heading("Limits", level=2)
    table = made.add_table(rows=2, cols=2)
    for cell, text in zip(table._cells, ("City", "Limit", "Valencia", "120"), strict=True):
        cell.text = text
    return _bytes(made.save)


def slides() -> bytes:
    made = pptx.Presentation()
    for title, body in (("Plan 2026", "Ship the probe"), ("Risks", "Supplier of membranes")):
        slide = made.slides.add_slide(made.slide_layouts[1])
        slide.shapes.title.text = title
        slide.placeholders[1].text = body
        slide.notes_slide.notes_text_frame.text = f"Note on {title}"
    return _bytes(made.save)


def sheets(tables: Mapping[str, Sequence[Sequence[object]]], title: str | None = None) -> bytes:
    target = io.BytesIO()
    book = xlsxwriter.Workbook(target)
    if title:
        book.set_properties({"title": title, "author": "Ana Ferreira", "created": MOMENT})
    for name, rows in tables.items():
        sheet = book.add_worksheet(name)
        for number, row in enumerate(rows):
            sheet.write_row(number, 0, row)
    book.close()
    return target.getvalue()


def bomb(megabytes: int = 400) -> bytes:
    """A small .docx whose document part unpacks to hundreds of megabytes."""
    target = io.BytesIO()
    source = zipfile.ZipFile(io.BytesIO(word()))
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for entry in source.infolist():
            if entry.filename != "word/document.xml":
                archive.writestr(entry, source.read(entry))
        with archive.open("word/document.xml", "w", force_zip64=True) as part:
            for _ in range(megabytes):
                part.write(b" " * 1_000_000)
    return target.getvalue()


def _bytes(save: object) -> bytes:
    target = io.BytesIO()
    save(target)  # type: ignore[operator]
    return target.getvalue()
