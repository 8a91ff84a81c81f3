"""One pass over a source, from its connector to the index: the sync run.

Three things happen at once: a thread pulls, parses and chunks; the calling thread embeds; another thread
writes to the index and the database. Each batch is written in order, so the checkpoint is always behind
what is stored.
"""

import threading
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

import numpy as np
import structlog
from sqlmodel import Session

from app.core.clock import Clock, utc_now
from app.core.config import Settings
from app.core.db import Database
from app.core.errors import RungError, UnavailableError
from app.core.identity import DEFAULT_WORKSPACE_ID
from ingest.connector import Connector, ReadContext
from ingest.connectors import make_connector
from ingest.parsing import Parser
from ingest.parsing.pool import ParserPool
from ingest.sync.claims import Claim, Counts, Heartbeat
from ingest.sync.closing import Closing, SyncSummary
from ingest.sync.holdings import Holdings, stored_access
from ingest.sync.prepare import Item, Preparer
from ingest.sync.runs import CancelledError, InterruptedSyncError, Runs
from ingest.sync.store import Batch, Store, batches, point_of
from ingest.sync.threads import InOrder, prefetch
from retrieval.embedder import Embedder
from retrieval.index import Index, Point

T = TypeVar("T")
BATCH_CHUNKS = 256
_BATCH_ITEMS = 500
SLICE_CHUNKS = 64
_WAITING_ITEMS = 48
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class SyncProgress:
    """How far a run is. `documents_total` is unknown where a listing would cost too much."""

    source_name: str
    documents_done: int
    documents_total: int | None
    counts: Counts


ReportProgress = Callable[[SyncProgress], None]


