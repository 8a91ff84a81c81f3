"""The measures of routing. `wrong` is whether the cheap answer is wrong, `risk` what was foretold of it."""

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

BINS = 10


def auroc(wrong: ArrayLike, risk: ArrayLike) -> float:
    """The probability that a wrong answer has a higher risk than a right one; equal risks count half
    (Hanley, McNeil 1982). Not a number where all are right or all wrong."""
    labels, scores = np.asarray(wrong, dtype=bool), np.asarray(risk, dtype=np.float64)
    above, below = int(labels.sum()), int((~labels).sum())
    if not above or not below:
        return math.nan
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks = (last - (counts - 1) / 2)[inverse]
    return float((ranks[labels].sum() - above * (above + 1) / 2) / (above * below))


def calibration_error(wrong: ArrayLike, risk: ArrayLike, bins: int = BINS) -> float:
    """Expected calibration error over bins of equal count: the mean distance between the risk foretold and
    the share that was wrong (Naeini et al. 2015, with equal counts)."""
    labels, scores = np.asarray(wrong, dtype=np.float64), np.asarray(risk, dtype=np.float64)
    order = np.argsort(scores, kind="stable")
    parts = [part for part in np.array_split(order, bins) if len(part)]
    return float(sum(len(p) * abs(labels[p].mean() - scores[p].mean()) for p in parts) / len(labels))


def area_under_risk_coverage(wrong: ArrayLike, risk: ArrayLike) -> float:
    """The mean share of wrong answers among the surest ones, over every share answered (Geifman, El-Yaniv
    2017)."""
    labels = np.asarray(wrong, dtype=np.float64)[np.argsort(np.asarray(risk), kind="stable")]
    return float((np.cumsum(labels) / np.arange(1, len(labels) + 1)).mean())


def risk_at(wrong: ArrayLike, risk: ArrayLike, coverage: float) -> float:
    """The share of wrong answers among the surest `coverage` of them."""
    labels = np.asarray(wrong, dtype=np.float64)[np.argsort(np.asarray(risk), kind="stable")]
    return float(labels[: max(1, round(coverage * len(labels)))].mean())


def quality_by_share(cheap: ArrayLike, dear: ArrayLike, risk: ArrayLike) -> Floats:
    """The mean quality when the surest 0, 1, … all questions are answered cheaply, the others dearly."""
    order = np.argsort(np.asarray(risk, dtype=np.float64), kind="stable")
    gain = np.asarray(cheap, dtype=np.float64)[order] - np.asarray(dear, dtype=np.float64)[order]
    start = float(np.asarray(dear, dtype=np.float64).mean())
    curve: Floats = start + np.concatenate([[0.0], np.cumsum(gain)]) / len(order)
    return curve


def share_at_quality(cheap: ArrayLike, dear: ArrayLike, risk: ArrayLike, quality: float) -> float:
    """The largest share answered cheaply at which the mean is still `quality` times the dear one's."""
    curve = quality_by_share(cheap, dear, risk)
    enough = np.nonzero(curve >= quality * curve[0] - 1e-12)[0]
    return float(enough[-1]) / (len(curve) - 1)


def interval(
    count: int, measure: Callable[[NDArray[np.int64]], float], *, draws: int = 200, seed: int = 7
) -> tuple[float, float]:
    """The middle 95% of a measure over bootstrap samples of `count` rows; the measure gets their places."""
    random = np.random.default_rng(seed)
    found = [measure(random.integers(0, count, count)) for _ in range(draws)]
    finite = [value for value in found if math.isfinite(value)]
    if not finite:
        return math.nan, math.nan
    low, high = np.quantile(finite, (0.025, 0.975))
    return float(low), float(high)


def mean(values: Sequence[float]) -> float:
    """The mean of the numbers there are."""
    there = [value for value in values if math.isfinite(value)]
    return sum(there) / len(there) if there else math.nan
