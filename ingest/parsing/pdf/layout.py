"""Where the words of a page stand, and in which order they are read.

pdfium gives characters in the order in which the file draws them. Lines come from that; where a gutter
divides the page, what stands left of it is read before what stands right of it, between lines that cross it.
"""

from collections.abc import Iterable, Sequence
from ctypes import c_double, c_int, create_string_buffer
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pypdfium2 import PdfTextPage

_SPACES = frozenset((9, 32, 160))
_LINE_ENDS = frozenset((10, 13))
_HYPHENS = frozenset((2, 0xFFFE))
HYPHEN_AT_LINE_END = "\ufffe"
_LAST_CODE = 0x10FFFF
_GAP = 1.1
"""A wider gap between words, in heights of the letters, parts columns or cells."""
_FEWEST_SEGMENTS = 4
_FEWEST_CHARS = 15
_FULL = 0.55
"""Lines of a column of prose are, in the middle, at least so wide in relation to it; cells are not."""
_BOLD = 600


@dataclass(frozen=True, slots=True)
class Segment:
    """Words that stand side by side. `base` is the height of their line on the page, in points from below."""

    text: str
    left: float
    right: float
    base: float
    height: float
    bold: bool


@dataclass(frozen=True, slots=True)
class Line:
    """A line as it is read. `cells` above one is a row of a table, its cells parted by ` | `."""

    text: str
    base: float
    height: float
    bold: bool
    cells: int


def lines_of(page: "PdfTextPage") -> tuple[list[Line], bool]:
    """The lines of a page in reading order, and whether it has columns."""
    rows = _rows(page)
    items = [segment for row in rows for segment in row]
    gutter = _gutter(items)
    if gutter is None:
        return _as_lines(rows), False
    return _as_lines(list(_by_columns(items, gutter))), True


class _Reader:
    """Reads characters of a page one by one and gathers them into rows of segments."""

    def __init__(self, page: "PdfTextPage") -> None:
        import pypdfium2.raw as pdfium

        self._pdfium = pdfium
        self._page = page
        self.rows: list[list[Segment]] = []
        self._row: list[Segment] = []
        self._numbers = [c_double() for _ in range(4)]
        self._box = pdfium.FS_RECTF()
        self._name = create_string_buffer(100)
        self._flags = c_int()

    def word(self, text: str, first: int, last: int) -> None:
        left, right = self._side(first)[0], self._side(last)[1]
        before = self._row[-1] if self._row else None
        if before is not None and -before.height <= left - before.right <= _GAP * before.height:
            joined = Segment(
                f"{before.text} {text}",
                min(before.left, left),
                max(before.right, right),
                before.base,
                before.height,
                before.bold,
            )
            self._row[-1] = joined
            return
        if before is not None and left < before.left:
            self.end_row()
        self._row.append(self._segment(text, left, right, first))

    def end_row(self) -> None:
        if self._row:
            self.rows.append(self._row)
        self._row = []

    def _segment(self, text: str, left: float, right: float, first: int) -> Segment:
        raw, (x, y, *_) = self._pdfium, self._numbers
        raw.FPDFText_GetCharOrigin(self._page, first, x, y)
        raw.FPDFText_GetLooseCharBox(self._page, first, self._box)
        height = max(1.0, abs(self._box.top - self._box.bottom))
        bold = raw.FPDFText_GetFontWeight(self._page, first) >= _BOLD or "bold" in self._font(first)
        return Segment(text, left, right, y.value, height, bold)

    def _font(self, index: int) -> str:
        length = self._pdfium.FPDFText_GetFontInfo(
            self._page, index, self._name, len(self._name), self._flags
        )
        return self._name.raw[: min(length, len(self._name))].decode("latin-1").lower()

    def _side(self, index: int) -> tuple[float, float]:
        left, right, bottom, top = self._numbers
        self._pdfium.FPDFText_GetCharBox(self._page, index, left, right, bottom, top)
        return left.value, right.value


def _rows(page: "PdfTextPage") -> list[list[Segment]]:
    import pypdfium2.raw as pdfium

    reader = _Reader(page)
    letters: list[str] = []
    first = 0
    count = page.count_chars()
    for index in range(count + 1):
        code = pdfium.FPDFText_GetUnicode(page, index) if index < count else 10
        if code not in _SPACES and code not in _LINE_ENDS:
            if not letters:
                first = index
            letters.append(HYPHEN_AT_LINE_END if code in _HYPHENS else chr(min(code, _LAST_CODE)))
            continue
        if letters:
            reader.word("".join(letters), first, index - 1)
            letters.clear()
        if code in _LINE_ENDS:
            reader.end_row()
    return reader.rows


