"""Exact binomial tails and the intervals that follow from them, in plain Python."""

import math
from collections.abc import Callable


def at_most(successes: int, trials: int, rate: float) -> float:
    """The probability of at most so many successes in so many trials of this rate.

    Raises:
        ValueError: for numbers that cannot be.
    """
    if not 0 <= successes <= trials or not 0 <= rate <= 1:
        raise ValueError(f"no binomial has {successes} of {trials} at {rate}")
    if rate == 0 or successes == trials:
        return 1.0
    if rate == 1:
        return 0.0
    return min(1.0, math.fsum(_probability(k, trials, rate) for k in range(successes + 1)))


def interval(successes: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """The Clopper-Pearson interval of a rate: it holds the true one with at least this confidence."""
    tail = (1 - confidence) / 2
    return (
        0.0 if successes == 0 else _solve(lambda rate: 1 - at_most(successes - 1, trials, rate), tail),
        1.0 if successes == trials else _solve(lambda rate: 1 - at_most(successes, trials, rate), 1 - tail),
    )


def fewest(rate: float, level: float) -> int:
    """How many trials without one failure show that failures are rarer than `rate`, at this level."""
    if rate >= 1:
        return 1
    return max(1, math.ceil(math.log(level) / math.log1p(-rate) - 1e-9))


def fisher_greater(wrong_before: int, before: int, wrong_now: int, now: int) -> float:
    """Fisher's exact test: how likely so many wrong ones now would be if nothing had changed."""
    wrong, trials = wrong_before + wrong_now, before + now
    return min(
        1.0,
        math.fsum(
            math.exp(_choose(now, k) + _choose(before, wrong - k) - _choose(trials, wrong))
            for k in range(wrong_now, min(wrong, now) + 1)
            if wrong - k <= before
        ),
    )


def _probability(successes: int, trials: int, rate: float) -> float:
    failures = trials - successes
    return math.exp(_choose(trials, successes) + successes * math.log(rate) + failures * math.log1p(-rate))


def _choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def _solve(rising: Callable[[float], float], target: float) -> float:
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if rising(middle) < target else (low, middle)
    return (low + high) / 2
