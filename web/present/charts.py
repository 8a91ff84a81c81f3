"""Charts as numbers: where bars and lines go in a drawing that a template fills in as SVG.

A drawing is `WIDTH` by `HEIGHT` and is stretched to the room there is; words stand around it as text, so that
they are never stretched. Every chart goes with a table of the same numbers.
"""

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 1000, 200

_GAP = 0.2
"""Share of a bar's room that stays empty."""

_STEPS = (1, 2, 5, 10)


@dataclass(frozen=True, slots=True)
class Series:
    """One colour of a chart. `tone` is its CSS class; `values` has a number a column, or nothing."""

    label: str
    tone: str
    values: tuple[int | None, ...]


@dataclass(frozen=True, slots=True)
class Rect:
    x: float
    y: float
    width: float
    height: float
    tone: str


@dataclass(frozen=True, slots=True)
class BarsView:
    """Stacked bars. `title` says in words what they show, `top` what the highest line stands for."""

    title: str
    rects: tuple[Rect, ...]
    top: int
    labels: tuple[str, ...]
    columns: tuple[str, ...]
    series: tuple[Series, ...]
    width: int = WIDTH
    height: int = HEIGHT


def nice_top(most: int) -> int:
    """The least of 1, 2, 5, 10, 20, 50 … that is not below `most`; 1 for nothing."""
    size = 1
    while True:
        for step in _STEPS:
            if step * size >= most:
                return step * size
        size *= 10


def stacked_bars(title: str, columns: Sequence[str], series: Sequence[Series]) -> BarsView:
    """One bar a column, its parts in the order of the series, from the bottom up.

    Only the first, the middle and the last column are named below the bars.
    """
    totals = [sum(one.values[at] or 0 for one in series) for at in range(len(columns))]
    top = nice_top(max(totals, default=0))
    room = WIDTH / max(len(columns), 1)
    rects = []
    for at in range(len(columns)):
        base = 0
        for one in series:
            value = one.values[at]
            if value:
                rects.append(
                    Rect(
                        x=_round(room * (at + _GAP / 2)),
                        y=_round(HEIGHT * (1 - (base + value) / top)),
                        width=_round(room * (1 - _GAP)),
                        height=_round(HEIGHT * value / top),
                        tone=one.tone,
                    )
                )
            base += value or 0
    return BarsView(title, tuple(rects), top, _few(columns), tuple(columns), tuple(series))


@dataclass(frozen=True, slots=True)
class Ranged:
    """A share of a column with its interval, each from 0 to 1; `cells` are its row of the table."""

    estimate: float
    low: float
    high: float
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Whisker:
    """The place of an estimate in the drawing, and of the ends of its interval."""

    x: float
    y: float
    high_y: float
    low_y: float


@dataclass(frozen=True, slots=True)
class RangesView:
    """Estimates with their intervals from 0 to 100 per cent. Columns without one have no row."""

    title: str
    whiskers: tuple[Whisker, ...]
    labels: tuple[str, ...]
    heads: tuple[str, ...]
    rows: tuple[tuple[str, tuple[str, ...]], ...]
    width: int = WIDTH
    height: int = HEIGHT


def ranges(
    title: str, columns: Sequence[str], heads: Sequence[str], values: Sequence[Ranged | None]
) -> RangesView:
    """A dot and a line a column, where it has a value. `heads` name the cells of the table."""
    room = 1 / max(len(columns), 1)
    whiskers, rows = [], []
    for at, value in enumerate(values):
        if value is None:
            continue
        spot = place(room * (at + 0.5), value.estimate)
        whiskers.append(Whisker(spot.x, spot.y, place(0, value.high).y, place(0, value.low).y))
        rows.append((columns[at], value.cells))
    return RangesView(title, tuple(whiskers), _few(columns), tuple(heads), tuple(rows))


def _few(columns: Sequence[str]) -> tuple[str, ...]:
    if len(columns) < 3:
        return tuple(columns)
    return columns[0], columns[(len(columns) - 1) // 2], columns[-1]


@dataclass(frozen=True, slots=True)
class Spot:
    """A place in the drawing."""

    x: float
    y: float


def place(across: float, up: float) -> Spot:
    """A place by its shares of the width and, from the bottom, of the height; each from 0 to 1."""
    return Spot(_round(WIDTH * _within(across)), _round(HEIGHT * (1 - _within(up))))


def line_through(spots: Sequence[Spot]) -> str:
    """The path of a line; empty for fewer than two places."""
    if len(spots) < 2:
        return ""
    return "M" + "L".join(f"{spot.x:g} {spot.y:g}" for spot in spots)


def _within(share: float) -> float:
    return min(max(share, 0.0), 1.0)


def _round(number: float) -> float:
    return round(number, 2)
