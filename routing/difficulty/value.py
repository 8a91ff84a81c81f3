"""What a stage of the difficulty comes to."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Stage = Literal["question", "passages", "answer"]


@dataclass(frozen=True, slots=True)
class Difficulty:
    """The score of one stage: the probability that the answer of the cheap rung would be (or is) wrong.

    `reasons` are for people, the weightiest first. `features` are what it was worked out from, and `model`
    names what worked it out: the model and the start of its training data's hash.
    """

    stage: Stage
    probability: float
    reasons: tuple[str, ...]
    features: Mapping[str, float] = field(default_factory=dict)
    model: str = ""
