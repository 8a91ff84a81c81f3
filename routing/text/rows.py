"""Rows of tables in words: a row says little without the names of its columns."""

import re

_CELL = re.compile(r"\s*\|\s*")


def row_in_words(text: str, start: int, end: int) -> str:
    """The stretch of a text on one line; a row of a table with the names of its columns before its cells.

    The names are taken from the table's first line, where it is plainly a head: it has as many cells as the
    row, none of them with a digit, and other text stands before it (a text that begins inside a table has
    lost its head). A row without a head has its cells set apart by a dot.

    Args:
        start, end: character offsets in `text`.
    """
    line = " ".join(text[start:end].split())
    cells = _CELL.split(line.strip("| "))
    if len(cells) < 2:
        return line
    head = _head(text, start, len(cells))
    if head is None:
        return " · ".join(cells)
    return "; ".join(
        f"{name}: {cell}" if name else cell for name, cell in zip(head, cells, strict=True) if cell
    )


def _head(text: str, start: int, cells: int) -> list[str] | None:
    lines = text[:start].split("\n")
    # The row itself may begin in the middle of its line, behind a bar.
    above = lines[:-1]
    first = len(above)
    while first > 0 and "|" in above[first - 1]:
        first -= 1
    if first == len(above) or not any(line.strip() for line in above[:first]):
        return None
    head = _CELL.split(above[first].strip("| "))
    plain = len(head) == cells and not any(character.isdigit() for character in above[first])
    return head if plain else None
