"""An exact index in memory. It passes the same contract as the real ones and needs no process."""

import math
import threading
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from app.core.identity import AccessList
from retrieval.index.protocol import RRF_K, Hit, IndexQuery, IndexStats, Point, Vector
from retrieval.passage import Passage, SearchFilters
from tests.fakes.embedder import fold_words

_STOP_WORDS = frozenset({"a", "and", "are", "for", "in", "is", "of", "on", "or", "the", "to"})


class MemoryIndex:
    """Cosine and BM25 over every point, fused by reciprocal rank. `points` is open for tests to look at."""

    def __init__(self) -> None:
        self.points: dict[str, Point] = {}
        self.upserts = 0
        self._lock = threading.RLock()

    def upsert(self, points: Sequence[Point]) -> None:
        with self._lock:
            self.upserts += len(points)
            self.points.update((point.id, point) for point in points)

    def update_payload(self, points: Sequence[Point]) -> None:
        with self._lock:
            for point in points:
                if point.id in self.points:
                    stored = self.points[point.id]
                    self.points[point.id] = replace(
                        point, vector=stored.vector, embedded_text=stored.embedded_text
                    )

    def set_access(self, workspace_id: str, access: Mapping[str, AccessList]) -> None:
        with self._lock:
            for point in list(self.points.values()):
                if point.workspace_id == workspace_id and point.document_id in access:
                    self.points[point.id] = replace(point, access=access[point.document_id])

    def present(self, ids: Sequence[str]) -> set[str]:
        with self._lock:
            return set(ids) & self.points.keys()

    def keep_only(self, workspace_id: str, document_id: str, ids: Sequence[str]) -> None:
        with self._lock:
            for point in list(self.points.values()):
                of_document = (point.workspace_id, point.document_id) == (workspace_id, document_id)
                if of_document and point.id not in ids:
                    del self.points[point.id]

    def delete_documents(self, workspace_id: str, document_ids: Sequence[str]) -> None:
        for document_id in document_ids:
            self.keep_only(workspace_id, document_id, ())

    def search(self, query: IndexQuery) -> list[Hit]:
        with self._lock:
            points = [point for point in self.points.values() if _visible(point, query)]
            everything = list(self.points.values())
        dense = {p.id: float(np.dot(_unit(p.vector), _unit(query.vector))) for p in points}
        sparse = _bm25(query.text, points, everything)
        fused: defaultdict[str, float] = defaultdict(float)
        dense, sparse = (_best(scores, max(query.candidates, query.limit)) for scores in (dense, sparse))
        for listed in (dense, sparse):
            for rank, chunk_id in enumerate(listed):
                fused[chunk_id] += 1 / (RRF_K + rank)
        by_id = {point.id: point for point in points}
        best = sorted(fused, key=lambda i: (-fused[i], -dense.get(i, -1), i))[: query.limit]
        return [_passage(by_id[i], fused[i], dense.get(i), sparse.get(i)) for i in best]

    def stats(self) -> IndexStats:
        return IndexStats(points=len(self.points), disk_bytes=None)

    def flush(self) -> None: ...

    def close(self) -> None: ...

    def drop(self) -> None:
        self.points.clear()


def _visible(point: Point, query: IndexQuery) -> bool:
    allowed = {str(principal) for principal in point.access} & set(query.access.principals)
    return (
        point.workspace_id == query.access.workspace_id and bool(allowed) and _matches(point, query.filters)
    )


def _matches(point: Point, filters: SearchFilters) -> bool:
    if filters.sources and point.source not in filters.sources:
        return False
    if filters.after is None and filters.before is None:
        return True
    if point.updated_at is None:
        return False
    return (filters.after is None or point.updated_at >= filters.after) and (
        filters.before is None or point.updated_at < filters.before
    )


def _best(scores: dict[str, float], count: int) -> dict[str, float]:
    return {i: scores[i] for i in sorted(scores, key=lambda i: (-scores[i], i))[:count]}


def _unit(vector: Vector) -> Vector:
    return (vector / (np.linalg.norm(vector) or 1.0)).astype(np.float32)


def _bm25(text: str, points: list[Point], everything: list[Point]) -> dict[str, float]:
    counts = {point.id: Counter(fold_words(point.embedded_text)) for point in everything}
    found: dict[str, float] = {}
    for point in points:
        score = 0.0
        for word in set(fold_words(text)) - _STOP_WORDS:
            frequency = counts[point.id][word]
            if frequency:
                n = sum(1 for other in counts.values() if word in other)
                idf = math.log(1 + (len(counts) - n + 0.5) / (n + 0.5))
                score += idf * frequency * 2.2 / (frequency + 1.2)
        if score > 0:
            found[point.id] = score
    return found


def _passage(point: Point, score: float, dense: float | None, sparse: float | None) -> Passage:
    return Passage(
        chunk_id=point.id,
        document_id=point.document_id,
        title=point.title,
        heading_path=point.heading_path,
        text=point.text,
        start=point.start,
        end=point.end,
        source=point.source,
        url=point.url,
        author=point.author,
        updated_at=point.updated_at,
        score=score,
        dense_score=dense,
        sparse_score=sparse,
        page=point.page,
        page_breaks=point.page_breaks,
        sections=point.sections,
        language=point.language,
    )
