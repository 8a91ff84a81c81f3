"""Points to fill an index with."""

from dataclasses import replace
from datetime import UTC, datetime
from uuid import NAMESPACE_URL, uuid5

from app.core.identity import AccessList, parse_access
from retrieval.index.protocol import AccessFilter, IndexQuery, Point
from retrieval.passage import NO_FILTERS, SearchFilters
from tests.fakes.embedder import HashEmbedder

EVERYONE_MAY = parse_access(["everyone"])
_embedder = HashEmbedder()


def point_id(name: str) -> str:
    """A stable UUID for a name."""
    return str(uuid5(NAMESPACE_URL, name))


def make_point(
    name: str,
    text: str,
    *,
    document_id: str | None = None,
    workspace_id: str = "acme",
    access: AccessList = EVERYONE_MAY,
    source: str = "handbook",
    updated_at: datetime | None = datetime(2026, 5, 4, tzinfo=UTC),
) -> Point:
    """A point whose vector is that of its text."""
    return Point(
        id=point_id(name),
        workspace_id=workspace_id,
        document_id=document_id or f"doc-{name}",
        source=source,
        title=name,
        heading_path=("Top", name),
        text=text,
        embedded_text=text,
        start=3,
        end=3 + len(text),
        url=f"https://example.com/{name}",
        author="Ada",
        updated_at=updated_at,
        access=access,
        vector=_embedder.embed([text])[0],
    )


def make_query(
    text: str,
    *principals: str,
    workspace_id: str = "acme",
    filters: SearchFilters = NO_FILTERS,
    limit: int = 20,
    candidates: int = 50,
) -> IndexQuery:
    """A query as these principals; without any, as nobody."""
    access = AccessFilter(workspace_id, tuple(sorted(principals)))
    vector = _embedder.embed([text])[0]
    return IndexQuery(text, vector, access, filters=filters, limit=limit, candidates=candidates)


def with_text(point: Point, text: str) -> Point:
    """The same point with other words, both embedded and shown."""
    return replace(point, text=text, embedded_text=text, vector=_embedder.embed([text])[0])
