"""Texts to vectors. The protocol; the implementation loads its weights on first use or by `warm_up`."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Embedder(Protocol):
    """An encoder whose vectors have length one, so that a dot product is the cosine."""

    @property
    def name(self) -> str:
        """Names the weights: vectors of different names must never meet in one index."""
        ...

    @property
    def dimensions(self) -> int: ...

    @property
    def max_tokens(self) -> int:
        """Tokens beyond this are not seen."""
        ...

    def warm_up(self) -> None:
        """Loads the weights now, so that the first question does not wait for them."""
        ...

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """How many tokens each text has, without the special ones."""
        ...

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors of shape (len(texts), dimensions), float32, length one, in the order of the texts."""
        ...
