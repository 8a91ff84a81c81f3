"""What two prompts differ in, and how sure that is: a mean difference with its 95% interval.

Over the same questions, pairs are resampled (bootstrap, percentiles). Over different questions, as on a share
of the traffic, shares are compared by Newcombe's hybrid score (Statistics in Medicine 17, 1998, method 10),
means by Welch's interval.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

LEAST = 20
"""Fewer questions say too little about any difference."""

What = Literal["agreement", "right", "cost", "time"]
"""Agreement with accepted answers, 0 to 1; share of judged answers that were right; nano-units and
milliseconds a question."""

Finding = Literal["too_few", "none_shown", "higher", "lower"]

_RESAMPLES = 10_000
_SEED = 7
_Z = 1.959963984540054


@dataclass(frozen=True, slots=True)
class Difference:
    """The tried prompt's mean less that of the one in service. `n` is the number of questions it stands on;
    of two groups the smaller one's. Without any question there is no mean."""

    what: What
    n: int
    mean: float = 0.0
    low: float = 0.0
    high: float = 0.0

    @property
    def finding(self) -> Finding:
        """What may be said: nothing from too few, nor where the interval holds 0."""
        if self.n < LEAST:
            return "too_few"
        if self.low > 0:
            return "higher"
        return "lower" if self.high < 0 else "none_shown"


@dataclass(frozen=True, slots=True)
class Spread:
    """Numbers as far as a difference of their means needs them. `deviation` is the sample's."""

    n: int
    mean: float
    deviation: float


NO_SPREAD = Spread(0, 0.0, 0.0)


def paired(what: What, ours: Sequence[float], theirs: Sequence[float]) -> Difference:
    """Of the same questions, in the same order; 10,000 resamples from a fixed seed."""
    if not ours:
        return Difference(what, 0)
    gains = np.asarray(ours, dtype=float) - np.asarray(theirs, dtype=float)
    drawn = np.random.default_rng(_SEED).integers(0, len(gains), size=(_RESAMPLES, len(gains)))
    low, high = np.percentile(gains[drawn].mean(axis=1), [2.5, 97.5])
    return Difference(what, len(gains), float(gains.mean()), float(low), float(high))


def of_shares(
    what: What, ours: tuple[int, float, float, float], theirs: tuple[int, float, float, float]
) -> Difference:
    """Of two shares, each as questions, share, and the ends of its own Wilson interval."""
    (n, share, low, high), (other_n, other, other_low, other_high) = ours, theirs
    below = math.hypot(share - low, other_high - other)
    above = math.hypot(high - share, other - other_low)
    gain = share - other
    return Difference(what, min(n, other_n), gain, gain - below, gain + above)


def of_means(what: What, ours: Spread, theirs: Spread) -> Difference:
    """Of two means over different questions."""
    n = min(ours.n, theirs.n)
    if n == 0:
        return Difference(what, 0)
    gain = ours.mean - theirs.mean
    reach = _Z * math.sqrt(ours.deviation**2 / ours.n + theirs.deviation**2 / theirs.n)
    return Difference(what, n, gain, gain - reach, gain + reach)


def spread(numbers: Sequence[float]) -> Spread:
    n = len(numbers)
    if n == 0:
        return NO_SPREAD
    mean = sum(numbers) / n
    square = sum((number - mean) ** 2 for number in numbers)
    return Spread(n, mean, math.sqrt(square / (n - 1)) if n > 1 else 0.0)


def verdict(quality: Difference) -> str:
    """What the comparison says of quality, in a sentence."""
    if quality.finding == "too_few":
        many = "question" if quality.n == 1 else "questions"
        return (
            f"Too little to judge quality: {quality.n} past {many} with an accepted answer"
            f" {'was' if quality.n == 1 else 'were'} asked of both; {LEAST} are the least."
        )
    interval = f"by {quality.mean:+.3f}, 95% interval {quality.low:+.3f} to {quality.high:+.3f}"
    over = f"over {quality.n} questions"
    if quality.finding == "none_shown":
        return f"No difference in agreement with accepted answers is shown: {interval}, {over}."
    more = "better" if quality.finding == "higher" else "worse"
    return f"It agrees {more} with accepted answers: {interval}, {over}."
