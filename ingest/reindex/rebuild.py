"""Builds the next generation of the index from the stored texts, and switches over to it.

It copies what differs until nothing does; the last look and the switch are one transaction. Killed anywhere,
the next process goes on with what is not copied yet. No source is asked for anything.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import structlog

from app.core.db import Database
from app.core.errors import ConflictError, RungError
from ingest.reindex import differences
from ingest.reindex.copying import Copier
from ingest.reindex.tables import CopyRow
from retrieval.generations import Generation, LiveIndex
from retrieval.generations.registry import new_holder

_LOOK_EVERY_SECONDS = 10.0
_AFTER_A_FAILURE_SECONDS = 60.0
_LISTED = 512
BATCH_CHUNKS = 256
_BATCH_DOCUMENTS = 64
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class ReindexStatus:
    """How far the re-indexing is that is under way or due. `message` is a sentence for admins."""

    documents_done: int
    documents_total: int
    working: bool
    message: str

    @property
    def percent(self) -> int:
        return 100 * self.documents_done // self.documents_total if self.documents_total else 0


ReportReindex = Callable[[ReindexStatus], None]


class Reindexer:
    """Keeps the index as the settings and this version of the chunker want it."""

    def __init__(self, database: Database, live: LiveIndex) -> None:
        self._database = database
        self._live = live
        self._generations = live.generations

    def status(self) -> ReindexStatus | None:
        """How far it is; nothing where the index is up to date."""
        current, building = self._generations.current(), self._generations.building()
        if building is None and current.recipe.text == self._generations.wanted.text:
            return None
        if building is None:
            with self._database.read() as session:
                _, total = differences.progress(session, 0)
            return _status(current, 0, total, working=False)
        working = self._generations.is_worked_on(building.number)
        return _status(current, building.documents_done, building.documents_total, working=working)

    def run(self, stop: threading.Event, report: ReportReindex | None = None) -> bool:
        """Builds what is due and switches over; tells whether the index is up to date then.

        Args:
            stop: when it is set, the building ends after the batch it is at; it is gone on with later.

        Raises:
            ConflictError: `reindex_running`, when another process does it; `claim_lost`.
            ConfigurationError: the encoder that the settings ask for cannot be loaded.
            UnavailableError: the index does not answer.
        """
        generation = self._generations.begin()
        if generation is None:
            return True
        holder = new_holder()
        if not self._generations.claim(generation.number, holder):
            raise ConflictError("Another process is re-indexing; wait for it.", code="reindex_running")
        try:
            return _Building(self, generation, holder, stop, report).build()
        finally:
            self._generations.release(generation.number, holder)

    def tidy(self) -> None:
        """Removes generations that nobody searches any more."""
        self._generations.let_go()
        for generation in self._generations.to_drop():
            self._live.remove(generation)
            with self._database.write() as session:
                differences.forget_copies(session, generation.number)
            self._generations.dropped(generation.number)
            _log.info("index_generation_removed", generation=generation.number)

    def watch(self, stop: threading.Event) -> None:
        """Does what is due, again and again, until `stop` is set: for a thread of a worker."""
        while not stop.wait(_LOOK_EVERY_SECONDS):
            try:
                self.tidy()
                self._run_and_tell(stop)
            except RungError as error:
                if error.code != "reindex_running":
                    _log.warning("reindex_not_done", code=error.code, reason=error.message)
                stop.wait(_AFTER_A_FAILURE_SECONDS)
            except Exception:  # noqa: BLE001 - logged; the next look tries again
                _log.exception("reindex_crashed")
                stop.wait(_AFTER_A_FAILURE_SECONDS)

    def _run_and_tell(self, stop: threading.Event) -> None:
        before = self._generations.current().number
        if self.run(stop) and (current := self._generations.current()).number != before:
            _log.info("reindex_done", generation=current.number, embedder=current.recipe.embedder)


class _Building:
    """One process' work on one generation."""

    def __init__(
        self,
        owner: Reindexer,
        generation: Generation,
        holder: str,
        stop: threading.Event,
        report: ReportReindex | None,
    ) -> None:
        self._database = owner._database
        self._generations = owner._generations
        self._owner = owner
        self._generation = generation
        self._holder = holder
        self._stop = stop
        self._report = report
        self._pair = owner._live.of(generation)
        self._copier = Copier(self._database, self._pair)

    def build(self) -> bool:
        while not self._stop.is_set():
            self._copy_all()
            self._remove_left_over()
            if self._stop.is_set():
                break
            # What is switched over to also outlives a power cut.
            self._pair.index.flush()
            if self._switch():
                return True
        return False

    def _copy_all(self) -> None:
        """One pass over all documents that are not there as they are now."""
        after = ""
        while not self._stop.is_set():
            with self._database.read() as session:
                found = differences.lacking(session, self._generation.number, after, _LISTED)
            if not found:
                return
            for ids in _batches(found):
                copies = self._copier.copy(ids)
                self._note(copies)
                if self._stop.is_set():
                    return
            after = found[-1][0]

    def _note(self, copies: Sequence[CopyRow]) -> None:
        number = self._generation.number
        with self._database.write() as session:
            differences.write_copies(session, copies)
            session.flush()
            progress = differences.progress(session, number)
            self._generations.keep(session, number, self._holder, progress)
        if self._report is not None and (status := self._owner.status()) is not None:
            self._report(status)

    def _remove_left_over(self) -> None:
        number = self._generation.number
        while True:
            with self._database.read() as session:
                gone = differences.left_over(session, number, _LISTED)
            if not gone:
                return
            for workspace_id in {workspace_id for workspace_id, _ in gone}:
                ids = [document_id for of, document_id in gone if of == workspace_id]
                self._pair.index.delete_documents(workspace_id, ids)
            with self._database.write() as session:
                differences.forget_copies(session, number, [document_id for _, document_id in gone])
                self._generations.keep(session, number, self._holder, None)

    def _switch(self) -> bool:
        number = self._generation.number
        with self._database.write() as session:
            self._generations.hold(session)
            if not differences.is_whole(session, number):
                return False
            self._generations.keep(session, number, self._holder, differences.progress(session, number))
            differences.take_chunk_counts(session, number)
            differences.forget_copies(session, number)
            self._generations.switch(session, number)
        return True


def _batches(found: Sequence[tuple[str, int]]) -> Iterator[list[str]]:
    ids: list[str] = []
    chunks = 0
    for document_id, count in found:
        ids.append(document_id)
        chunks += count
        if chunks >= BATCH_CHUNKS or len(ids) >= _BATCH_DOCUMENTS:
            yield ids
            ids, chunks = [], 0
    if ids:
        yield ids


def _status(current: Generation, done: int, total: int, *, working: bool) -> ReindexStatus:
    share = 100 * done // total if total else 0
    if working:
        how = "A new index is being made beside it"
    else:
        how = "A new one is due; a worker makes it, or `python -m app reindex`"
    return ReindexStatus(
        done,
        total,
        working,
        f"Re-indexing, {share}%: {done:,} of {total:,} documents. Searches use the index made with "
        f"{current.recipe.embedder}. {how}; searching changes over when it is whole.",
    )
