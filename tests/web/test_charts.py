"""Charts: what is drawn is what was counted."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from web.present.charts import (
    HEIGHT,
    WIDTH,
    Ranged,
    Series,
    line_through,
    nice_top,
    place,
    ranges,
    stacked_bars,
)

columns = st.integers(1, 40)
counts = st.none() | st.integers(0, 10_000)


@given(st.data(), columns, st.integers(1, 4))
def test_bars_stand_on_each_other_inside_the_drawing(data: st.DataObject, wide: int, high: int) -> None:
    series = [
        Series(f"s{n}", f"t{n}", tuple(data.draw(st.lists(counts, min_size=wide, max_size=wide))))
        for n in range(high)
    ]
    chart = stacked_bars("t", [str(n) for n in range(wide)], series)
    assert len(chart.rects) == sum(1 for one in series for value in one.values if value)
    for rect in chart.rects:
        assert rect.x >= 0 and rect.x + rect.width <= WIDTH + 0.1
        assert rect.y >= -0.1 and rect.y + rect.height <= HEIGHT + 0.1
    for at in range(wide):
        middle = WIDTH / wide * (at + 0.5)
        parts = [rect for rect in chart.rects if rect.x <= middle <= rect.x + rect.width]
        total = sum(one.values[at] or 0 for one in series)
        assert abs(sum(rect.height for rect in parts) - HEIGHT * total / chart.top) < 0.1
        for lower, upper in pairwise(parts):
            assert abs(upper.y + upper.height - lower.y) < 0.05


@given(st.lists(st.none() | st.lists(st.floats(0, 1), min_size=3, max_size=3), min_size=1, max_size=40))
def test_an_estimate_stands_within_its_interval_and_only_where_there_is_one(
    drawn: list[list[float] | None],
) -> None:
    values = [None if one is None else Ranged(sorted(one)[1], min(one), max(one), ("x",)) for one in drawn]
    chart = ranges("t", [str(n) for n in range(len(values))], ("h",), values)
    assert [row[0] for row in chart.rows] == [str(n) for n, one in enumerate(values) if one is not None]
    assert len(chart.whiskers) == len(chart.rows)
    for one in chart.whiskers:
        assert 0 <= one.x <= WIDTH and 0 <= one.high_y <= one.y <= one.low_y <= HEIGHT


@given(st.integers(0, 10**12))
def test_the_top_is_round_and_never_too_high(most: int) -> None:
    top = nice_top(most)
    assert most <= top < max(2.5 * most, 1) + 1 and str(top).rstrip("0") in ("1", "2", "5")


def test_places_stay_inside_the_drawing() -> None:
    assert (place(0, 0).y, place(2, 2).x, place(2, 2).y) == (HEIGHT, WIDTH, 0)
    assert line_through([place(0, 1), place(1, 0)]) == f"M0 0L{WIDTH} {HEIGHT}"
    assert line_through([place(0, 1)]) == ""
