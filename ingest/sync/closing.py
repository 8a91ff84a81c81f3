"""The end of a run: prune what the source no longer lists, count, and say honestly whether it is complete."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from sqlalchemy import update
from sqlmodel import Session, col, delete

from app.core.db import Database
from app.core.errors import RungError
from ingest.connector import Connector
from ingest.sync.claims import Claim, Counts
from ingest.sync.holdings import Held, Holdings
from ingest.sync.runs import FailureNote, Runs
from ingest.sync.store import any_index
from ingest.tables import DocumentRow
from retrieval.index import Index

_PRUNE_AT_ONCE = 200
_NAMED = 3


@dataclass(frozen=True, slots=True)
class SyncSummary:
    """How a run ended. `complete` means that what the source lists is held, failed or was passed over."""

    run_id: str
    source_name: str
    state: Literal["complete", "incomplete"]
    message: str
    counts: Counts
    failures: tuple[FailureNote, ...] = field(default=())
    resumed: bool = False


class Closing:
    """Ends one run."""

    def __init__(
        self,
        database: Database,
        index: Index,
        runs: Runs,
        claim: Claim,
        require_index: Callable[[Session], None] = any_index,
    ) -> None:
        self._database = database
        self._index = index
        self._runs = runs
        self._claim = claim
        self._require_index = require_index
        self._holdings = Holdings(database, claim.source)

    def close(self, connector: Connector, counts: Counts, *, allow_empty: bool) -> SyncSummary:
        """Prunes, compares, and stores the run as `complete` or `incomplete`."""
        listed, problem = self._listed(connector, allow_empty)
        if listed is not None:
            self._prune(self._holdings.not_in(listed), counts)
        if self._claim.kind == "full" and listed is not None:
            self._runs.forget_failures_not_met(self._claim)
        failures = self._runs.failures(self._claim.run_id)
        counts.failed = sum(not note.skipped for note in failures)
        counts.skipped = len(failures) - counts.failed
        held = self._holdings.complete_ids()
        counts.listed, counts.held = len(listed or ()), len(held)
        missing = sorted((listed or set()) - held - {note.external_id for note in failures})
        if missing:
            problem = _missing(missing)
        message = describe(counts, problem)
        # What a run calls complete also outlives a power cut.
        self._index.flush()
        state: Literal["complete", "incomplete"] = "incomplete" if problem else "complete"
        self._runs.finish(self._claim, state, message, counts)
        self._runs.forget_old(self._claim.source.id)
        return SyncSummary(
            run_id=self._claim.run_id,
            source_name=self._claim.source.name,
            state=state,
            message=message,
            counts=counts,
            failures=tuple(failures),
            resumed=self._claim.resumed,
        )

    def _listed(self, connector: Connector, allow_empty: bool) -> tuple[set[str] | None, str]:
        try:
            listed = set(connector.list_ids())
        except RungError as error:
            return None, f"{error.message} Nothing was removed."
        held = len(self._holdings.complete_ids())
        if held and not listed and not allow_empty:
            return None, (
                f"The source lists nothing, but {held:,} documents of it are held. Nothing was removed; "
                "if it is really empty, remove the source."
            )
        return listed, ""

    def _prune(self, gone: Sequence[Held], counts: Counts) -> None:
        for part in _parts(gone, _PRUNE_AT_ONCE):
            ids = [held.id for held in part]
            # The index before the rows: a row that is left over is found again, a chunk without one never.
            # Marked first, so that a document which comes back after a death here does not look indexed.
            with self._database.write() as session:
                session.execute(
                    update(DocumentRow).where(col(DocumentRow.id).in_(ids)).values(state="indexing")
                )
            self._index.delete_documents(self._claim.source.workspace_id, ids)
            counts.deleted += len(ids)
            with self._database.write() as session:
                self._require_index(session)
                session.execute(delete(DocumentRow).where(col(DocumentRow.id).in_(ids)))
                self._runs.save(session, self._claim, counts, None, ())


def _parts(items: Sequence[Held], size: int) -> Iterator[Sequence[Held]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _missing(missing: Sequence[str]) -> str:
    named = ", ".join(missing[:_NAMED]) + (", …" if len(missing) > _NAMED else "")
    return f"{len(missing):,} listed {_plural(len(missing), 'item')} not taken in ({named}); sync again."


def describe(counts: Counts, problem: str) -> str:
    """A run's end in a sentence or two."""
    failed = f" with {counts.failed:,} {_plural(counts.failed, 'failure')}" if counts.failed else ""
    parts = [f"{counts.held:,} {_plural(counts.held, 'document')} held"]
    for number, words in (
        (counts.upserted, "new or changed"),
        (counts.unchanged, "unchanged"),
        (counts.deleted, "removed"),
        (counts.access_changed, "with a new access list"),
        (counts.skipped, "of other formats passed over"),
    ):
        if number:
            parts.append(f"{number:,} {words}")
    if counts.chunks_embedded:
        parts.append(f"{counts.chunks_embedded:,} {_plural(counts.chunks_embedded, 'chunk')} embedded")
    else:
        parts.append("nothing embedded")
    start = f"Incomplete{failed}: {problem} " if problem else f"Complete{failed}: "
    return f"{start}{', '.join(parts)}."


def _plural(number: int, word: str) -> str:
    return word if number == 1 else f"{word}s"
