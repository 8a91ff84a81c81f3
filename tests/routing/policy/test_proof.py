"""The statistics against textbook values, and the guarantee against simulated companies."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.policy.proof.binomial import at_most, fewest, fisher_greater, interval
from routing.policy.proof.drift import ALERT_INDEX, histogram, stability_index
from routing.policy.proof.guarantee import Labelled, highest_not_refuted, needed_labels, prove


def test_the_tail_is_the_textbooks() -> None:
    assert at_most(2, 10, 0.5) == pytest.approx(56 / 1024)
    assert at_most(0, 45, 0.05) == pytest.approx(0.95**45)
    assert at_most(10, 10, 0.3) == 1.0
    assert (at_most(0, 5, 0.0), at_most(4, 5, 1.0)) == (1.0, 0.0)


@pytest.mark.parametrize(("wrong", "of"), [(-1, 5), (6, 5)])
def test_what_cannot_be_is_refused(wrong: int, of: int) -> None:
    with pytest.raises(ValueError, match="no binomial"):
        at_most(wrong, of, 0.5)


def test_the_interval_is_clopper_and_pearsons() -> None:
    low, high = interval(8, 10)
    assert [low, high] == pytest.approx([0.4439, 0.9748], abs=1e-4)
    assert interval(0, 10)[0] == 0.0 and interval(10, 10)[1] == 1.0


@given(st.integers(1, 200), st.data())
def test_an_interval_holds_what_was_seen(trials: int, data: st.DataObject) -> None:
    successes = data.draw(st.integers(0, trials))
    low, high = interval(successes, trials)
    assert 0 <= low <= successes / trials <= high <= 1


def test_fisher_is_the_lady_tasting_tea() -> None:
    assert fisher_greater(1, 4, 3, 4) == pytest.approx(17 / 70)
    assert fisher_greater(0, 30, 0, 30) == pytest.approx(1.0)


def test_so_many_right_ones_are_needed() -> None:
    assert needed_labels(0.95, 0.90) == 45
    assert at_most(0, 45, 0.05) <= 0.1 < at_most(0, 44, 0.05)
    assert fewest(0.5, 0.5) == 1


def test_too_few_labels_prove_nothing() -> None:
    proof = prove([Labelled(0.1, False)] * 44, 0.95, 0.90)
    assert proof.threshold is None and proof.needed == 45


def test_right_answers_prove_up_to_where_wrong_ones_begin() -> None:
    labels = [Labelled(0.1, False)] * 100 + [Labelled(0.61, True)] * 30 + [Labelled(0.9, False)] * 900
    proof = prove(labels, 0.95, 0.90)
    # Past the wrong ones there are enough right ones again: the first failure ends the test all the same.
    assert proof.threshold == 0.6 and (proof.labels, proof.wrong) == (100, 0)


def test_wrong_labels_from_elsewhere_only_lower_the_threshold() -> None:
    labels = [Labelled(i / 400, False) for i in range(400)]
    drawn = prove(labels, 0.95, 0.90).threshold
    more = prove([*labels, *[Labelled(0.3, True)] * 40], 0.95, 0.90).threshold
    assert drawn is not None and more is not None and more < drawn


def test_the_guarantee_holds_as_often_as_it_says() -> None:
    """A company whose true error at difficulty p is p to the 1.5: 400 times it draws 300 labels."""
    rng = random.Random(7)
    broken = 0
    for _ in range(400):
        labels = []
        for _ in range(300):
            p = rng.random() ** 2
            labels.append(Labelled(p, rng.random() < p**1.5))
        threshold = prove(labels, 0.90, 0.90).threshold
        broken += threshold is not None and _true_error(threshold) > 0.10
    # 40 expected at the most; 61 is 3.5 standard deviations over it.
    assert broken <= 61


def _true_error(threshold: float) -> float:
    """The mean of p**1.5 over p = u**2 with u uniform below sqrt(threshold)."""
    root = math.sqrt(threshold)
    return root**3 / 4


def test_labels_that_speak_against_lower_and_others_do_not() -> None:
    good = [Labelled(0.1, False)] * 20
    bad = [Labelled(0.45, True)] * 20
    assert highest_not_refuted(good, 0.95, 0.5) == 0.5
    assert highest_not_refuted([], 0.95, 0.5) == 0.5
    assert highest_not_refuted(good + bad, 0.95, 0.5) == 0.44
    assert highest_not_refuted([Labelled(0.0, True)] * 50, 0.95, 0.5) == 0.0
    assert highest_not_refuted(bad[:9], 0.95, 0.5) == 0.5


@given(st.lists(st.floats(0, 1), min_size=1))
def test_a_population_is_like_itself(probabilities: list[float]) -> None:
    counts = histogram(probabilities)
    assert sum(counts) == len(probabilities)
    assert stability_index(counts, counts) == 0.0


def test_other_questions_are_noticed() -> None:
    easy, hard = histogram([0.1] * 50 + [0.3] * 50), histogram([0.7] * 50 + [0.9] * 50)
    assert stability_index(easy, hard) > ALERT_INDEX
