"""The index on this machine: Qdrant's embedded engine, reached through its own small process."""

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from app.core.identity import AccessList
from retrieval.index import wire
from retrieval.index.client import EngineClient
from retrieval.index.points import Scored, by_access_list, passage_of, payload_of, time_text
from retrieval.index.protocol import Hit, IndexQuery, IndexStats, Point, Vector
from retrieval.index.sparse import encode_document, encode_query

_BATCH = 128
"""Points in one message: a search waits for one message at most."""

IDENTITY_FILE = "vectors.json"
_FILES = frozenset(
    {IDENTITY_FILE, "engine.lock", "start.lock", "engine.sock", "engine.log", "engine.log.1", "vectors.new"}
)
_FOLDERS = frozenset({"shard", "shard.new"})


class EdgeIndex:
    """Implements `Index` for one data folder. Any number of processes may have one open at once.

    Args:
        data_dir: the folder that holds all state; the index lives in `index/` inside it.
        embedder: the name of the encoder whose vectors the index holds.
        dimensions: the length of a vector.
        generation: the folder inside `index/` of an index that is not the first one.
        idle_seconds: how long the engine stays after the last client has gone.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        embedder: str,
        dimensions: int,
        generation: str = "",
        idle_seconds: float = 20.0,
    ) -> None:
        self._dimensions = dimensions
        self._folder = wire.index_folder(data_dir.resolve(), generation)
        self._engine = EngineClient(
            data_dir,
            embedder=embedder,
            dimensions=dimensions,
            generation=generation,
            idle_seconds=idle_seconds,
        )

    def upsert(self, points: Sequence[Point]) -> None:
        for batch in _batches(points):
            self._engine.call("upsert", points=[self._stored(point) for point in batch])

    def update_payload(self, points: Sequence[Point]) -> None:
        for batch in _batches(points):
            self._engine.call("update_payload", payloads=[(point.id, payload_of(point)) for point in batch])

    def set_access(self, workspace_id: str, access: Mapping[str, AccessList]) -> None:
        if access:
            self._engine.call("set_access", workspace_id=workspace_id, lists=by_access_list(access))

    def present(self, ids: Sequence[str]) -> set[str]:
        return set(self._engine.call("present", ids=list(ids))) if ids else set()

    def keep_only(self, workspace_id: str, document_id: str, ids: Sequence[str]) -> None:
        self._engine.call("keep_only", workspace_id=workspace_id, document_id=document_id, ids=list(ids))

    def delete_documents(self, workspace_id: str, document_ids: Sequence[str]) -> None:
        if document_ids:
            self._engine.call("delete_documents", workspace_id=workspace_id, document_ids=list(document_ids))

    def search(self, query: IndexQuery) -> list[Hit]:
        if not query.access.principals or query.limit < 1:
            return []
        sparse = encode_query(query.text)
        filters = query.filters
        found = self._engine.call(
            "search",
            vector=self._bytes(query.vector),
            indices=sparse.indices,
            values=sparse.values,
            workspace_id=query.access.workspace_id,
            principals=list(query.access.principals),
            sources=list(filters.sources),
            after=None if filters.after is None else time_text(filters.after),
            before=None if filters.before is None else time_text(filters.before),
            limit=query.limit,
            candidates=max(query.candidates, query.limit),
        )
        return [passage_of(Scored(*row)) for row in found]

    def stats(self) -> IndexStats:
        return IndexStats(**self._engine.call("stats"))

    def flush(self) -> None:
        self._engine.call("flush")

    def vacuum(self) -> None:
        """Gives back the room of replaced and removed chunks now; a quiet engine does it by itself."""
        self._engine.call("vacuum")

    def close(self) -> None:
        self._engine.close()

    def drop(self) -> None:
        """Ends the engine and removes its files, but not the folders of other generations inside."""
        self._engine.stop()
        for path in self._folder.iterdir() if self._folder.exists() else ():
            if path.name in _FILES:
                path.unlink()
            elif path.name in _FOLDERS:
                shutil.rmtree(path)
        if self._folder.exists() and not any(self._folder.iterdir()):
            self._folder.rmdir()

    def _stored(self, point: Point) -> tuple[object, ...]:
        sparse = encode_document(point.embedded_text)
        return point.id, self._bytes(point.vector), sparse.indices, sparse.values, payload_of(point)

    def _bytes(self, vector: Vector) -> bytes:
        if vector.shape != (self._dimensions,):
            raise ValueError(f"a vector of shape {vector.shape} does not fit ({self._dimensions},)")
        return vector.astype(np.float32, copy=False).tobytes()


def stored_identity(data_dir: Path) -> tuple[str, int] | None:
    """The encoder's name and the length of the vectors of the first index there, if there is one."""
    path = wire.index_folder(data_dir) / IDENTITY_FILE
    if not path.exists():
        return None
    stored = json.loads(path.read_text())
    return str(stored["embedder"]), int(stored["dimensions"])


def _batches(points: Sequence[Point]) -> Iterator[Sequence[Point]]:
    return (points[start : start + _BATCH] for start in range(0, len(points), _BATCH))
