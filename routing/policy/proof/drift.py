"""Whether answers or questions are no longer as they were when the thresholds were calibrated."""

import math
from collections.abc import Sequence

BINS = 10

LEAST_LABELS = 20
LEAST_QUESTIONS = 50
"""Fewer, on either side, tell nothing."""

ALERT_P = 0.01
ALERT_INDEX = 0.25
"""The usual reading of the index: over .1 is worth a look, over .25 is a different population."""


def histogram(probabilities: Sequence[float]) -> list[int]:
    """Counts in ten equal bins from 0 to 1."""
    counts = [0] * BINS
    for probability in probabilities:
        counts[min(BINS - 1, max(0, int(probability * BINS)))] += 1
    return counts


def stability_index(before: Sequence[int], now: Sequence[int]) -> float:
    """The population stability index of two histograms; half a count is added to each bin, so that an empty
    one is no infinity."""
    total_before, total_now = sum(before) + len(before) / 2, sum(now) + len(now) / 2
    index = 0.0
    for was, is_now in zip(before, now, strict=True):
        a, b = (was + 0.5) / total_before, (is_now + 0.5) / total_now
        index += (b - a) * math.log(b / a)
    return index
