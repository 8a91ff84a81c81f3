"""An embedder without weights: words hashed into 384 numbers. The same text always gives the same vector."""

import re
import unicodedata
from collections.abc import Sequence
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

_WORD = re.compile(r"\w+")


def fold_words(text: str) -> list[str]:
    """The words of a text in lower case without accents."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", text.lower()) if not unicodedata.combining(c))
    return _WORD.findall(plain)


class HashEmbedder:
    """Texts that share words are near each other; nothing else about it resembles meaning.

    `embedded` counts the texts encoded so far, so that a test can see that nothing was embedded twice.
    """

    name = "hash-384"
    dimensions = 384
    max_tokens = 256

    def __init__(self) -> None:
        self.embedded = 0
        self.warm = False

    def warm_up(self) -> None:
        self.warm = True

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [len(_WORD.findall(text)) for text in texts]

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.embedded += len(texts)
        vectors = np.zeros((len(texts), self.dimensions), dtype=np.float32)
        for row, text in zip(vectors, texts, strict=True):
            for word in fold_words(text)[: self.max_tokens]:
                digest = int.from_bytes(blake2b(word.encode(), digest_size=8).digest())
                row[digest % self.dimensions] += 1.0 if digest >> 63 else -1.0
            if not row.any():
                row[0] = 1.0
            row /= np.linalg.norm(row)
        return vectors
