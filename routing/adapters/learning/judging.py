"""Judges a version: its answers to held-out questions beside those of what is in service, and whether the
difference is more than chance.

A score says what the asker would have got from the local rung. An answer that names no passage which supports
it is not shown, so it counts nothing; one that is shown counts by its words in common with the answer that
people accepted (F1), times the share of its citations that a passage supports. Where the right answer is NOT
FOUND, saying so, or being withheld, counts fully.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from routing.adapters.learning.examples import Example
from routing.citation import without_marks
from routing.llm.prompt import NOT_FOUND
from routing.text.words import content_words
from routing.tier import TierAnswer

LEAST_QUESTIONS = 20
"""Fewer held-out questions say too little about any difference."""

CHANCE = 0.05
"""How often chance alone may make a version look better that is not."""

_RESAMPLES = 10_000
_SEED = 7


@dataclass(frozen=True, slots=True)
class Verdict:
    """Two sides' mean scores, and how often a resampled mean gain was not above zero."""

    questions: int
    score: float
    against_score: float
    chance: float
    better: bool
    reason: str


def score(example: Example, said: TierAnswer) -> float:
    """How good an answer is, from 0 to 1."""
    if example.answer == NOT_FOUND:
        return 1.0 if said.abstained else 0.0
    if said.abstained:
        return 0.0
    supported = 1.0 if said.signals.supported is None else said.signals.supported
    return token_f1(without_marks(said.text), without_marks(example.answer)) * supported


def token_f1(said: str, wanted: str) -> float:
    """The words two texts have in common, repetitions counted: the harmonic mean of both shares."""
    ours, theirs = Counter(content_words(said)), Counter(content_words(wanted))
    common = sum((ours & theirs).values())
    return 2 * common / (sum(ours.values()) + sum(theirs.values())) if common else 0.0


def compare(scores: Sequence[float], against: Sequence[float]) -> Verdict:
    """Whether the first side is better: its mean gain is positive in all but 5% of 10,000 paired bootstrap
    resamples of the questions, drawn from a fixed seed."""
    gains = np.asarray(scores, dtype=float) - np.asarray(against, dtype=float)
    drawn = np.random.default_rng(_SEED).integers(0, len(gains), size=(_RESAMPLES, len(gains)))
    chance = float(np.mean(gains[drawn].mean(axis=1) <= 0))
    mean, other = float(np.mean(scores)), float(np.mean(against))
    better = mean > other and chance < CHANCE
    return Verdict(len(gains), mean, other, chance, better, _reason(mean - other, chance, len(gains), better))


def _reason(gain: float, chance: float, questions: int, better: bool) -> str:
    if better:
        return (
            f"better by {gain:.3f} on {questions} held-out questions; by chance in {chance:.1%} of resamples"
        )
    if gain > 0:
        return (
            f"ahead by {gain:.3f} on {questions} held-out questions, but chance explains it: not ahead in "
            f"{chance:.1%} of resamples"
        )
    return f"not better: {gain:+.3f} on {questions} held-out questions"
