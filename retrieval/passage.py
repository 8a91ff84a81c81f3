"""A passage: a chunk returned for a question, with its scores."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Passage:
    """A stored chunk with the scores it got for one question.

    `start` and `end` are character offsets into the stored text of the document: `text` is exactly
    `document.text[start:end]`. `score` is the fused rank score, comparable within one result alone;
    `dense_score` is the cosine to the question and `sparse_score` its BM25 score, each `None` where that
    side did not list the chunk.
    """

    chunk_id: str
    document_id: str
    title: str
    heading_path: tuple[str, ...]
    text: str
    start: int
    end: int
    source: str
    url: str | None
    author: str | None
    updated_at: datetime | None
    score: float
    dense_score: float | None = None
    sparse_score: float | None = None


@dataclass(frozen=True, slots=True)
class SearchFilters:
    """What a person narrowed the search to. `after` is inclusive, `before` exclusive; both in UTC."""

    sources: tuple[str, ...] = ()
    after: datetime | None = None
    before: datetime | None = None


NO_FILTERS = SearchFilters()
"""The whole of what the caller may read."""
