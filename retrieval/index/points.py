"""How a point is stored: its payload, the names of its vectors, and the way back to a passage."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from app.core.identity import AccessList
from retrieval.index.protocol import Point
from retrieval.passage import Passage

DENSE = "dense"
SPARSE = "bm25"
KEYWORD_FIELDS = ("access", "document_id", "source")
"""Payload fields that filters match exactly, besides `workspace_id`, which is the tenant."""

HIDDEN_FIELDS = ("access", "workspace_id")
"""Payload fields that a result does not need."""

Payload = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Scored:
    """A chunk that a query found: its payload and its scores."""

    id: str
    payload: Payload
    score: float
    dense_score: float | None
    sparse_score: float | None


def payload_of(point: Point) -> dict[str, Any]:
    """The payload of a point. An access list of nobody is stored empty and matches no filter."""
    payload = {
        "workspace_id": point.workspace_id,
        "document_id": point.document_id,
        "source": point.source,
        "title": point.title,
        "heading_path": list(point.heading_path),
        "text": point.text,
        "start": point.start,
        "end": point.end,
        "url": point.url,
        "author": point.author,
        "updated_at": None if point.updated_at is None else time_text(point.updated_at),
        "access": access_texts(point.access),
        "page": point.page,
        "page_breaks": list(point.page_breaks) or None,
        "sections": [list(section) for section in point.sections] or None,
        "language": point.language or None,
    }
    return {name: value for name, value in payload.items() if value is not None}


def passage_of(found: Scored) -> Passage:
    """The passage that a result stands for."""
    payload = found.payload
    updated_at = payload.get("updated_at")
    return Passage(
        chunk_id=found.id,
        document_id=payload["document_id"],
        title=payload["title"],
        heading_path=tuple(payload["heading_path"]),
        text=payload["text"],
        start=payload["start"],
        end=payload["end"],
        source=payload["source"],
        url=payload.get("url"),
        author=payload.get("author"),
        updated_at=None if updated_at is None else datetime.fromisoformat(updated_at),
        score=found.score,
        dense_score=found.dense_score,
        sparse_score=found.sparse_score,
        page=payload.get("page"),
        page_breaks=tuple(payload.get("page_breaks", ())),
        sections=tuple((start, name) for start, name in payload.get("sections", ())),
        language=payload.get("language", ""),
    )


def access_texts(access: AccessList) -> list[str]:
    """The principals of an access list as the index stores them, in a fixed order."""
    return sorted(str(principal) for principal in access)


def by_access_list(access: Mapping[str, AccessList]) -> list[tuple[list[str], list[str]]]:
    """(principals, document ids) for each distinct access list, so that each is written once."""
    documents: dict[tuple[str, ...], list[str]] = {}
    for document_id, allowed in access.items():
        documents.setdefault(tuple(access_texts(allowed)), []).append(document_id)
    return [(list(principals), ids) for principals, ids in documents.items()]


def time_text(moment: datetime) -> str:
    """A moment in UTC as RFC 3339; one without a time zone is taken as UTC."""
    aware = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return aware.isoformat()


@dataclass(frozen=True, slots=True)
class Scores:
    """What each side says of the chunks that a fused query returned."""

    fused: Mapping[str, float]
    dense: Mapping[str, float]
    sparse: Mapping[str, float]


Ranked = tuple[str, float, float | None, float | None]
"""Id, fused score, dense score, sparse score."""


def rank(scores: Scores, *, candidates: int, limit: int) -> list[Ranked]:
    """Orders chunks by fused score, then cosine, then id.

    `scores.dense` and `scores.sparse` hold every fused chunk that has such a score. The best `candidates`
    of them are exactly those that this side listed, because it listed no chunk that is not in the fusion.
    """
    dense, sparse = (_best(side, candidates) for side in (scores.dense, scores.sparse))
    order = sorted(scores.fused, key=lambda i: (-scores.fused[i], -dense.get(i, -1.0), i))
    return [(i, scores.fused[i], dense.get(i), sparse.get(i)) for i in order[:limit]]


def _best(scores: Mapping[str, float], count: int) -> dict[str, float]:
    best: Sequence[str] = sorted(scores, key=lambda i: (-scores[i], i))[:count]
    return {i: scores[i] for i in best}
