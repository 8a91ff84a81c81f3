"""The store itself: one Qdrant shard in plain mode (an exact scan), used by the engine's process alone."""

import shutil
import threading
from array import array
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import qdrant_edge as qdrant

from retrieval.index.points import DENSE, HIDDEN_FIELDS, KEYWORD_FIELDS, SPARSE, Ranked, Scores, rank
from retrieval.index.protocol import RRF_K

_NO_HNSW = 10**9

StoredPoint = tuple[str, bytes, list[int], list[float], dict[str, Any]]
"""Id, dense vector as float32 bytes, sparse indices, sparse values, payload."""

Found = tuple[str, dict[str, Any], float, float | None, float | None]
"""Id, payload, fused score, dense score, sparse score."""


class Shard:
    """Reads and writes points. Every method is one step that no other method interrupts."""

    def __init__(self, folder: Path, dimensions: int) -> None:
        config = qdrant.EdgeConfig(
            vectors={DENSE: qdrant.EdgeVectorParams(size=dimensions, distance=qdrant.Distance.Cosine)},
            sparse_vectors={SPARSE: qdrant.EdgeSparseVectorParams(modifier=qdrant.Modifier.Idf)},
            optimizers=qdrant.EdgeOptimizersConfig(indexing_threshold=_NO_HNSW),
        )
        self._folder = folder
        self._lock = threading.RLock()
        self.unflushed = 0
        """Points written since the last flush."""
        self.replaced = False
        """Whether points were replaced or removed since the last vacuum."""
        self.closed = False
        if not folder.exists():
            _create(folder, config)
        temporary = folder / "temp_segments"  # a killed vacuum leaves its work behind
        if temporary.exists():
            shutil.rmtree(temporary)
        self._shard = qdrant.EdgeShard.load(str(folder), config)

    def upsert(self, points: Sequence[StoredPoint]) -> None:
        made = [
            qdrant.Point(i, {DENSE: _floats(dense), SPARSE: qdrant.SparseVector(indices, values)}, payload)
            for i, dense, indices, values, payload in points
        ]
        with self._lock:
            self.replaced = self.replaced or bool(self.present([point[0] for point in points]))
            self._update(qdrant.UpdateOperation.upsert_points(made), len(points))

    def update_payload(self, payloads: Sequence[tuple[str, dict[str, Any]]]) -> None:
        with self._lock:
            stored = set(self.present([i for i, _ in payloads]))
            for i, payload in payloads:
                if i in stored:
                    self._update(qdrant.UpdateOperation.overwrite_payload([i], payload), 1)

    def set_access(self, workspace_id: str, lists: Sequence[tuple[list[str], list[str]]]) -> None:
        """Takes (principals, document ids) for each distinct access list."""
        with self._lock:
            for principals, ids in lists:
                chosen = _filter(workspace_id, [_any_of("document_id", ids)])
                operation = qdrant.UpdateOperation.set_payload_by_filter(chosen, {"access": principals})
                self._update(operation, len(ids))

    def present(self, ids: Sequence[str]) -> list[str]:
        with self._lock:
            records = self._shard.retrieve(list(ids), with_payload=False, with_vector=False)
        return [str(record.id) for record in records]

    def keep_only(self, workspace_id: str, document_id: str, ids: Sequence[str]) -> None:
        chosen = _filter(workspace_id, [_any_of("document_id", [document_id])], keep=ids)
        with self._lock:
            if self._shard.count(qdrant.CountRequest(exact=True, filter=chosen)):
                self.replaced = True
                self._update(qdrant.UpdateOperation.delete_points_by_filter(chosen), 1)

    def delete_documents(self, workspace_id: str, document_ids: Sequence[str]) -> None:
        chosen = _filter(workspace_id, [_any_of("document_id", document_ids)])
        with self._lock:
            self.replaced = True
            self._update(qdrant.UpdateOperation.delete_points_by_filter(chosen), len(document_ids))

    def search(
        self,
        vector: bytes,
        indices: list[int],
        values: list[float],
        workspace_id: str,
        principals: list[str],
        sources: list[str],
        after: str | None,
        before: str | None,
        limit: int,
        candidates: int,
    ) -> list[Found]:
        """One fused query with the access filter inside both of its sides, then each side's own scores."""
        if not principals:
            return []
        chosen = _filter(workspace_id, _conditions(principals, sources, after, before))
        sides = [qdrant.Query.Nearest(_floats(vector), using=DENSE)]
        if indices:
            sides.append(qdrant.Query.Nearest(qdrant.SparseVector(indices, values), using=SPARSE))
        with self._lock:
            fused = self._shard.query(
                qdrant.QueryRequest(
                    limit=2 * candidates,
                    prefetches=[qdrant.Prefetch(candidates, query=side, filter=chosen) for side in sides],
                    query=_fusion(),
                    with_payload=False,
                )
            )
            scores = self._score_each(_scores(fused), sides)
            return self._with_payload(rank(scores, candidates=candidates, limit=limit))

    def _score_each(self, fused: dict[str, float], sides: list[Any]) -> Scores:
        if not fused:
            return Scores({}, {}, {})
        among = qdrant.Filter(must=[qdrant.HasIdCondition(set(fused))])
        requests = [qdrant.QueryRequest(limit=len(fused), query=side, filter=among) for side in sides]
        lists = [_scores(found) for found in self._shard.query_batch(qdrant.QueryBatchRequest(requests))]
        return Scores(fused, lists[0], lists[1] if len(lists) > 1 else {})

    def _with_payload(self, ranked: list[Ranked]) -> list[Found]:
        records = self._shard.retrieve(
            [row[0] for row in ranked],
            with_payload=qdrant.PayloadSelector.Exclude(list(HIDDEN_FIELDS)),
            with_vector=False,
        )
        payloads = {str(record.id): record.payload or {} for record in records}
        return [(i, payloads[i], score, dense, sparse) for i, score, dense, sparse in ranked]

    def stats(self) -> dict[str, int]:
        with self._lock:
            count = self._shard.count(qdrant.CountRequest(exact=True))
        blocks = sum(path.lstat().st_blocks for path in _files(self._folder))
        return {"points": count, "disk_bytes": blocks * 512}

    def flush(self) -> None:
        """Writes the segments to disk and lets the write-ahead log start over."""
        with self._lock:
            self._shard.flush()
            self.unflushed = 0

    def vacuum(self) -> None:
        """Gives back the room of replaced and removed points, where they are a fifth or more of a segment."""
        with self._lock:
            self._shard.optimize()
            self.flush()
            self.replaced = False

    def close(self) -> None:
        with self._lock:
            self._shard.flush()
            self._shard.close()
            self.closed = True

    def _update(self, operation: Any, points: int) -> None:
        self._shard.update(operation)
        self.unflushed += points