class SyncEngine:
    """Runs syncs, one source at a time in a thread of the caller's.

    Args:
        settings: only the limits of parsing are read.
        parser: for tests; by default parsing processes are started for each run.
        index_stands: tells in a transaction whether the index is still the one that is searched; a run under
            way when it is not is left to be resumed with the new one.
    """

    def __init__(
        self,
        database: Database,
        index: Index,
        embedder: Embedder,
        settings: Settings,
        *,
        parser: Parser | None = None,
        index_stands: Callable[[Session], bool] = lambda _: True,
        clock: Clock = utc_now,
    ) -> None:
        self._database = database
        self._index = index
        self._embedder = embedder
        self._settings = settings
        self._parser = parser
        self._index_stands = index_stands
        self._clock = clock
        self._runs = Runs(database, clock)

    def run(
        self,
        source_name: str,
        progress: ReportProgress | None = None,
        *,
        workspace_id: str = DEFAULT_WORKSPACE_ID,
        allow_empty: bool = False,
        again: bool = False,
        stop: threading.Event | None = None,
    ) -> SyncSummary:
        """Syncs a source; a run that died on it is taken up where it was.

        Args:
            progress: called in this thread after each step.
            allow_empty: take an empty listing at its word and remove everything.
            again: read every document, also those that are held unchanged; mends an index that was lost.
            stop: when it is set, the run ends after the batch it is at and is left to be resumed.

        Raises:
            NotFoundError: `no_such_source`.
            ConflictError: `sync_running`; `claim_lost` when another process took over; `sync_cancelled`;
                `sync_interrupted` after `stop`.
            UnavailableError: the source or the index does not answer. The run is stored as failed.
        """
        claim = self._runs.claim(workspace_id, source_name)
        report = _Report(source_name, progress)
        try:
            with Heartbeat(lambda: self._runs.beat(claim)) as heartbeat:
                check = partial(_check, heartbeat, stop)
                counts, connector = self._work(claim, report, check, again)
                check()
                closing_run = Closing(self._database, self._index, self._runs, claim, self._require_index)
                return closing_run.close(connector, counts, allow_empty=allow_empty)
        except InterruptedSyncError:
            self._runs.release(claim)
            raise
        except CancelledError as error:
            self._runs.finish(claim, "cancelled", error.message, None)
            raise
        except Exception as error:
            message = error.message if isinstance(error, RungError) else f"{type(error).__name__}: {error}"
            _log.error("sync_failed", source=source_name, run_id=claim.run_id, reason=message)
            self._runs.finish(claim, "failed", message, None)
            raise
        except BaseException:
            # Interrupted from outside: the run is left open, so that the next one resumes it.
            self._runs.release(claim)
            raise

    def _work(
        self, claim: Claim, report: "_Report", check: Callable[[], None], again: bool
    ) -> tuple[Counts, Connector]:
        source = claim.source
        context = ReadContext(stored_access(source.default_access), self._settings.max_file_bytes)
        connector = make_connector(source.kind, source.settings, context)
        report.total = _count(connector)
        parser = self._parser or ParserPool(
            processes=self._settings.parse_processes,
            timeout_seconds=self._settings.parse_timeout_seconds,
            memory_bytes=self._settings.parse_memory_bytes,
        )
        try:
            preparer = Preparer(Holdings(self._database, source), parser, self._embedder, again=again)
            store = Store(
                self._database,
                self._index,
                self._runs,
                claim,
                preparer.recipe,
                self._clock,
                self._require_index,
            )
            report.begin(store.counts)
            if not claim.passed:
                changes = connector.pull(claim.checkpoint, preparer.known_revision)
                self._pass(claim, preparer.items(changes), store, report, check)
            return store.counts, connector
        finally:
            if self._parser is None:
                parser.close()

    def _require_index(self, session: Session) -> None:
        if not self._index_stands(session):
            raise InterruptedSyncError(
                "The index was replaced by a newer one during this sync; the next one goes on from here."
            )

    def _pass(
        self, claim: Claim, items: Iterable[Item], store: Store, report: "_Report", check: Callable[[], None]
    ) -> None:
        with (
            closing(prefetch(items, _WAITING_ITEMS)) as ready,
            InOrder() as writing,
        ):
            for batch in batches(ready, max_chunks=BATCH_CHUNKS, max_items=_BATCH_ITEMS):
                check()
                writing.submit(store.begin, batch)
                reused = self._embed(claim, batch, store, writing, report)
                writing.submit(store.finish, batch, reused)
                report.finish(batch, store.counts)
            writing.wait()
        report.finish(Batch([]), store.counts)

    def _embed(
        self, claim: Claim, batch: Batch, store: Store, writing: "InOrder", report: "_Report"
    ) -> list[Point]:
        """Embeds the chunks that the index has not, and returns those that it has."""
        where = {
            chunk_id: (item, chunk)
            for item in batch.new_texts
            for chunk_id, chunk in zip(item.chunk_ids, item.chunks, strict=True)
        }
        if not where:
            return []
        present = self._index.present(list(where))
        texts = [(chunk.embedded_text, i) for i, (_, chunk) in where.items() if i not in present]
        # Texts of like length together: the encoder pads each group to its longest.
        texts.sort(key=lambda pair: (len(pair[0]), pair[1]))
        for start in range(0, len(texts), SLICE_CHUNKS):
            part = texts[start : start + SLICE_CHUNKS]
            vectors = self._embedder.embed([text for text, _ in part])
            points = [
                point_of(*where[chunk_id], chunk_id, claim.source, vector)
                for (_, chunk_id), vector in zip(part, vectors, strict=True)
            ]
            writing.submit(store.upsert, points)
            report.embedded(batch, len(points), len(texts), store.counts)
        # Payloads alone are rewritten for these, so their vectors are never looked at.
        unread = np.zeros(self._embedder.dimensions, dtype=np.float32)
        return [point_of(*where[i], i, claim.source, unread) for i in where if i in present]


def _check(heartbeat: Heartbeat, stop: threading.Event | None) -> None:
    heartbeat.check()
    if stop is not None and stop.is_set():
        raise InterruptedSyncError("The sync was interrupted; the next one goes on from here.")


def _count(connector: Connector) -> int | None:
    if not connector.lists_quickly:
        return None
    try:
        return sum(1 for _ in connector.list_ids())
    except UnavailableError:
        # Only a progress bar needs it here: the pass, or the listing at its end, meets the same error.
        return None


class _Report:
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
