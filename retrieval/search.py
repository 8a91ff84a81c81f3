"""The search use case: embed the question, query the index as the caller, group by document."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.core.identity import Caller
from retrieval.passage import NO_FILTERS, Passage, SearchFilters


@dataclass(frozen=True, slots=True)
class Highlight:
    """A stretch of `Snippet.text`, by character offsets, that matches a word of the question."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Snippet:
    """The part of a passage to show in a list, with the words to mark."""

    text: str
    highlights: tuple[Highlight, ...]


@dataclass(frozen=True, slots=True)
class DocumentHit:
    """A document in the results: its best passage, a snippet of it, and its further passages."""

    best: Passage
    snippet: Snippet
    more: tuple[Passage, ...] = ()


@dataclass(frozen=True, slots=True)
class SearchResult:
    """What a search found. `passages` is ungrouped, best first; `hits` the same grouped by document."""

    query: str
    passages: tuple[Passage, ...]
    hits: tuple[DocumentHit, ...]
    took_ms: float
    embed_ms: float


class Searcher:
    """Implemented next."""

    def search(
        self, caller: Caller, query: str, *, filters: SearchFilters = NO_FILTERS, limit: int = 20
    ) -> SearchResult:
        """Raises InputError `empty_question`, `question_too_long` or `control_characters`."""
        raise NotImplementedError


def passages_of(hits: Sequence[DocumentHit]) -> list[Passage]:
    """All passages of the hits, best first."""
    return sorted((p for hit in hits for p in (hit.best, *hit.more)), key=lambda p: -p.score)
