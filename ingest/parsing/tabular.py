"""Spreadsheets and comma-separated values: each row as a line that can be read by itself."""

import csv
import html
import io
import re
import zipfile
from collections.abc import Iterable, Sequence
from datetime import date, datetime, time, timedelta

from ingest.parsing.document import (
    ParsedDocument,
    ParseError,
    TextBuilder,
    believable,
    decode,
    one_line,
    parse_moment,
)
from ingest.parsing.office import check_archive

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_MAX_FIELD_CHARS = 10_000_000
_MAX_PROPERTIES_BYTES = 100_000
_PROPERTIES_PART = "docProps/core.xml"
_PROPERTY = re.compile(r"<(dc:title|dc:creator|dcterms:modified|dcterms:created)\b[^>]*>([^<]*)</")


def parse_csv(content: bytes) -> ParsedDocument:
    """Rows as `column: value` where the first row names the columns; comma, semicolon, tab or bar between."""
    text = decode(content)
    csv.field_size_limit(_MAX_FIELD_CHARS)
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text)))
    except csv.Error as error:
        raise ParseError("damaged", f"Not a readable table ({error}).") from error
    builder = TextBuilder()
    _write_rows(builder, rows)
    return builder.build("text/csv")


def parse_xlsx(content: bytes) -> ParsedDocument:
    """A heading a sheet, then its rows. Formulas give the values that were saved with the file."""
    check_archive(content)
    from python_calamine import CalamineError, CalamineWorkbook

    builder = TextBuilder()
    try:
        book = CalamineWorkbook.from_filelike(io.BytesIO(content))
        for name in book.sheet_names:
            rows = book.get_sheet_by_name(name).to_python(skip_empty_area=True)
            if rows:
                builder.heading(1, name)
                _write_rows(builder, [[_cell(value) for value in row] for row in rows])
    except (CalamineError, ValueError, OSError) as error:
        raise ParseError("damaged", f"Not a readable spreadsheet ({error}).") from error
    parsed, about = builder.build(XLSX), _properties(content)
    # Without a title of its own the document has none: the first sheet's name is not it.
    return ParsedDocument(
        text=parsed.text,
        media_type=XLSX,
        headings=parsed.headings,
        title=about.get("dc:title"),
        author=about.get("dc:creator"),
        updated_at=believable(parse_moment(about.get("dcterms:modified") or about.get("dcterms:created"))),
    )


def _properties(content: bytes) -> dict[str, str]:
    """The title, author and dates that the file says of itself. calamine does not read them."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        if _PROPERTIES_PART not in archive.namelist():
            return {}
        with archive.open(_PROPERTIES_PART) as part:
            found = _PROPERTY.findall(part.read(_MAX_PROPERTIES_BYTES).decode(errors="replace"))
    return {name: text for name, value in found if (text := one_line(html.unescape(value)))}


def _delimiter(text: str) -> str:
    first = text.split("\n", 1)[0]
    return max(",;\t|", key=first.count)


def _write_rows(builder: TextBuilder, rows: Sequence[Sequence[str]]) -> None:
    filled = [[one_line(cell) for cell in row] for row in rows]
    filled = [row for row in filled if any(row)]
    if not filled:
        return
    header = filled[0]
    if len(filled) == 1 or not _is_header(header):
        builder.block("\n".join(_plain(row) for row in filled))
        return
    lines = [_plain(header)]
    lines.extend(_named(header, row) for row in filled[1:])
    builder.block("\n".join(lines))


def _is_header(row: Sequence[str]) -> bool:
    return len(row) > 1 and all(row) and len(set(row)) == len(row) and not any(_is_number(c) for c in row)


def _is_number(text: str) -> bool:
    return text.replace(".", "").replace(",", "").replace("-", "").replace("%", "").isdigit()


def _plain(cells: Iterable[str]) -> str:
    return " | ".join(cell for cell in cells if cell)


def _named(header: Sequence[str], row: Sequence[str]) -> str:
    names = [*header, *[""] * (len(row) - len(header))]
    return "; ".join(
        f"{name}: {cell}" if name else cell for name, cell in zip(names, row, strict=False) if cell
    )


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
