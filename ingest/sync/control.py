"""What people do to syncs: start, pause, resume, cancel, try failures again; and how far a run is.

Nothing is read here: what is wanted is noted in the database, where a worker finds it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session, col, func, select

from app.core.audit import AuditLog, Detail
from app.core.clock import Clock, utc_now
from app.core.db import Database
from app.core.errors import ConflictError, NotFoundError
from app.core.identity import DEFAULT_WORKSPACE_ID
from ingest.sync.records.claims import is_held
from ingest.sync.records.runs import FailureNote, find_source
from ingest.sync.workers import queueing
from ingest.sync.workers.queueing import PRIORITY_PERSON, PRIORITY_SCHEDULE
from ingest.tables import ChangeRow, FailureRow, SourceRow, SyncRunRow, WorkerRow

__all__ = [
    "PRIORITY_PERSON",
    "PRIORITY_SCHEDULE",
    "DocumentChange",
    "FailureGroup",
    "Progress",
    "SyncControl",
]
_LATEST = 5
_NAMED_IDS = 20


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the open run of a source is. What cannot be told yet is `None`."""

    run_id: str
    state: str
    documents_done: int
    documents_total: int | None
    documents_per_second: float | None
    chunks_per_second: float | None
    seconds_left: float | None
    reason: str
    resume_at: datetime | None


@dataclass(frozen=True, slots=True)
class FailureGroup:
    """The failures of a source that have one cause. `reason` is that of the latest."""

    code: str
    reason: str
    skipped: bool
    count: int
    latest: tuple[FailureNote, ...]


@dataclass(frozen=True, slots=True)
class DocumentChange:
    """What a run did to one document: `new`, `changed`, `moved`, `removed` or `access`."""

    external_id: str
    kind: str
    title: str
    at: datetime