def _gutter(items: Sequence[Segment]) -> float | None:
    """Where the page is divided: the place that fewest segments cross, prose standing on both sides of it."""
    if len(items) < 2 * _FEWEST_SEGMENTS:
        return None
    first, last = min(s.left for s in items), max(s.right for s in items)
    width = last - first
    places = sorted({round(s.left) for s in items if 0.2 * width < s.left - first < 0.8 * width})
    best: tuple[int, float] | None = None
    for place in places:
        left, right, crossing = _divided(items, place - 0.5)
        if len(crossing) > len(items) / 2 or (best is not None and len(crossing) >= best[0]):
            continue
        if _is_prose(left) and _is_prose(right) and _side_by_side(left, right):
            best = (len(crossing), place - 0.5)
    return best[1] if best else None


def _divided(items: Iterable[Segment], place: float) -> tuple[list[Segment], list[Segment], list[Segment]]:
    left: list[Segment] = []
    right: list[Segment] = []
    crossing: list[Segment] = []
    for segment in items:
        side = left if segment.right <= place else right if segment.left >= place else crossing
        side.append(segment)
    return left, right, crossing


def _is_prose(side: Sequence[Segment]) -> bool:
    if len(side) < _FEWEST_SEGMENTS or median(len(s.text) for s in side) < _FEWEST_CHARS:
        return False
    width = max(s.right for s in side) - min(s.left for s in side)
    # Columns inside this side make its lines short; what counts is that they fill a third of it.
    return median(s.right - s.left for s in side) >= _FULL * width or _gutter(side) is not None


def _side_by_side(left: Sequence[Segment], right: Sequence[Segment]) -> bool:
    top = min(max(s.base for s in left), max(s.base for s in right))
    bottom = max(min(s.base for s in left), min(s.base for s in right))
    return top - bottom >= 2 * median(s.height for s in left)


def _by_columns(items: Sequence[Segment], gutter: float) -> Iterable[list[Segment]]:
    """Rows band by band: what crosses the gutter ends a band; within one, the left side comes first."""
    _, _, crossing = _divided(items, gutter)
    edges = sorted({segment.base for segment in crossing}, reverse=True)
    low = float("-inf")
    above = float("inf")
    for edge in [*edges, low]:
        band = [s for s in items if edge < s.base < above and s not in crossing]
        left, right, _ = _divided(band, gutter)
        for side in (left, right):
            inner = _gutter(side)
            yield from _by_columns(side, inner) if inner is not None else _rows_by_height(side)
        yield from _rows_by_height([s for s in crossing if s.base == edge])
        above = edge


def _rows_by_height(items: Sequence[Segment]) -> Iterable[list[Segment]]:
    row: list[Segment] = []
    for segment in sorted(items, key=lambda s: (-s.base, s.left)):
        if row and row[0].base - segment.base > 0.35 * segment.height:
            yield sorted(row, key=lambda s: s.left)
            row = []
        row.append(segment)
    if row:
        yield sorted(row, key=lambda s: s.left)


def _as_lines(rows: Sequence[Sequence[Segment]]) -> list[Line]:
    """Rows as lines. One with several segments is a row of a table where a neighbour has several too."""
    many = [False, *(len(row) > 1 for row in rows), False]
    near = [before or after for before, after in zip(many, many[2:], strict=False)]
    lines = []
    for row, has_near in zip(rows, near, strict=True):
        is_row = len(row) > 1 and has_near
        text = (" | " if is_row else " ").join(segment.text for segment in row)
        height = max(segment.height for segment in row)
        bold = all(segment.bold for segment in row)
        lines.append(Line(text, row[0].base, height, bold, len(row) if is_row else 1))
    return lines


def usual_pitch(lines: Sequence[Line]) -> float:
    """The usual distance from one line to the next below it, in points; 0 where there are no two."""
    steps = [a.base - b.base for a, b in pairwise(lines) if a.base > b.base]
    return median(steps) if steps else 0.0
