"""The search use case: embed the question, query the index as the caller, group by document."""

import time
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from app.core.errors import InputError
from app.core.identity import Caller
from retrieval.access import access_filter
from retrieval.embedder import Embedder
from retrieval.generations.live import LiveIndex
from retrieval.index.protocol import Index, IndexQuery
from retrieval.passage import NO_FILTERS, Passage, SearchFilters
from retrieval.snippet import Highlight, Snippet, make_snippet

__all__ = [
    "MAX_QUESTION_CHARACTERS",
    "DocumentHit",
    "Highlight",
    "QuestionVector",
    "SearchResult",
    "Searcher",
    "Snippet",
    "passages_of",
    "validate_question",
]

MAX_QUESTION_CHARACTERS = 4_000
MAX_LIMIT = 100
_MAX_PASSAGES_PER_DOCUMENT = 3
_ALLOWED_CONTROLS = "\t\n\r"


@dataclass(frozen=True, slots=True)
class DocumentHit:
    """A document in the results: its best passage, a snippet of it, and its further passages."""

    best: Passage
    snippet: Snippet
    more: tuple[Passage, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class QuestionVector:
    """A question's embedding, of length one, and the name of the embedder that it is of."""

    embedder: str
    values: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class SearchResult:
    """What a search found. `passages` is ungrouped, best first; `hits` the same grouped by document.

    A hit shows three passages at most, so `passages` may hold more. `embed_ms` is the part of `took_ms`
    that encoding the question took; `vector` is what came of it, where the search tells.
    """

    query: str
    passages: tuple[Passage, ...]
    hits: tuple[DocumentHit, ...]
    took_ms: float
    embed_ms: float
    vector: QuestionVector | None = None


def validate_question(text: str) -> str:
    """The question without space around it, in any script.

    Raises:
        InputError: `empty_question`, `question_too_long`, or `control_characters` (all but tab and line
            breaks, and halves of surrogate pairs).
    """
    question = text.strip()
    if not question:
        raise InputError("Type a question or a few words to search for.", code="empty_question")
    if len(question) > MAX_QUESTION_CHARACTERS:
        raise InputError(
            f"A question may have {MAX_QUESTION_CHARACTERS:,} characters; this one has {len(question):,}.",
            code="question_too_long",
        )
    for place, character in enumerate(question):
        if unicodedata.category(character) in ("Cc", "Cs") and character not in _ALLOWED_CONTROLS:
            raise InputError(
                f"The question holds a control character (U+{ord(character):04X}) at place {place + 1}; "
                "remove it.",
                code="control_characters",
            )
    return question


class Searcher:
    """Searches an index as a caller. Safe to use from any thread.

    Args:
        index: holds vectors of `embedder`.
        embedder: encodes the questions.
    """

    def __init__(self, index: Index, embedder: Embedder) -> None:
        self._pair: Callable[[], tuple[Index, Embedder]] = lambda: (index, embedder)

    @classmethod
    def following(cls, live: LiveIndex) -> Self:
        """A searcher that changes over when another generation of the index is current."""

        def pair() -> tuple[Index, Embedder]:
            found = live.pair()
            return found.index, found.embedder

        searcher = cls.__new__(cls)
        searcher._pair = pair
        return searcher

    def search(
        self, caller: Caller, query: str, *, filters: SearchFilters = NO_FILTERS, limit: int = 20
    ) -> SearchResult:
        """The passages that this caller may read, best first.

        Args:
            limit: the most passages, from 1 to 100.

        Raises:
            InputError: `empty_question`, `question_too_long`, `control_characters` or `limit_out_of_range`.
            UnavailableError: `index_unavailable`.
        """
        started = time.perf_counter()
        question = validate_question(query)
        if not 1 <= limit <= MAX_LIMIT:
            raise InputError(f"A search gives 1 to {MAX_LIMIT} passages.", code="limit_out_of_range")
        access = access_filter(caller)
        index, embedder = self._pair()
        before_embedding = time.perf_counter()
        vector = embedder.embed([question])[0]
        embed_ms = (time.perf_counter() - before_embedding) * 1000
        passages = index.search(IndexQuery(question, vector, access, filters=filters, limit=limit))
        hits = group_by_document(passages, question)
        took_ms = (time.perf_counter() - started) * 1000
        encoded = QuestionVector(embedder.name, vector)
        return SearchResult(question, tuple(passages), hits, took_ms, embed_ms, encoded)


def group_by_document(passages: Sequence[Passage], question: str) -> tuple[DocumentHit, ...]:
    """One hit for each document, in the order of their best passages, with up to three passages each."""
    groups: dict[str, list[Passage]] = {}
    for passage in passages:
        groups.setdefault(passage.document_id, []).append(passage)
    return tuple(
        DocumentHit(
            best=group[0],
            snippet=make_snippet(group[0].text, question),
            more=tuple(group[1:_MAX_PASSAGES_PER_DOCUMENT]),
        )
        for group in groups.values()
    )


def passages_of(hits: Sequence[DocumentHit]) -> list[Passage]:
    """All passages of the hits, best first."""
    return sorted((p for hit in hits for p in (hit.best, *hit.more)), key=lambda p: -p.score)
