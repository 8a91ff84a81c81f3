"""One claim's work, from the source's connector to the end of the run.

Three things happen at once: a thread pulls, parses and chunks; the calling thread embeds; another thread
writes to the index and the database. Each batch is written in order, so the checkpoint is always behind
what is stored.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from sqlmodel import Session

from app.core.clock import Clock
from app.core.config import Settings
from app.core.db import Database
from app.core.errors import ConflictError, UnavailableError
from ingest.connector import Change, Checkpoint, Connector, ConnectorSettings, Failure, ReadContext
from ingest.connectors import connector_type
from ingest.credentials.scrubbing import Scrub, scrubber
from ingest.parsing import Parser
from ingest.parsing.pool import ParserPool
from ingest.remote import RemoteCalls
from ingest.sync.closing import Closing, SyncSummary
from ingest.sync.guards import Repeats
from ingest.sync.records.claims import Claim, Heartbeat
from ingest.sync.records.runs import InterruptedSyncError, Runs
from ingest.sync.reporting import Report
from ingest.sync.workers.queueing import retry_ids
from ingest.sync.writing.holdings import Holdings, stored_access
from ingest.sync.writing.prepare import Barrier, Preparer
from ingest.sync.writing.store import Batch, Store, batches, point_of
from ingest.sync.writing.threads import InOrder, prefetch
from ingest.tables import SourceRow
from retrieval.embedder import Embedder
from retrieval.index import Index, Point

_BATCH_ITEMS = 500
_WAITING_ITEMS = 48


class MakeCalls(Protocol):
    """Makes what a source calls other machines through, at the pace that its connector asks for."""

    def __call__(self, requests_per_second: float | None) -> RemoteCalls: ...


@dataclass(frozen=True, slots=True)
class Turn:
    """How long a run has the worker while others wait for it.

    A run that has not got to a checkpoint of its own by then goes on, at most `stretch` times as long.
    """

    others_wait: Callable[[], bool]
    seconds: float = 20.0
    documents: int = 500
    stretch: float = 10.0


class TurnOverError(InterruptedSyncError):
    """Others wait; the run goes on when its turn comes again."""

    default_code = "sync_turn_over"


@dataclass(frozen=True, slots=True)
class Tools:
    """What every run of an engine works with. See `SyncEngine`."""

    database: Database
    index: Index
    embedder: Embedder
    settings: Settings
    parser: Parser | None
    runs: Runs
    clock: Clock
    index_stands: Callable[[Session], bool]
    settings_of: Callable[[SourceRow], ConnectorSettings]
    make_calls: MakeCalls
    batch_chunks: int
    slice_chunks: int

    def require_index(self, session: Session) -> None:
        """Raises InterruptedSyncError when the index is not the one any more that is searched."""
        if not self.index_stands(session):
            raise InterruptedSyncError(
                "The index was replaced by a newer one during this sync; the next one goes on from here."
            )

    def make_parser(self) -> ParserPool:
        """Parsing processes with the limits of the settings."""
        return ParserPool(
            processes=self.settings.parse_processes,
            timeout_seconds=self.settings.parse_timeout_seconds,
            memory_bytes=self.settings.parse_memory_bytes,
        )


class Work:
    """Does what one claim is for."""

    def __init__(
        self,
        tools: Tools,
        claim: Claim,
        heartbeat: Heartbeat,
        report: Report,
        stop: threading.Event | None,
        turn: Turn | None,
    ) -> None:
        self._tools = tools
        self._claim = claim
        self._heartbeat = heartbeat
        self._report = report
        self._stop = stop
        self._turn = turn
        self._leaving = threading.Event()
        self._repeats = Repeats()
        self._began = time.monotonic()
        self.scrub: Scrub = str
        """Takes the source's secrets out of a text, once they are known."""

    def run(self, *, allow_removal: bool) -> SyncSummary:
        """Passes over the source and closes the run. Raises as `SyncEngine.run` does."""
        tools, claim = self._tools, self._claim
        with ExitStack() as stack:
            connector = self._open()
            stack.callback(connector.close)
            parser = tools.parser or stack.enter_context(tools.make_parser())
            preparer, store = self._preparer(parser), self._store(parser)
            self._tell_total(connector)
            self._report.begin(store.counts)
            if not claim.passed:
                self._pass(connector, preparer, store)
            self._check()
            end = Closing(tools.database, tools.index, tools.runs, claim, tools.require_index)
            return end.close(
                connector,
                store.counts,
                cursor=store.cursor if store.passed and claim.kind != "retry" else None,
                allow_removal=allow_removal,
                problem=self._repeats.problem,
            )

    def _open(self) -> Connector:
        source, settings = self._claim.source, self._tools.settings
        own = self._tools.settings_of(source)
        self.scrub = scrubber(own)
        kind = connector_type(source.kind)
        pace = getattr(own, "requests_per_second", None) or getattr(kind.about, "requests_per_second", None)
        scratch = settings.data_dir / "scratch" / source.id
        scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
        context = ReadContext(
            stored_access(source.default_access),
            settings.max_file_bytes,
            scratch=scratch,
            calls=self._tools.make_calls(pace),
            stopping=self._is_stopping,
        )
        return kind(own, context)

    def _preparer(self, parser: Parser) -> Preparer:
        source = self._claim.source
        fixed = source.access_mode == "fixed"
        return Preparer(
            Holdings(self._tools.database, source),
            parser,
            self._tools.embedder,
            fixed_access=stored_access(source.default_access) if fixed else None,
            removes=self._claim.kind == "retry",
        )

    def _store(self, parser: Parser) -> Store:
        tools = self._tools
        recipe = self._preparer(parser).recipe
        return Store(
            tools.database, tools.index, tools.runs, self._claim, recipe, tools.clock, tools.require_index
        )

    def _is_stopping(self) -> bool:
        stopped = self._stop is not None and self._stop.is_set()
        return stopped or self._leaving.is_set() or self._heartbeat.error is not None

    def _tell_total(self, connector: Connector) -> None:
        claim, runs = self._claim, self._tools.runs
        total = claim.documents_total
        if total is None and claim.kind == "retry":
            total = len(retry_ids(claim.checkpoint))
        elif total is None and claim.kind == "full":
            total = _count(connector) if connector.lists_quickly else runs.last_listing(claim)
        if total != claim.documents_total:
            runs.set_total(claim, total)
        self._report.total = total

    def _changes(self, connector: Connector, preparer: Preparer) -> Iterator[Change]:
        """Failures of earlier runs first, each alone; then what the connector has."""
        claim, runs = self._claim, self._tools.runs
        if claim.kind != "full":
            for name in runs.to_fetch_again(claim):
                yield self._scrubbed(connector.fetch(name))
        if claim.kind == "retry":
            yield Checkpoint(claim.checkpoint, last=True)
        else:
            changes = connector.pull(claim.checkpoint, preparer.known_revision)
            yield from map(self._scrubbed, self._repeats.watch(changes))

    def _scrubbed(self, change: Change) -> Change:
        """A failure's reason is stored and shown; what it says may be another machine's words."""
        if isinstance(change, Failure) and (reason := self.scrub(change.reason)) != change.reason:
            return replace(change, reason=reason)
        return change

    def _pass(self, connector: Connector, preparer: Preparer, store: Store) -> None:
        items = preparer.items(self._changes(connector, preparer))
        documents, tools = 0, self._tools
        with closing(prefetch(items, _WAITING_ITEMS)) as ready, ExitStack() as leaving, preparer:
            # The thread that pulls has to know that it is to end before it is waited for.
            leaving.callback(self._leaving.set)
            with InOrder() as writing:
                for batch in batches(ready, max_chunks=tools.batch_chunks, max_items=_BATCH_ITEMS):
                    if isinstance(batch, Barrier):
                        writing.wait()
                        batch.written.set()
                        continue
                    self._check(writing)
                    self._give_way(documents, store, writing)
                    writing.submit(store.begin, batch)
                    reused = self._embed(batch, store, writing)
                    writing.submit(store.finish, batch, reused)
                    documents += len(batch.items)
                    self._report.finish(batch, store.counts)
                writing.wait()
        self._report.finish(Batch([]), store.counts)

    def _check(self, writing: InOrder | None = None) -> None:
        """Raises when the run has to end here; what is on its way is written first."""
        try:
            self._heartbeat.check()
            if self._stop is not None and self._stop.is_set():
                raise InterruptedSyncError("The sync was interrupted; the next one goes on from here.")
            self._tools.runs.require_wanted(self._claim)
        except ConflictError:
            if writing is not None:
                writing.wait()
            raise

    def _give_way(self, documents: int, store: Store, writing: InOrder) -> None:
        turn = self._turn
        if turn is None:
            return
        used = time.monotonic() - self._began
        if (used < turn.seconds and documents < turn.documents) or not turn.others_wait():
            return
        writing.wait()
        if store.has_moved_on or used >= turn.seconds * turn.stretch:
            raise TurnOverError("Other sources wait; this one goes on when its turn comes again.")

    def _embed(self, batch: Batch, store: Store, writing: InOrder) -> list[Point]:
        """Embeds the chunks that the index has not, and returns those that it has."""
        index, embedder, source = self._tools.index, self._tools.embedder, self._claim.source
        where = {
            chunk_id: (item, chunk)
            for item in batch.new_texts
            for chunk_id, chunk in zip(item.chunk_ids, item.chunks, strict=True)
        }
        if not where:
            return []
        present = index.present(list(where))
        texts = [(chunk.embedded_text, i) for i, (_, chunk) in where.items() if i not in present]
        # Texts of like length together: the encoder pads each group to its longest.
        texts.sort(key=lambda pair: (len(pair[0]), pair[1]))
        for start in range(0, len(texts), self._tools.slice_chunks):
            part = texts[start : start + self._tools.slice_chunks]
            vectors = embedder.embed([text for text, _ in part])
            points = [
                point_of(*where[chunk_id], chunk_id, source, vector)
                for (_, chunk_id), vector in zip(part, vectors, strict=True)
            ]
            writing.submit(store.upsert, points)
            self._report.embedded(batch, len(points), len(texts), store.counts)
        # Payloads alone are rewritten for these, so their vectors are never looked at.
        unread = np.zeros(embedder.dimensions, dtype=np.float32)
        return [point_of(*where[i], i, source, unread) for i in where if i in present]


def _count(connector: Connector) -> int | None:
    try:
        return sum(1 for _ in connector.list_ids())
    except UnavailableError:
        # Only a progress bar needs it here: the pass, or the listing at its end, meets the same error.
        return None
