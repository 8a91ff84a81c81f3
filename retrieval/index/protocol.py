"""What every index can do. Both implementations pass the same contract tests."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from app.core.identity import AccessList
from retrieval.passage import NO_FILTERS, Passage, SearchFilters

Vector = NDArray[np.float32]

RRF_K = 60
"""A chunk at rank r of a list adds 1 / (k + r) to its score, r from 0 (Cormack, Clarke and Büttcher 2009)."""


@dataclass(frozen=True, slots=True)
class Point:
    """A chunk as the index stores it: its dense vector, its text for the sparse side, and its payload.

    `id` is a UUID made from the document and the embedded text, so that writing a chunk again replaces it.
    `embedded_text` (title and heading path in front) is what both sides index; `text` is the chunk itself.
    """

    id: str
    workspace_id: str
    document_id: str
    source: str
    title: str
    heading_path: tuple[str, ...]
    text: str
    embedded_text: str
    start: int
    end: int
    url: str | None
    author: str | None
    updated_at: datetime | None
    access: AccessList
    vector: Vector
    page: int | None = None
    page_breaks: tuple[int, ...] = ()
    sections: tuple[tuple[int, str], ...] = ()
    language: str = ""


@dataclass(frozen=True, slots=True)
class AccessFilter:
    """The workspace and principals that a search is limited to. Built by `retrieval.access` alone."""

    workspace_id: str
    principals: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class IndexQuery:
    """A hybrid query: dense and sparse candidates, fused by reciprocal rank, all inside the access filter.

    Each side lists `candidates` chunks (`limit`, if that is more). A moment without a time zone is taken as
    UTC, and a chunk without a date is not found where the filters ask for one.
    """

    text: str
    vector: Vector
    access: AccessFilter
    filters: SearchFilters = NO_FILTERS
    limit: int = 20
    candidates: int = 50


Hit = Passage


@dataclass(frozen=True, slots=True)
class IndexStats:
    """How much the index holds."""

    points: int
    disk_bytes: int | None


class Index(Protocol):
    """A store of chunks that answers hybrid queries within an access filter.

    Every method raises `UnavailableError` (`index_unavailable`) when the engine or server does not answer.
    """

    def upsert(self, points: Sequence[Point]) -> None:
        """Writes chunks; one with the same id is replaced. Survives the death of any process once it returns;
        `flush` makes it survive a loss of power."""
        ...

    def update_payload(self, points: Sequence[Point]) -> None:
        """Rewrites the payload of stored chunks (offsets, title, dates, access) and keeps their vectors.

        A point that is not stored is left out; its `vector` and `embedded_text` are not looked at.
        """
        ...

    def set_access(self, workspace_id: str, access: Mapping[str, AccessList]) -> None:
        """Replaces the access lists of documents, by document id. It counts from the next query on."""
        ...

    def present(self, ids: Sequence[str]) -> set[str]:
        """Which of these chunk ids are stored."""
        ...

    def keep_only(self, workspace_id: str, document_id: str, ids: Sequence[str]) -> None:
        """Removes every chunk of the document but these."""
        ...

    def delete_documents(self, workspace_id: str, document_ids: Sequence[str]) -> None:
        """Removes every chunk of these documents."""
        ...

    def search(self, query: IndexQuery) -> list[Hit]:
        """The best chunks, best first, at most `query.limit`; equal scores stand by cosine, then by id.

        Without principals there are none: nobody reads nothing.
        """
        ...

    def stats(self) -> IndexStats: ...

    def flush(self) -> None:
        """Writes what is buffered to disk, so that a copy of the folder is a backup."""
        ...

    def close(self) -> None: ...


class OwnIndex(Index, Protocol):
    """An index that is a store of its own."""

    def drop(self) -> None:
        """Removes it with all it holds, for good. It is closed then."""
        ...
