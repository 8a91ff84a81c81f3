"""Which sentence answers best over all passages read, and how far to trust that any does."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from routing.reading.reading import ReadPassage, ReadSentence

_STEPS = 60
_RIDGE = 1e-3


@dataclass(frozen=True, slots=True)
class Calibration:
    """Turns a passage's two scores into the log-odds that it answers: fitted for each adapter on questions that it
    was not trained on (logistic regression, Platt 1999)."""

    span: float = 0.5
    nothing: float = 1.0
    bias: float = 0.0

    def log_odds(self, score: float, nothing: float) -> float:
        """The log-odds that a sentence answers, from its own score and its passage's score for nothing."""
        return self.span * score - self.nothing * nothing + self.bias


@dataclass(frozen=True, slots=True)
class RankedSentence:
    """A sentence with the log-odds that it answers, comparable over all passages."""

    sentence: ReadSentence
    log_odds: float


def rank(read: Sequence[ReadPassage], calibration: Calibration) -> list[RankedSentence]:
    """All sentences of all passages, best first; of equal ones that of the earlier passage."""
    found = [
        RankedSentence(sentence, calibration.log_odds(sentence.score, passage.nothing))
        for passage in read
        for sentence in passage.sentences
    ]
    return sorted(found, key=lambda r: (-r.log_odds, r.sentence.passage, r.sentence.order))


def probability(log_odds: float) -> float:
    """The probability of log-odds."""
    return 1 / (1 + math.exp(-max(-50.0, min(50.0, log_odds))))


def fit(passages: Sequence[ReadPassage], answers: Sequence[bool]) -> Calibration:
    """The calibration that makes the observed outcomes likeliest. Newton's method with a slight ridge.

    Args:
        answers: whether each passage answers its question.
    """
    scored = [(p.best.score if p.best else -20.0, -p.nothing, 1.0) for p in passages]
    x, y = np.array(scored, dtype=np.float64), np.array(answers, dtype=np.float64)
    weights = np.zeros(3)
    for _ in range(_STEPS):
        guess = 1 / (1 + np.exp(-np.clip(x @ weights, -30, 30)))
        gradient = x.T @ (y - guess) - _RIDGE * weights
        curvature = (x * (guess * (1 - guess))[:, None]).T @ x + _RIDGE * np.eye(3)
        weights += np.linalg.solve(curvature, gradient)
    return Calibration(*(float(w) for w in weights))