class SyncControl:
    """The wishes of people about syncs.

    Args:
        audit: notes who wished what.
    """

    def __init__(self, database: Database, audit: AuditLog, clock: Clock = utc_now) -> None:
        self._database = database
        self._audit = audit
        self._clock = clock

    def start(
        self,
        name: str,
        *,
        actor: str,
        again: bool = False,
        whole: bool = False,
        priority: int = PRIORITY_PERSON,
        workspace_id: str = DEFAULT_WORKSPACE_ID,
    ) -> str:
        """Notes that a run is wanted; one that waits already is that one, and gets the higher priority.

        Args:
            again: go over everything and index each document anew, whatever is held of it.
            whole: go over everything; a run that has begun already does not count as that.

        Raises:
            NotFoundError: `no_such_source`.
            ConflictError: `source_paused`, `source_not_ready` for one that is not set up yet.
        """
        with self._database.write() as session:
            source = find_source(session, workspace_id, name)
            queueing.require_active(source)
            run = queueing.queue(
                session, source, self._clock(), asked_by=actor, priority=priority, whole=whole or again
            )
            if again:
                queueing.forget_what_was_made(session, source)
            self._note(session, actor, "sync.started", source, {"run": run.id, "again": again})
            return run.id

    def pause(self, name: str, *, actor: str, workspace_id: str = DEFAULT_WORKSPACE_ID) -> None:
        """Stops syncing a source until `resume`: a run under way ends after its batch and keeps its place.

        Raises:
            NotFoundError: `no_such_source`.
            ConflictError: `source_not_ready` for one that is not set up yet.
        """
        with self._database.write() as session:
            source = find_source(session, workspace_id, name)
            if source.state == "draft":
                queueing.require_active(source)
            now = self._clock()
            source.state = "paused"
            session.add(source)
            held = is_held(source, now)
            for run in queueing.open_runs(session, source.id):
                if run.state == "running" and held:
                    run.pause_requested = True
                else:
                    run.state, run.heartbeat_at = "paused", now
                session.add(run)
            self._note(session, actor, "source.paused", source)

    def resume(self, name: str, *, actor: str, workspace_id: str = DEFAULT_WORKSPACE_ID) -> None:
        """Lets a paused source be synced again; a run that was under way goes on where it was."""
        with self._database.write() as session:
            source = find_source(session, workspace_id, name)
            if source.state != "paused":
                return
            source.state = "active"
            session.add(source)
            for run in queueing.open_runs(session, source.id):
                run.pause_requested = False
                if run.state == "paused":
                    run.state, run.resume_at, run.code, run.message = "queued", None, "", ""
                session.add(run)
            self._note(session, actor, "source.resumed", source)

    def cancel(self, run_id: str, *, actor: str, workspace_id: str = DEFAULT_WORKSPACE_ID) -> None:
        """Ends a run after its batch; the next one begins anew. Raises NotFoundError `no_such_run`."""
        with self._database.write() as session:
            run = session.get(SyncRunRow, run_id)
            if run is None or run.workspace_id != workspace_id:
                raise NotFoundError(f"There is no sync run {run_id}.", code="no_such_run")
            if run.finished_at is not None:
                return
            source = session.get_one(SourceRow, run.source_id)
            now = self._clock()
            run.cancel_requested = True
            if run.state != "running" or not is_held(source, now):
                run.state, run.finished_at = "cancelled", now
                run.message = "Cancelled; the next sync begins anew."
            session.add(run)
            self._note(session, actor, "sync.cancelled", source, {"run": run_id})

    def retry(
        self,
        name: str,
        *,
        actor: str,
        external_ids: Sequence[str] | None = None,
        code: str | None = None,
        workspace_id: str = DEFAULT_WORKSPACE_ID,
    ) -> str:
        """Notes that failures are to be tried again alone: these ids, those of a code, or all.

        What was passed over is only tried again when it is named, by its id or its code.

        Raises:
            NotFoundError: `no_such_source`; `no_such_failure` where nothing of the kind stands against it.
            ConflictError: `source_paused`, `source_not_ready`.
        """
        with self._database.write() as session:
            source = find_source(session, workspace_id, name)
            queueing.require_active(source)
            query = select(FailureRow.external_id).where(FailureRow.source_id == source.id)
            if code is not None:
                query = query.where(FailureRow.code == code)
            elif external_ids is None:
                query = query.where(col(FailureRow.skipped).is_(False))
            wanted = set(session.exec(query).all())
            if external_ids is not None:
                wanted &= set(external_ids)
            if not wanted:
                raise NotFoundError(
                    f"No such failure stands against {name} any more; look again.", code="no_such_failure"
                )
            run = queueing.queue_retry(session, source, self._clock(), wanted, asked_by=actor)
            named = ", ".join(sorted(wanted)[:_NAMED_IDS])
            details: dict[str, Detail] = {"run": run.id, "documents": len(wanted), "ids": named}
            self._note(session, actor, "sync.retried", source, details)
            return run.id

    def confirm_removal(self, name: str, *, actor: str, workspace_id: str = DEFAULT_WORKSPACE_ID) -> str:
        """Takes the source at its word: the next run, queued here, may remove more than the share allowed.

        Raises:
            NotFoundError: `no_such_source`.
            ConflictError: `nothing_to_confirm` where the last run asked for no confirmation; `source_paused`.
        """
        with self._database.write() as session:
            source = find_source(session, workspace_id, name)
            queueing.require_active(source)
            last = queueing.last_finished(session, source.id)
            if last is None or not last.to_remove:
                raise ConflictError(
                    f"The last sync of {name} asked for no confirmation; there is nothing to confirm.",
                    code="nothing_to_confirm",
                )
            source.prune_confirmed = True
            session.add(source)
            run = queueing.queue(
                session, source, self._clock(), asked_by=actor, priority=PRIORITY_PERSON, whole=False
            )
            details: dict[str, Detail] = {"run": run.id, "documents": last.to_remove}
            self._note(session, actor, "source.removal_confirmed", source, details)
            return run.id

    def progress(self, name: str, *, workspace_id: str = DEFAULT_WORKSPACE_ID) -> Progress | None:
        """How far the open run of a source is; nothing where none is open."""
        with self._database.read() as session:
            source = find_source(session, workspace_id, name)
            runs = queueing.open_runs(session, source.id)
        if not runs:
            return None
        run = runs[0]
        done = run.upserted + run.unchanged + run.failed + run.skipped
        rate = chunk_rate = left = None
        seconds = (run.heartbeat_at - run.started_at).total_seconds()
        if done and seconds > 0:
            rate, chunk_rate = done / seconds, run.chunks_embedded / seconds
            if run.documents_total is not None:
                left = max(0, run.documents_total - done) / rate
        return Progress(
            run_id=run.id,
            state=run.state,
            documents_done=done,
            documents_total=run.documents_total,
            documents_per_second=rate,
            chunks_per_second=chunk_rate,
            seconds_left=left if run.state == "running" else None,
            reason=run.message,
            resume_at=run.resume_at,
        )

    def failure_groups(
        self, name: str, *, workspace_id: str = DEFAULT_WORKSPACE_ID
    ) -> Sequence[FailureGroup]:
        """What stands against a source, by cause, most first; what was passed over last."""
        with self._database.read() as session:
            source = find_source(session, workspace_id, name)
            counted = session.exec(
                select(FailureRow.code, FailureRow.skipped, func.count())
                .where(FailureRow.source_id == source.id)
                .group_by(FailureRow.code, col(FailureRow.skipped))
            ).all()
            counted = sorted(counted, key=lambda row: (bool(row[1]), -row[2], row[0]))
            return [_group(session, source.id, code, bool(skipped), n) for code, skipped, n in counted]

    def failures(
        self,
        name: str,
        code: str,
        *,
        contains: str = "",
        offset: int = 0,
        limit: int = 50,
        workspace_id: str = DEFAULT_WORKSPACE_ID,
    ) -> tuple[Sequence[FailureNote], int]:
        """What stands against a source for one cause, by id, from `offset` on, and how many there are.

        Args:
            contains: only those whose id holds this text.
        """
        with self._database.read() as session:
            source = find_source(session, workspace_id, name)
            wanted = [col(FailureRow.source_id) == source.id, col(FailureRow.code) == code]
            if contains:
                wanted.append(col(FailureRow.external_id).icontains(contains, autoescape=True))
            count = session.exec(select(func.count()).select_from(FailureRow).where(*wanted)).one()
            rows = session.exec(
                select(FailureRow)
                .where(*wanted)
                .order_by(col(FailureRow.external_id))
                .offset(offset)
                .limit(limit)
            ).all()
            notes = [FailureNote(r.external_id, r.code, r.reason) for r in rows]
        return notes, count

    def changes(
        self, run_id: str, *, limit: int = 200, workspace_id: str = DEFAULT_WORKSPACE_ID
    ) -> Sequence[DocumentChange]:
        """What a run changed, latest first."""
        with self._database.read() as session:
            rows = session.exec(
                select(ChangeRow)
                .where(ChangeRow.run_id == run_id, ChangeRow.workspace_id == workspace_id)
                .order_by(col(ChangeRow.at).desc(), col(ChangeRow.external_id))
                .limit(limit)
            ).all()
            return [DocumentChange(row.external_id, row.kind, row.title, row.at) for row in rows]

    def has_worker(self) -> bool:
        """Whether a worker is alive that would take up what waits."""
        with self._database.read() as session:
            last = session.exec(select(func.max(WorkerRow.heartbeat_at))).one()
        return last is not None and self._clock() - last <= queueing.WORKER_SILENT_AFTER

    def _note(
        self,
        session: Session,
        actor: str,
        action: str,
        source: SourceRow,
        details: Mapping[str, Detail] | None = None,
    ) -> None:
        self._audit.record(
            actor, action, "source", source.name, details, workspace_id=source.workspace_id, session=session
        )


def _group(session: Session, source_id: str, code: str, skipped: bool, count: int) -> FailureGroup:
    latest = session.exec(
        select(FailureRow)
        .where(FailureRow.source_id == source_id, FailureRow.code == code, FailureRow.skipped == skipped)
        .order_by(col(FailureRow.failed_at).desc(), col(FailureRow.external_id))
        .limit(_LATEST)
    ).all()
    notes = tuple(FailureNote(row.external_id, row.code, row.reason) for row in latest)
    return FailureGroup(code, notes[0].reason if notes else "", skipped, count, notes)
