"""The guarantee: the highest threshold at which labels prove that wrong answers are rare enough.

Learn-then-test (Angelopoulos, Bates, Candès, Jordan, Lei: "Learn then Test: Calibrating Predictive
Algorithms to Achieve Risk Control", 2021) with fixed-sequence testing. For each threshold of a fixed grid the
null hypothesis is "of the questions below it, more than `1 - share` are answered wrongly". Its p-value is the
exact binomial tail. The grid is tested from the low end, where the fewest are wrong, and the first hypothesis
that cannot be refuted ends the test; so all that were refuted hold together with the confidence asked for,
without a correction for their number. Where the test begins depends on how many labels there are and on
their difficulties, never on which of them are wrong.

What it rests on: the labelled questions are drawn at random from those it is said of, and tomorrow's
questions are like them. Labels known to be wrong from elsewhere may be added: they can only lower the
threshold.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from routing.policy.proof.binomial import at_most, fewest, interval

GRID = tuple(round(step / 50, 2) for step in range(1, 51))
"""The thresholds that are tested: .02, .04 … 1."""

LEAST_AGAINST = 10
"""Fewer labels speak against nothing: the first complaints come before the first thanks."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """One question that a cheap rung answered: how difficult it then seemed, and whether it was wrong."""

    probability: float
    wrong: bool


@dataclass(frozen=True, slots=True)
class Proof:
    """What was proved. `threshold` is nothing where no threshold could be.

    labels, wrong: those below the threshold, or all of them where there is none. needed: the fewest labels,
    all right, that prove anything.
    """

    threshold: float | None
    labels: int
    wrong: int
    needed: int
    p_value: float


def needed_labels(share: float, confidence: float) -> int:
    """The fewest labels that can prove this quality: as many right answers without one wrong."""
    return fewest(1 - share, 1 - confidence)


def prove(labels: Sequence[Labelled], share: float, confidence: float) -> Proof:
    """The highest threshold below which at least `share` of the answers are right, with this confidence."""
    level, needed = 1 - confidence, needed_labels(share, confidence)
    proved: Proof | None = None
    last_p = 1.0
    for threshold in GRID:
        below = [label for label in labels if label.probability < threshold]
        if len(below) < needed:
            continue
        wrong = sum(label.wrong for label in below)
        last_p = at_most(wrong, len(below), 1 - share)
        if last_p > level:
            break
        proved = Proof(threshold, len(below), wrong, needed, last_p)
    return proved or Proof(None, len(labels), sum(label.wrong for label in labels), needed, last_p)


def highest_not_refuted(labels: Sequence[Labelled], share: float, ceiling: float) -> float:
    """The highest threshold up to `ceiling` that the labels do not speak against.

    Speaking against means: even the favourable end of the 90% interval of the wrong ones is over `1 - share`.
    It only ever lowers a threshold, so it may use labels that were not drawn at random.
    """
    for threshold in sorted({ceiling, *(step for step in GRID if step < ceiling)}, reverse=True):
        below = [label for label in labels if label.probability < threshold]
        if len(below) < LEAST_AGAINST:
            return threshold
        if interval(sum(label.wrong for label in below), len(below), 0.9)[0] <= 1 - share:
            return threshold
    return 0.0
