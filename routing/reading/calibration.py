"""How far to trust the model's scores: probabilities fitted to what it got right where it was not trained."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

_STEPS = 60
_RIDGE = 1e-3


@dataclass(frozen=True, slots=True)
class Calibration:
    """Turns a passage's two scores into the log-odds that it answers: fitted for each adapter on questions
    that it was not trained on (logistic regression, Platt 1999)."""

    span: float = 0.5
    nothing: float = 1.0
    bias: float = 0.0

    @classmethod
    def from_card(cls, card: Mapping[str, str]) -> "Calibration":
        """As an adapter's file keeps it; an adapter without one reads as if its scores were right."""
        return cls(
            **{
                name: float(card[f"calibration_{name}"])
                for name in cls.__slots__
                if f"calibration_{name}" in card
            }
        )

    def to_card(self) -> dict[str, str]:
        """For the adapter's file."""
        return {f"calibration_{name}": f"{getattr(self, name):.6f}" for name in self.__slots__}

    def log_odds(self, score: float, nothing: float) -> float:
        """The log-odds that a sentence answers, from its own score and its passage's score for nothing."""
        return self.span * score - self.nothing * nothing + self.bias


def probability(log_odds: float) -> float:
    """The probability of log-odds."""
    return 1 / (1 + math.exp(-max(-50.0, min(50.0, log_odds))))


def fit(scores: Sequence[tuple[float, float]], answers: Sequence[bool]) -> Calibration:
    """The calibration that makes the observed outcomes likeliest, by Newton's method with a slight ridge.

    Args:
        scores: of each passage its best sentence's score, and its score for nothing.
        answers: whether each passage answers its question.
    """
    x = np.array([(score, -nothing, 1.0) for score, nothing in scores])
    y = np.array(answers, dtype=np.float64)
    weights = np.zeros(3)
    for _ in range(_STEPS):
        guess = 1 / (1 + np.exp(-np.clip(x @ weights, -30, 30)))
        gradient = x.T @ (y - guess) - _RIDGE * weights
        curvature = (x * (guess * (1 - guess))[:, None]).T @ x + _RIDGE * np.eye(3)
        weights += np.linalg.solve(curvature, gradient)
    return Calibration(*(float(w) for w in weights))
