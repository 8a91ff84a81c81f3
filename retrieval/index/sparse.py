"""The sparse side of a chunk and of a question: BM25 weights by hashed word, the same for every index.

The inverse document frequency is not in these numbers: the engine or server multiplies it in at query time.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

_HAN_OR_KANA = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]")


@dataclass(frozen=True, slots=True)
class SparseVector:
    """Weights at hashed words; both lists have the same length, empty where the text holds no word."""

    indices: list[int]
    values: list[float]


@lru_cache(maxsize=1)
def _bm25() -> Any:
    from qdrant_edge import Bm25, Bm25Config

    return Bm25(Bm25Config(language="english", ascii_folding=True))


def encode_document(text: str) -> SparseVector:
    """BM25 term weights of a chunk (k 1.2, b 0.75): lower case, without accents, English stems."""
    vector = _bm25().embed_document(_spaced(text))
    return SparseVector(vector.indices, vector.values)


def encode_query(text: str) -> SparseVector:
    """Weight 1 for each distinct word of a question."""
    vector = _bm25().embed_query(_spaced(text))
    return SparseVector(vector.indices, vector.values)


def _spaced(text: str) -> str:
    """Chinese and Japanese put no space between words, so each character counts as one."""
    return _HAN_OR_KANA.sub(r" \g<0> ", text)
