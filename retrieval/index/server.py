"""The index on a Qdrant server: the same protocol and the same vectors, by `qdrant-client`.

Importing this file loads `qdrant-client`, so it is imported only where a server is configured.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Self

import numpy as np
from qdrant_client import QdrantClient
from qdrant_client import models as m
from qdrant_client.http.exceptions import ApiException

from app.core.errors import ConfigurationError, UnavailableError
from app.core.identity import AccessList
from retrieval.index.points import (
    DENSE,
    HIDDEN_FIELDS,
    KEYWORD_FIELDS,
    SPARSE,
    Scored,
    Scores,
    by_access_list,
    passage_of,
    payload_of,
    rank,
    time_text,
)
from retrieval.index.protocol import RRF_K, Hit, IndexQuery, IndexStats, Point, Vector
from retrieval.index.sparse import encode_document, encode_query

_BATCH = 256

Sides = list[tuple[str, list[float] | m.SparseVector]]


class ServerIndex:
    """Implements `Index` in one collection of a Qdrant server, made on first use.

    Args:
        client: connected to the server; `connect` makes one from an address.
        collection: its name.
        embedder: the name of the encoder whose vectors it holds.
        dimensions: the length of a vector.
    """

    def __init__(self, client: QdrantClient, *, collection: str, embedder: str, dimensions: int) -> None:
        self._client = client
        self._collection = collection
        self._identity = {"embedder": embedder, "dimensions": dimensions}
        self._dimensions = dimensions
        self._ready = False

    @classmethod
    def connect(
        cls, url: str, *, api_key: str | None, collection: str, embedder: str, dimensions: int
    ) -> Self:
        """An index at this address; nothing is sent before the first call."""
        client = QdrantClient(url=url, api_key=api_key, timeout=60, check_compatibility=False)
        return cls(client, collection=collection, embedder=embedder, dimensions=dimensions)

    def upsert(self, points: Sequence[Point]) -> None:
        for batch in _batches(points):
            made = [
                m.PointStruct(id=point.id, vector=self._vectors(point), payload=payload_of(point))
                for point in batch
            ]
            self._do("upsert", points=made, wait=True)

    def update_payload(self, points: Sequence[Point]) -> None:
        for batch in _batches(points):
            stored = self.present([point.id for point in batch])
            operations = [
                m.OverwritePayloadOperation(
                    overwrite_payload=m.SetPayload(payload=payload_of(point), points=[point.id])
                )
                for point in batch
                if point.id in stored
            ]
            if operations:
                self._do("batch_update_points", update_operations=operations, wait=True)

    def set_access(self, workspace_id: str, access: Mapping[str, AccessList]) -> None:
        for principals, ids in by_access_list(access):
            chosen = _filter(workspace_id, _any_of("document_id", ids))
            self._do("set_payload", payload={"access": principals}, points=chosen, wait=True)

    def present(self, ids: Sequence[str]) -> set[str]:
        if not ids:
            return set()
        found = self._do("retrieve", ids=list(ids), with_payload=False, with_vectors=False)
        return {str(record.id) for record in found}

    def keep_only(self, workspace_id: str, document_id: str, ids: Sequence[str]) -> None:
        self._delete(_filter(workspace_id, _any_of("document_id", [document_id]), keep=ids))

    def delete_documents(self, workspace_id: str, document_ids: Sequence[str]) -> None:
        if document_ids:
            self._delete(_filter(workspace_id, _any_of("document_id", document_ids)))

    def search(self, query: IndexQuery) -> list[Hit]:
        if not query.access.principals or query.limit < 1:
            return []
        candidates, sides, chosen = max(query.candidates, query.limit), self._sides(query), _chosen(query)
        fused = self._do(
            "query_points",
            prefetch=[m.Prefetch(query=q, using=u, filter=chosen, limit=candidates) for u, q in sides],
            query=m.RrfQuery(rrf=m.Rrf(k=RRF_K)),
            limit=2 * candidates,
            with_payload=m.PayloadSelectorExclude(exclude=list(HIDDEN_FIELDS)),
        ).points
        if not fused:
            return []
        payloads = {str(point.id): point.payload or {} for point in fused}
        scores = self._score_each({str(point.id): float(point.score) for point in fused}, sides)
        rows = rank(scores, candidates=candidates, limit=query.limit)
        return [passage_of(Scored(row[0], payloads[row[0]], *row[1:])) for row in rows]

    def stats(self) -> IndexStats:
        return IndexStats(points=self._do("count", exact=True).count, disk_bytes=None)

    def flush(self) -> None:
        """Nothing to do: every write waits for the server, which keeps its own log."""

    def close(self) -> None:
        self._client.close()

    def drop(self) -> None:
        """Removes the collection; one that is not there is gone already."""
        try:
            self._call("delete_collection")
        finally:
            self.close()

    def stored_identity(self) -> tuple[str, int] | None:
        """The encoder's name and the length of the vectors of the collection, if there is one."""
        if not self._call("collection_exists"):
            return None
        stored = self._call("get_collection").config.metadata or {}
        return str(stored.get("embedder", "")), int(stored.get("dimensions", 0))

    def _vectors(self, point: Point) -> dict[str, Any]:
        sparse = encode_document(point.embedded_text)
        return {
            DENSE: self._floats(point.vector),
            SPARSE: m.SparseVector(indices=sparse.indices, values=sparse.values),
        }

    def _sides(self, query: IndexQuery) -> Sides:
        sides: Sides = [(DENSE, self._floats(query.vector))]
        sparse = encode_query(query.text)
        if sparse.indices:
            sides.append((SPARSE, m.SparseVector(indices=sparse.indices, values=sparse.values)))
        return sides

    def _score_each(self, fused: dict[str, float], sides: Sides) -> Scores:
        among = m.Filter(must=[m.HasIdCondition(has_id=list(fused))])
        requests = [m.QueryRequest(query=q, using=u, filter=among, limit=len(fused)) for u, q in sides]
        answers = self._do("query_batch_points", requests=requests)
        lists = [{str(point.id): float(point.score) for point in answer.points} for answer in answers]
        return Scores(fused, lists[0], lists[1] if len(lists) > 1 else {})

    def _delete(self, chosen: m.Filter) -> None:
        self._do("delete", points_selector=m.FilterSelector(filter=chosen), wait=True)

    def _floats(self, vector: Vector) -> list[float]:
        if vector.shape != (self._dimensions,):
            raise ValueError(f"a vector of shape {vector.shape} does not fit ({self._dimensions},)")
        return [float(x) for x in vector.astype(np.float32, copy=False)]

    def _do(self, operation: str, **fields: Any) -> Any:
        """Calls the client's method of this name on the collection, which is made where it is not there yet.

        Raises:
            UnavailableError: `index_unavailable`, when the server does not answer or refuses.
            ConfigurationError: `other_vectors`.
        """
        if not self._ready:
            with _plain_errors():
                self._make_collection()
        return self._call(operation, **fields)

    def _call(self, operation: str, **fields: Any) -> Any:
        with _plain_errors():
            return getattr(self._client, operation)(self._collection, **fields)

    def _make_collection(self) -> None:
        if not self._client.collection_exists(self._collection):
            _create(self._client, self._collection, self._identity)
        stored = self._client.get_collection(self._collection).config.metadata or {}
        if {name: stored.get(name) for name in self._identity} != self._identity:
            raise ConfigurationError(
                f"The collection {self._collection} holds vectors of {stored.get('embedder')}, but the "
                f"settings ask for {self._identity['embedder']}. Choose another "
                "RUNG_QDRANT_COLLECTION and sync every source again.",
                code="other_vectors",
            )
        self._ready = True


