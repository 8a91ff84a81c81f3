"""A set's corpus behind the product's own search: chunked, embedded and indexed as a source would be."""

import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

import numpy as np
from numpy.typing import NDArray

from app.core.identity import EVERYONE, PUBLIC, Caller
from ingest.chunking import chunk_document
from retrieval.embedder import Embedder
from retrieval.index.edge import EdgeIndex
from retrieval.index.protocol import Point
from retrieval.passage import Passage, SearchFilters
from retrieval.search import Searcher
from routing.reading.corpus import Page

_PART = 1_500
"""Characters of a long article that count as one gold passage."""

_BATCH = 256

SOURCE = "bench"
"""Where pages are stored that nothing else is said of."""

_CALLER = Caller("bench", "bench", "", "Bench", "bench", frozenset({EVERYONE, PUBLIC}))


def parts(text: str) -> list[str]:
    """A text in pieces of at most so many characters, cut at white space; a usual passage is one piece."""
    found = []
    start = 0
    while len(text) - start > _PART:
        cut = text.rfind(" ", start, start + _PART)
        end = cut if cut > start else start + _PART
        found.append(text[start:end])
        start = end
    return [*found, text[start:]]


@contextmanager
def open_corpus(
    pages: Iterable[Page], embedder: Embedder, source_of: Callable[[Page], str] = lambda _: SOURCE
) -> Iterator[Callable[..., Sequence[Passage]]]:
    """Indexes the pages and gives a search over them: a question, how many passages, best first, and the
    sources to search alone, if any.

    Args:
        source_of: the source that a page is stored under.
    """
    with tempfile.TemporaryDirectory(prefix="rung-bench-", ignore_cleanup_errors=True) as folder:
        index = EdgeIndex(
            Path(folder), embedder=embedder.name, dimensions=embedder.dimensions, idle_seconds=2
        )
        waiting: list[tuple[Page, int, int, str, str]] = []
        for page in pages:
            title = "" if page.title.isdigit() else page.title
            cut = chunk_document(page.text, (), title, embedder.count_tokens, max_tokens=embedder.max_tokens)
            waiting.extend((page, c.start, c.end, c.text, c.embedded_text) for c in cut)
        for start in range(0, len(waiting), _BATCH):
            batch = waiting[start : start + _BATCH]
            vectors = embedder.embed([embedded for *_, embedded in batch])
            index.upsert(
                [
                    _point(source_of(found[0]), *found, vector)
                    for found, vector in zip(batch, vectors, strict=True)
                ]
            )
        searcher = Searcher(index, embedder)
        try:
            yield (
                lambda question, count, *sources: (
                    searcher.search(_CALLER, question, limit=count, filters=SearchFilters(sources)).passages
                )
            )
        finally:
            index.close()


def _point(
    source: str,
    page: Page,
    start: int,
    end: int,
    text: str,
    embedded_text: str,
    vector: NDArray[np.float32],
) -> Point:
    return Point(
        id=str(uuid5(NAMESPACE_URL, f"{page.id}:{start}")),
        workspace_id=_CALLER.workspace_id,
        document_id=page.id,
        source=source,
        title="" if page.title.isdigit() else page.title,
        heading_path=(),
        text=text,
        embedded_text=embedded_text,
        start=start,
        end=end,
        url=None,
        author=None,
        updated_at=None,
        access=frozenset({EVERYONE}),
        vector=vector,
    )