def _create(folder: Path, config: qdrant.EdgeConfig) -> None:
    """Makes the shard beside its place and moves it there, so that a half-made one is never opened."""
    unfinished = folder.with_name(f"{folder.name}.new")
    if unfinished.exists():
        shutil.rmtree(unfinished)
    unfinished.mkdir(parents=True)
    shard = qdrant.EdgeShard.create(str(unfinished), config)
    schemas: dict[str, Any] = {
        "workspace_id": qdrant.KeywordIndexParams(is_tenant=True),
        "updated_at": qdrant.PayloadSchemaType.Datetime,
    }
    for name, schema in (schemas | dict.fromkeys(KEYWORD_FIELDS, qdrant.PayloadSchemaType.Keyword)).items():
        shard.update(qdrant.UpdateOperation.create_field_index(name, schema))
    shard.flush()
    shard.close()
    unfinished.rename(folder)


def _floats(vector: bytes) -> list[float]:
    numbers = array("f")
    numbers.frombytes(vector)
    return numbers.tolist()


def _fusion() -> Any:  # the stubs do not know that Rrf is a Fusion
    return qdrant.Fusion.Rrf(k=RRF_K)


def _scores(found: Iterable[Any]) -> dict[str, float]:
    return {str(point.id): float(point.score) for point in found}


def _any_of(field: str, values: Sequence[str]) -> Any:
    return qdrant.FieldCondition(field, match=qdrant.MatchAny(list(values)))


def _conditions(
    principals: list[str], sources: list[str], after: str | None, before: str | None
) -> list[Any]:
    conditions = [_any_of("access", principals)]
    if sources:
        conditions.append(_any_of("source", sources))
    if after is not None or before is not None:
        span = qdrant.RangeDateTime(gte=after, lt=before)
        conditions.append(qdrant.FieldCondition("updated_at", range=span))
    return conditions


def _filter(workspace_id: str, conditions: list[Any], *, keep: Sequence[str] = ()) -> Any:
    workspace = qdrant.FieldCondition("workspace_id", match=qdrant.MatchValue(workspace_id))
    must_not: list[Any] | None = [qdrant.HasIdCondition(set(keep))] if keep else None
    return qdrant.Filter(must=[workspace, *conditions], must_not=must_not)


def _files(folder: Path) -> Iterable[Path]:
    return (path for path in folder.rglob("*") if path.is_file())
