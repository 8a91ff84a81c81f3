"""Compiles text sources into real .pdf, .docx, .pptx and .xlsx files, the same bytes every time.

Two things would otherwise differ from run to run: the dates that the libraries stamp into metadata, and the
entry times inside the zip container. Both are set to the document's own date.
"""

import csv
import io
import re
import zipfile
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from app.core.errors import InputError
from app.demo.blocks import Block, Header, parse_blocks, parse_header, plain, split_front_matter

if TYPE_CHECKING:
    from docx.document import Document
    from docx.text.paragraph import Paragraph
    from fpdf import FPDF
    from pptx.presentation import Presentation
    from pptx.slide import Slide

_SHEET = re.compile(r"# Sheet: (.+)")
_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?")
_PDF_HEADING_POINTS = {1: 16, 2: 13, 3: 11, 4: 10}


def compile_source(source: str, name: str) -> bytes:
    """Compile one source text; `name` is the output's name and its suffix picks the format.

    Raises InputError, naming the file, for a source without a usable front matter or with a character that
    the format cannot show.
    """
    values, body = split_front_matter(source)
    header = parse_header(values, name)
    try:
        return _COMPILERS[name.rpartition(".")[2]](header, body)
    except UnicodeEncodeError as error:
        raise InputError(f"{name}: the PDF fonts cannot show {error.object[error.start]!r}.") from error


def _compile_pdf(header: Header, body: str) -> bytes:
    from fpdf import FPDF

    pdf = FPDF(format="A4")
    pdf.set_creation_date(header.written_at)
    pdf.set_title(header.title)
    pdf.set_author(header.author)
    pdf.set_margins(20, 20)
    pdf.add_page()
    _pdf_text(pdf, header.title, "B", 18)
    _pdf_text(pdf, f"{header.author}, {header.date.isoformat()}", "I", 9)
    number = 0
    for block in parse_blocks(body):
        number = number + 1 if block.kind == "numbered" else 0
        _pdf_block(pdf, block, number)
    return bytes(pdf.output())


def _pdf_block(pdf: "FPDF", block: Block, number: int) -> None:
    match block.kind:
        case "heading":
            pdf.ln(2)
            # A bookmark, so that a reader of the file finds its headings.
            pdf.start_section(_latin(plain(block.text)), level=max(0, block.level - 1), strict=False)
            _pdf_text(pdf, block.text, "B", _PDF_HEADING_POINTS[block.level])
        case "table":
            pdf.set_font("Helvetica", size=9)
            with pdf.table(line_height=5) as table:
                for row in block.rows:
                    table.row([_latin(plain(cell)) for cell in row])
            pdf.ln(2)
        case "bullet":
            _pdf_text(pdf, f"- {block.text}", "", 10)
        case "numbered":
            _pdf_text(pdf, f"{number}. {block.text}", "", 10)
        case "paragraph":
            _pdf_text(pdf, block.text, "", 10)


def _pdf_text(pdf: "FPDF", text: str, style: str, points: int) -> None:
    pdf.set_font("Helvetica", style, points)
    pdf.multi_cell(0, points * 0.5, _latin(plain(text)), align="L", new_x="LMARGIN", new_y="NEXT")
    pdf.ln(1.5)


def _latin(text: str) -> str:
    """The text unchanged; raises UnicodeEncodeError where the built-in PDF fonts lack a character."""
    text.encode("latin-1")
    return text


def _compile_docx(header: Header, body: str) -> bytes:
    import docx

    document = docx.Document()
    properties = document.core_properties
    properties.title, properties.author = header.title, header.author
    properties.last_modified_by, properties.comments = header.author, ""
    properties.created = properties.modified = header.written_at
    document.add_heading(header.title, 0)
    document.add_paragraph(f"{header.author}, {header.date.isoformat()}", style="Subtitle")
    for block in parse_blocks(body):
        _docx_block(document, block)
    buffer = io.BytesIO()
    document.save(buffer)
    return _repack(buffer.getvalue(), header)


def _docx_block(document: "Document", block: Block) -> None:
    match block.kind:
        case "heading":
            document.add_heading(plain(block.text), block.level)
        case "table":
            table = document.add_table(len(block.rows), len(block.rows[0]), style="Table Grid")
            for row, values in zip(table.rows, block.rows, strict=True):
                for cell, value in zip(row.cells, values, strict=True):
                    cell.text = plain(value)
        case "bullet":
            _bold_runs(document.add_paragraph(style="List Bullet"), block.text)
        case "numbered":
            _bold_runs(document.add_paragraph(style="List Number"), block.text)
        case "paragraph":
            _bold_runs(document.add_paragraph(), block.text)


def _bold_runs(paragraph: "Paragraph", text: str) -> None:
    for index, part in enumerate(text.split("**")):
        if part:
            paragraph.add_run(plain(part)).bold = index % 2 == 1


