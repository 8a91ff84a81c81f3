"""Comma-separated values, and rows of any table: each as a line that can be read by itself."""

import csv
import io
from collections.abc import Iterable, Sequence

from ingest.parsing.document import ParsedDocument, ParseError, TextBuilder, decode, one_line

_MAX_FIELD_CHARS = 10_000_000
_MAX_COLUMNS = 20_000


def parse_csv(content: bytes) -> ParsedDocument:
    """Rows as `column: value` where the first row names the columns; comma, semicolon, tab or bar between.

    Raises:
        ParseError: `damaged`, `invalid_encoding`, or `too_large` for a table of too many columns.
    """
    text = decode(content)
    delimiter = _delimiter(text)
    csv.field_size_limit(_MAX_FIELD_CHARS)
    try:
        rows = list(csv.reader(_narrow(io.StringIO(text, newline=""), delimiter), delimiter=delimiter))
    except csv.Error as error:
        raise ParseError("damaged", f"Not a readable table ({error}).") from error
    builder = TextBuilder()
    write_rows(builder, rows)
    return builder.build("text/csv")


def _narrow(lines: Iterable[str], delimiter: str) -> Iterable[str]:
    """The lines, until one has more columns than any table: it would take all memory."""
    for number, line in enumerate(lines, start=1):
        if line.count(delimiter) > _MAX_COLUMNS:
            raise ParseError("too_large", f"Line {number} has more than {_MAX_COLUMNS:,} columns.")
        yield line


def _delimiter(text: str) -> str:
    first = text.split("\n", 1)[0]
    return max(",;\t|", key=first.count)


def write_rows(builder: TextBuilder, rows: Sequence[Sequence[str]]) -> None:
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
