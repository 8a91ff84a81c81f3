"""Difficulty: the probability that the cheap rung's answer would be wrong, at three stages.

`features` says what is looked at, `score` turns it into a probability with its reasons.
"""

from routing.difficulty.score import stage1, stage2, stage3
from routing.difficulty.value import Difficulty

__all__ = ["Difficulty", "stage1", "stage2", "stage3"]
