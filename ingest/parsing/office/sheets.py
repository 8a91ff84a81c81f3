"""Excel files, by calamine."""

import html
import io
import re
import zipfile
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING

from ingest.parsing.archive.limits import broken_file, check_archive
from ingest.parsing.document import ParsedDocument, TextBuilder, believable, one_line, parse_moment
from ingest.parsing.plain.delimited import write_rows

if TYPE_CHECKING:
    from python_calamine import CalamineSheet

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_MAX_PROPERTIES_BYTES = 100_000
_PROPERTIES_PART = "docProps/core.xml"
_PROPERTY = re.compile(r"<(dc:title|dc:creator|dcterms:modified|dcterms:created)\b[^>]*>([^<]*)</")


def parse_xlsx(content: bytes) -> ParsedDocument:
    """A heading a sheet, then its rows. Formulas give the values that were saved with the file.

    Merged cells all say what the first of them says. Hidden sheets are left out, and named in a note.
    """
    check_archive(content)
    from python_calamine import CalamineWorkbook, SheetVisibleEnum

    builder = TextBuilder()
    with broken_file("spreadsheet"):
        book = CalamineWorkbook.from_filelike(io.BytesIO(content))
        shown = {s.name for s in book.sheets_metadata if s.visible == SheetVisibleEnum.Visible}
        for name in book.sheet_names:
            if name in shown:
                _write_sheet(builder, book.get_sheet_by_name(name), name)
        hidden = [one_line(name) for name in book.sheet_names if name not in shown]
        if hidden:
            builder.note("hidden_sheets", f"Hidden sheets were left out: {', '.join(hidden)}.")
        about = _properties(content)
    parsed = builder.build(XLSX)
    # Without a title of its own the document has none: the first sheet's name is not it.
    return replace(
        parsed,
        title=about.get("dc:title"),
        author=about.get("dc:creator"),
        updated_at=believable(parse_moment(about.get("dcterms:modified") or about.get("dcterms:created"))),
    )


def _write_sheet(builder: TextBuilder, sheet: "CalamineSheet", name: str) -> None:
    rows = [[_cell(value) for value in row] for row in sheet.to_python(skip_empty_area=False)]
    for (top, left), (bottom, right) in sheet.merged_cell_ranges or ():
        if top >= len(rows) or left >= len(rows[top]):
            continue
        for row in rows[top : bottom + 1]:
            # Across, the text stands once; downwards each row has to be read by itself.
            row[left : left + 1] = [rows[top][left]]
            row[left + 1 : right + 1] = [""] * len(row[left + 1 : right + 1])
    if any(any(row) for row in rows):
        builder.heading(1, name)
        write_rows(builder, rows)


def _properties(content: bytes) -> dict[str, str]:
    """The title, author and dates that the file says of itself. calamine does not read them."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        if _PROPERTIES_PART not in archive.namelist():
            return {}
        with archive.open(_PROPERTIES_PART) as part:
            found = _PROPERTY.findall(part.read(_MAX_PROPERTIES_BYTES).decode(errors="replace"))
    return {name: text for name, value in found if (text := one_line(html.unescape(value)))}


def _cell(value: object) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case float() if value.is_integer() and abs(value) < 1e15:
            return str(int(value))
        case datetime() if value.time() == time():
            return value.date().isoformat()
        case datetime() | date() | time():
            return value.isoformat(*([" "] if isinstance(value, datetime) else []))
        case timedelta():
            return str(value)
        case None:
            return ""
        case _:
            return str(value)
