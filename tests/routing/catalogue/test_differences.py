"""How sure a difference between two prompts is."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.catalogue.figures import wilson
from routing.catalogue.trials.differences import (
    LEAST,
    Spread,
    of_means,
    of_shares,
    paired,
    spread,
    verdict,
)

SCORES = st.lists(st.floats(0, 1), min_size=1, max_size=40)


def test_a_clear_gain_is_higher_and_turned_round_it_is_lower() -> None:
    drawn = random.Random(3)
    theirs = [drawn.random() * 0.5 for _ in range(40)]
    ours = [score + 0.2 + drawn.random() * 0.1 for score in theirs]
    found, turned = paired("agreement", ours, theirs), paired("agreement", theirs, ours)
    assert (found.finding, turned.finding) == ("higher", "lower")
    assert 0.2 < found.low < found.mean < found.high < 0.3
    assert "agrees better" in verdict(found) and "95% interval" in verdict(found)
    assert "agrees worse" in verdict(turned)


def test_noise_shows_no_difference() -> None:
    drawn = random.Random(5)
    found = paired("agreement", [drawn.random() for _ in range(60)], [drawn.random() for _ in range(60)])
    assert found.finding == "none_shown" and found.low < 0 < found.high
    assert verdict(found).startswith("No difference")


@pytest.mark.parametrize("n", [0, 1, LEAST - 1])
def test_too_few_are_said_to_be_too_few_however_clear_they_look(n: int) -> None:
    found = paired("agreement", [1.0] * n, [0.0] * n)
    assert found.finding == "too_few" and verdict(found).startswith(f"Too little to judge quality: {n} past")


def test_shares_are_compared_as_newcombe_did() -> None:
    """Newcombe 1998, table II, example (a): 56 of 70 and 48 of 80 give .0524 to .3339."""
    first, second = wilson(56, 70), wilson(48, 80)
    assert first is not None and second is not None
    found = of_shares(
        "right", (70, first.share, first.low, first.high), (80, second.share, second.low, second.high)
    )
    assert (round(found.low, 4), round(found.high, 4)) == (0.0524, 0.3339)
    assert found.finding == "higher" and found.n == 70


def test_means_are_compared_by_welchs_interval() -> None:
    ours, theirs = spread([10.0, 12.0] * 20), spread([20.0, 26.0] * 20)
    found = of_means("time", ours, theirs)
    assert found.mean == pytest.approx(-12.0) and found.finding == "lower"
    reach = 1.959963984540054 * (ours.deviation**2 / 40 + theirs.deviation**2 / 40) ** 0.5
    assert found.high - found.mean == pytest.approx(reach)
    assert of_means("time", Spread(0, 0.0, 0.0), theirs).finding == "too_few"
    assert spread([5.0]) == Spread(1, 5.0, 0.0)


@given(SCORES)
def test_the_same_answers_differ_in_nothing(scores: list[float]) -> None:
    found = paired("agreement", scores, scores)
    assert (found.mean, found.low, found.high) == (0.0, 0.0, 0.0)
    assert found.finding in ("too_few", "none_shown")
