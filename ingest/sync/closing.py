"""The end of a run: prune what the source no longer lists, count, and say honestly whether it is complete."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from sqlalchemy import update
from sqlmodel import Session, col, delete

from app.core.db import Database
from app.core.errors import RungError
from ingest.connector import Connector
from ingest.remote import SourceWaitError
from ingest.sync.guards import Repeats
from ingest.sync.records.claims import Claim, Counts
from ingest.sync.records.notes import ChangeNote, FailureNote
from ingest.sync.records.runs import Runs
from ingest.sync.writing.holdings import Held, Holdings
from ingest.sync.writing.store import any_index
from ingest.tables import DocumentRow
from retrieval.index import Index

_PRUNE_AT_ONCE = 200
_NAMED = 3
_ALWAYS_REMOVED = 10
"""So many may go without a question, unless they are all there are."""


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


@dataclass(slots=True)
class _Found:
    """What the source lists now, or what it listed before; and why the run is not complete."""

    listed: set[str] | None
    problem: str = ""
    code: str = ""
    listed_before: int | None = None


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

    def close(
        self,
        connector: Connector,
        counts: Counts,
        *,
        cursor: str | None,
        allow_removal: bool,
        problem: str = "",
    ) -> SyncSummary:
        """Prunes, compares, and stores the run as `complete` or `incomplete`.

        Args:
            cursor: where the next pass begins.
            allow_removal: whether as many documents may be removed as are gone, by an admin's leave.
            problem: why the source was not read to its end; nothing is listed and removed then.

        Raises:
            SourceWaitError: the listing has to wait.
        """
        found = self._retried() if self._claim.kind == "retry" else self._passed(connector, problem)
        to_remove = 0
        if found.listed is not None:
            gone = self._holdings.not_in(found.listed)
            to_remove = self._too_many(len(gone), allow_removal)
            if to_remove:
                found.code, found.problem = "removal_needs_confirmation", self._refused(to_remove)
            else:
                self._prune(gone, counts)
            if self._claim.kind == "full":
                self._runs.forget_failures_not_met(self._claim)
            else:
                self._runs.forget_failures_not_listed(self._claim, found.listed)
        failures = self._runs.standing(self._claim.source.id)
        self._compare(found, failures, counts)
        message = describe(counts, found.problem)
        # What a run calls complete also outlives a power cut.
        self._index.flush()
        state: Literal["complete", "incomplete"] = "incomplete" if found.problem else "complete"
        self._runs.finish(
            self._claim,
            state,
            message,
            counts,
            code=found.code,
            to_remove=to_remove,
            cursor=cursor,
            confirmation_used=self._claim.source.prune_confirmed and found.listed is not None,
        )
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

    def _passed(self, connector: Connector, problem: str) -> "_Found":
        if problem:
            return _Found(None, problem, "endless_paging")
        repeats = Repeats()
        try:
            listed = repeats.watch_ids(connector.list_ids())
        except SourceWaitError:
            raise
        except RungError as error:
            return _Found(None, f"{error.message} Nothing was removed.", error.code)
        if repeats.problem:
            return _Found(None, repeats.problem, "endless_paging")
        return _Found(listed)

    def _retried(self) -> "_Found":
        before = self._runs.last_listing(self._claim)
        if before is None:
            return _Found(None, "The source was never read to its end; sync it.", "never_listed")
        return _Found(None, listed_before=before)

    def _compare(self, found: "_Found", failures: Sequence[FailureNote], counts: Counts) -> None:
        counts.failed = sum(not note.skipped for note in failures)
        counts.skipped = len(failures) - counts.failed
        held = self._holdings.complete_ids()
        counts.held = len(held)
        accounted = held | {note.external_id for note in failures}
        if found.listed is not None:
            counts.listed = len(found.listed)
            missing = sorted(found.listed - accounted)
            if missing and not found.problem:
                found.problem, found.code = _missing(missing), "items_missing"
        elif found.listed_before is not None:
            counts.listed = found.listed_before
            if (number := found.listed_before - len(accounted)) > 0:
                found.problem = f"{number:,} listed {_plural(number, 'item')} not taken in; sync again."
                found.code = "items_missing"

    def _too_many(self, gone: int, allowed: bool) -> int:
        """How many documents would go, where an admin has to confirm that."""
        source, held = self._claim.source, self._holdings.count()
        if not gone or allowed or source.prune_confirmed:
            return 0
        many = gone > _ALWAYS_REMOVED and gone > source.prune_share_max * held
        return gone if many or gone == held else 0

    def _refused(self, number: int) -> str:
        held = self._holdings.count()
        what = "nothing" if number == held else f"{number:,} of them no longer"
        return (
            f"The source lists {what}, but {held:,} documents of it are held. Nothing was removed; if they "
            "are really gone there, confirm the removal, else mend the source and sync again."
        )

    def _prune(self, gone: Sequence[Held], counts: Counts) -> None:
        for part in _parts(gone, _PRUNE_AT_ONCE):
            ids = [held.id for held in part]
            # The index before the rows: a row that is left over is found again, a chunk without one never.
            # Marked first, so that a document which comes back after a death here does not look indexed.
            with self._database.write() as session:
                self._runs.keep(session, self._claim)
                session.execute(
                    update(DocumentRow).where(col(DocumentRow.id).in_(ids)).values(state="indexing")
                )
            self._index.delete_documents(self._claim.source.workspace_id, ids)
            counts.deleted += len(ids)
            with self._database.write() as session:
                self._require_index(session)
                session.execute(delete(DocumentRow).where(col(DocumentRow.id).in_(ids)))
                notes = [ChangeNote(held.external_id, "removed", held.title) for held in part]
                gone_ids = {held.external_id for held in part}
                self._runs.save(session, self._claim, counts, None, (), taken_in=gone_ids, changes=notes)


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
