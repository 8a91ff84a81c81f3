"""How far a run is, told while it goes on."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from ingest.sync.records.claims import Counts
from ingest.sync.writing.store import Batch


@dataclass(frozen=True, slots=True)
class SyncProgress:
    """How far a run is. `documents_total` is unknown where a listing would cost too much."""

    source_name: str
    documents_done: int
    documents_total: int | None
    counts: Counts


ReportProgress = Callable[[SyncProgress], None]


class Report:
    """Keeps count of documents and calls the caller's progress function."""

    def __init__(self, source_name: str, progress: ReportProgress | None) -> None:
        self._source_name = source_name
        self._progress = progress
        self._done = 0.0
        self._in_batch = 0.0
        self.total: int | None = None

    def begin(self, counts: Counts) -> None:
        self._done = counts.upserted + counts.unchanged + counts.failed + counts.skipped
        self._call(counts)

    def embedded(self, batch: Batch, chunks: int, of: int, counts: Counts) -> None:
        self._in_batch += len(batch.items) * chunks / of
        self._call(counts)

    def finish(self, batch: Batch, counts: Counts) -> None:
        self._done += sum(not hasattr(item, "state") for item in batch.items)
        self._in_batch = 0.0
        self._call(counts)

    def _call(self, counts: Counts) -> None:
        if self._progress is not None:
            done = int(self._done + self._in_batch)
            if self.total is not None:
                done = min(done, self.total)
            self._progress(SyncProgress(self._source_name, done, self.total, replace(counts)))