def _compile_pptx(header: Header, body: str) -> bytes:
    import pptx

    deck = pptx.Presentation()
    properties = deck.core_properties
    properties.title, properties.author = header.title, header.author
    properties.last_modified_by = header.author
    properties.created = properties.modified = header.written_at
    cover = deck.slides.add_slide(deck.slide_layouts[0])
    _fill(cover, 0, header.title)
    _fill(cover, 1, f"{header.author}, {header.date.isoformat()}")
    for title, blocks in _slides(body):
        _add_slide(deck, title, blocks)
    buffer = io.BytesIO()
    deck.save(buffer)
    return _repack(buffer.getvalue(), header)


def _slides(body: str) -> Iterator[tuple[str, list[Block]]]:
    """One slide for each `## heading`, with the blocks under it."""
    title, blocks = "", list[Block]()
    for block in parse_blocks(body):
        if block.kind == "heading":
            if title:
                yield title, blocks
            title, blocks = block.text, []
        else:
            blocks.append(block)
    if title:
        yield title, blocks


def _add_slide(deck: "Presentation", title: str, blocks: list[Block]) -> None:
    """Bullets go into the body, a table below the title, a `Notes:` paragraph into the speaker notes."""
    from pptx.util import Cm

    notes = [plain(b.text).removeprefix("Notes:").strip() for b in blocks if b.text.startswith("Notes:")]
    lines = [plain(b.text) for b in blocks if b.kind != "table" and not b.text.startswith("Notes:")]
    tables = [b.rows for b in blocks if b.kind == "table"]
    slide = deck.slides.add_slide(deck.slide_layouts[5 if tables else 1])
    _fill(slide, 0, title)
    if not tables:
        _fill(slide, 1, "\n".join(lines))
    elif lines:
        box = slide.shapes.add_textbox(Cm(1.5), Cm(15.5), Cm(22), Cm(3))
        box.text_frame.text = "\n".join(lines)
    for rows in tables:
        shape = slide.shapes.add_table(len(rows), len(rows[0]), Cm(1.5), Cm(5), Cm(22), Cm(len(rows)))
        for row, values in zip(shape.table.rows, rows, strict=True):
            for cell, value in zip(row.cells, values, strict=True):
                cell.text = plain(value)
    if notes and (frame := slide.notes_slide.notes_text_frame) is not None:
        frame.text = "\n".join(notes)


def _fill(slide: "Slide", placeholder: int, text: str) -> None:
    shape = slide.placeholders[placeholder]
    shape.text_frame.text = text


def _compile_xlsx(header: Header, body: str) -> bytes:
    import xlsxwriter

    buffer = io.BytesIO()
    book = xlsxwriter.Workbook(buffer, {"in_memory": True})
    created = header.written_at.replace(tzinfo=None)
    book.set_properties({"title": header.title, "author": header.author, "created": created})
    bold = book.add_format({"bold": True})
    for name, rows in _sheets(body):
        sheet = book.add_worksheet(name)
        for index, row in enumerate(rows):
            values = [_cell(value) for value in row]
            sheet.write_row(index, 0, values, bold if index == 0 else None)
        sheet.set_column(0, len(rows[0]) - 1, 22)
    book.close()
    return _repack(buffer.getvalue(), header)


def _sheets(body: str) -> Iterator[tuple[str, list[list[str]]]]:
    """The sheets of a workbook source: each `# Sheet: NAME` line starts one, comma-separated rows follow."""
    parts = _SHEET.split(body)
    for name, text in zip(parts[1::2], parts[2::2], strict=True):
        yield name.strip(), [row for row in csv.reader(text.strip().splitlines()) if row]


def _cell(value: str) -> str | int | float:
    if not _NUMBER.fullmatch(value):
        return value
    return float(value) if "." in value else int(value)


def _repack(container: bytes, header: Header) -> bytes:
    """Write a zip container again with every entry dated at the document's own date."""
    moment = header.written_at.timetuple()[:6]
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(container)) as old, zipfile.ZipFile(buffer, "w") as new:
        for entry in old.infolist():
            info = zipfile.ZipInfo(entry.filename, date_time=moment)
            info.compress_type, info.create_system = zipfile.ZIP_DEFLATED, 3
            info.external_attr = 0o644 << 16
            new.writestr(info, old.read(entry))
    return buffer.getvalue()


_COMPILERS: dict[str, Callable[[Header, str], bytes]] = {
    "pdf": _compile_pdf,
    "docx": _compile_docx,
    "pptx": _compile_pptx,
    "xlsx": _compile_xlsx,
}
COMPILED_SUFFIXES: Sequence[str] = (".pdf.md", ".docx.md", ".pptx.md", ".xlsx.csv")
