"""Headings of a PDF: its bookmarks, or else lines set larger than the text, and bold lines with a number."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ingest.parsing.document import one_line
from ingest.parsing.pdf.layout import Line

if TYPE_CHECKING:
    from pypdfium2 import PdfDocument

_LARGER = 1.15
_MOST_CHARS = 120
_MOST_SIZES = 4
_NUMBERED = re.compile(r"(\d{1,2}(?:\.\d{1,2}){0,4})\.?\s+[^\W\d].*")
_FURNITURE_LINES = 2
_MARGIN = 0.12
_FEWEST_PAGES = 3
_DIGITS = re.compile(r"\d+")

Bookmarks = Mapping[int, Sequence[tuple[int, str]]]


@dataclass(frozen=True, slots=True)
class PageLines:
    """The lines of a page in reading order."""

    lines: Sequence[Line]
    in_columns: bool
    height: float
    """Of the page, in points."""


def bookmarks_of(pdf: "PdfDocument") -> dict[int, list[tuple[int, str]]]:
    """(level, title) of the bookmarks of each page, pages counted from 0."""
    found: dict[int, list[tuple[int, str]]] = {}
    for mark in pdf.get_toc(max_depth=6):
        target = mark.get_dest()
        title = one_line(mark.get_title())
        page = target.get_index() if target is not None else None
        if page is not None and title:
            found.setdefault(page, []).append((mark.level + 1, title))
    return found


def heading_levels(pages: Sequence[PageLines], marks: Bookmarks) -> list[dict[int, int]]:
    """For each page the level of each line that is a heading, by the line's number on the page."""
    by_marks = [_marked(page, marks.get(number, ())) for number, page in enumerate(pages)]
    return by_marks if any(by_marks) else _by_size(pages)


def _marked(page: PageLines, marks: Sequence[tuple[int, str]]) -> dict[int, int]:
    waiting = list(marks)
    found: dict[int, int] = {}
    for number, line in enumerate(page.lines):
        text = one_line(line.text)
        position = next((n for n, (_, title) in enumerate(waiting) if text == title), None)
        if position is not None:
            found[number] = waiting.pop(position)[0]
    return found


def _by_size(pages: Sequence[PageLines]) -> list[dict[int, int]]:
    body = _body_size(pages)
    sizes = {_size(line) for page in pages for line in page.lines}
    larger = sorted((size for size in sizes if size >= _LARGER * body), reverse=True)[:_MOST_SIZES]
    levels = {size: level for level, size in enumerate(larger, start=1)}
    return [_levels(page, levels) for page in pages]


def _body_size(pages: Sequence[PageLines]) -> float:
    """The size that most of the text is set in."""
    chars: Counter[float] = Counter()
    for page in pages:
        for line in page.lines:
            chars[_size(line)] += len(line.text)
    return chars.most_common(1)[0][0] if chars else 0.0


def _levels(page: PageLines, levels: Mapping[float, int]) -> dict[int, int]:
    found: dict[int, int] = {}
    for number, line in enumerate(page.lines):
        if line.cells > 1 or len(line.text) > _MOST_CHARS or not any(map(str.isalpha, line.text)):
            continue
        numbered = _NUMBERED.fullmatch(line.text)
        if (size := _size(line)) in levels:
            found[number] = levels[size]
        elif line.bold and numbered and not line.text.endswith((".", ";", ",")):
            found[number] = len(levels) + 1 + numbered[1].count(".")
    return found


def _size(line: Line) -> float:
    return round(line.height * 2) / 2


def without_furniture(pages: Sequence[PageLines]) -> list[PageLines]:
    """The pages without the lines in their margins that come again on most of them, page numbers too."""
    if len(pages) < _FEWEST_PAGES:
        return list(pages)
    body = _body_size(pages)
    seen: Counter[str] = Counter()
    for page in pages:
        seen.update({_shape(line) for line in _edges(page, body)})
    often = {shape for shape, count in seen.items() if count >= max(_FEWEST_PAGES, 0.6 * len(pages))}
    kept = []
    for page in pages:
        dropped = {id(line) for line in _edges(page, body) if _shape(line) in often}
        lines = [line for line in page.lines if id(line) not in dropped]
        kept.append(PageLines(lines, page.in_columns, page.height))
    return kept


def _edges(page: PageLines, body: float) -> list[Line]:
    """The outermost lines in the margins; one that is set larger than the text is a heading."""
    ordered = sorted(page.lines, key=lambda line: -line.base)
    top = [line for line in ordered[:_FURNITURE_LINES] if line.base > (1 - _MARGIN) * page.height]
    bottom = [line for line in ordered[-_FURNITURE_LINES:] if line.base < _MARGIN * page.height]
    return [line for line in (*top, *bottom) if _size(line) < _LARGER * body]


def _shape(line: Line) -> str:
    return _DIGITS.sub("#", one_line(line.text))