@contextmanager
def _plain_errors() -> Iterator[None]:
    try:
        yield
    except (ApiException, OSError) as error:
        raise UnavailableError(
            f"The Qdrant server did not do what it was asked: {str(error)[:300]}. Check RUNG_QDRANT_URL "
            "and RUNG_QDRANT_API_KEY, and that the server runs.",
            code="index_unavailable",
        ) from error


def _create(client: QdrantClient, name: str, identity: dict[str, Any]) -> None:
    client.create_collection(
        name,
        vectors_config={DENSE: m.VectorParams(size=identity["dimensions"], distance=m.Distance.COSINE)},
        sparse_vectors_config={SPARSE: m.SparseVectorParams(modifier=m.Modifier.IDF)},
        metadata=identity,
    )
    schemas: dict[str, Any] = {
        "workspace_id": m.KeywordIndexParams(type=m.KeywordIndexType.KEYWORD, is_tenant=True),
        "updated_at": m.PayloadSchemaType.DATETIME,
    }
    for field, schema in (schemas | dict.fromkeys(KEYWORD_FIELDS, m.PayloadSchemaType.KEYWORD)).items():
        client.create_payload_index(name, field, schema, wait=True)


def _chosen(query: IndexQuery) -> m.Filter:
    filters = query.filters
    conditions = [_any_of("access", query.access.principals)]
    if filters.sources:
        conditions.append(_any_of("source", filters.sources))
    if filters.after is not None or filters.before is not None:
        after, before = (None if t is None else time_text(t) for t in (filters.after, filters.before))
        span = m.DatetimeRange.model_validate({"gte": after, "lt": before})
        conditions.append(m.FieldCondition(key="updated_at", range=span))
    return _filter(query.access.workspace_id, *conditions)


def _any_of(field: str, values: Sequence[str]) -> m.FieldCondition:
    return m.FieldCondition(key=field, match=m.MatchAny(any=list(values)))


def _filter(workspace_id: str, *conditions: m.FieldCondition, keep: Sequence[str] = ()) -> m.Filter:
    workspace = m.FieldCondition(key="workspace_id", match=m.MatchValue(value=workspace_id))
    must_not: list[Any] | None = [m.HasIdCondition(has_id=list(keep))] if keep else None
    return m.Filter(must=[workspace, *conditions], must_not=must_not)


def _batches(points: Sequence[Point]) -> Iterator[Sequence[Point]]:
    return (points[start : start + _BATCH] for start in range(0, len(points), _BATCH))
