"""What the reading model says about one row."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class PairScores:
    """Logits of one row.

    starts, ends: shape (tokens of the passage,), how likely the answer begins or ends there. no_start,
    no_end: the same for no answer. nothing: how likely the passage does not answer.
    """

    starts: NDArray[np.float32]
    ends: NDArray[np.float32]
    no_start: float
    no_end: float
    nothing: float
