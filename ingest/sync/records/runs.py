"""Sync runs as they are stored: how far each one is and what went wrong. See `claims` for who may run."""

from collections.abc import Collection, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta

from sqlalchemy import update
from sqlmodel import Session, col, delete, or_, select

from app.core.clock import Clock, new_id, utc_now
from app.core.db import Database
from app.core.errors import ConflictError, NotFoundError
from ingest.sync.records import claims, notes
from ingest.sync.records.beginning import next_run
from ingest.sync.records.claims import Claim, Counts
from ingest.sync.records.notes import ChangeNote, FailureNote
from ingest.sync.stops import CancelledError, InterruptedSyncError, PausedError
from ingest.sync.workers import queueing
from ingest.sync.workers.queueing import PRIORITY_PERSON
from ingest.tables import ChangeRow, FailureRow, SourceRow, SyncRunRow

__all__ = ["CancelledError", "FailureNote", "InterruptedSyncError", "PausedError", "Runs", "find_source"]
_RESUME_WITHIN = timedelta(days=1)


class Runs:
    """Claims, checkpoints and failures in the database.

    Args:
        clock: tells the time of heartbeats.
    """

    def __init__(self, database: Database, clock: Clock = utc_now) -> None:
        self._database = database
        self._clock = clock

    def queue(self, workspace_id: str, source_name: str, *, priority: int = PRIORITY_PERSON) -> str:
        """Notes that a run is wanted and returns its id: the one that waits already, if there is one.

        Raises:
            NotFoundError: `no_such_source`.
            ConflictError: `source_paused`, `source_not_ready`.
        """
        with self._database.write() as session:
            source = find_source(session, workspace_id, source_name)
            queueing.require_active(source)
            return queueing.queue(session, source, self._clock(), priority=priority).id

    def claim(
        self, workspace_id: str, source_name: str, *, again: bool = False, only_wanted: bool = False
    ) -> Claim:
        """Takes the source for this process: the run that died on it is resumed, else one is begun.

        Args:
            again: the run goes over everything and makes each document anew.
            only_wanted: begin no run that nobody asked for.

        Raises:
            NotFoundError: `no_such_source`.
            ConflictError: `sync_running` when a live process syncs it; `source_paused`, `source_not_ready`;
                `nothing_to_sync` where no run is wanted.
        """
        now, claim_id = self._clock(), new_id()
        self._end_what_cannot_go_on(workspace_id, source_name, now)
        with self._database.write() as session:
            source = find_source(session, workspace_id, source_name)
            _require_free(source, now)
            queueing.require_active(source)
            claims.take(session, source, claim_id, now)
            session.refresh(source)
            run, resumed = next_run(session, source, now, again=again, only_wanted=only_wanted)
            run.state, run.heartbeat_at, run.resumed = "running", now, run.resumed + resumed
            run.resume_at, run.code, run.message = None, "", ""
            session.add(run)
            claim = Claim(
                claim_id,
                source,
                run.id,
                run.checkpoint,
                counts_of(run),
                resumed,
                run.kind,
                run.passed,
                run.documents_total,
            )
        claims.remember(claim_id)
        return claim

    def _end_what_cannot_go_on(self, workspace_id: str, source_name: str, now: datetime) -> None:
        """Runs whose process is gone and that were cancelled, or that died too long ago."""
        with self._database.write() as session:
            source = find_source(session, workspace_id, source_name)
            if claims.is_held(source, now):
                return
            for run in queueing.open_runs(session, source.id):
                if run.state == "running" and run.cancel_requested:
                    run.state, run.finished_at = "cancelled", now
                    run.message = "Cancelled; the next sync begins anew."
                elif run.state == "running" and now - run.heartbeat_at > _RESUME_WITHIN:
                    run.state, run.finished_at, run.code = "failed", now, "process_gone"
                    run.message = "The process that ran it is gone; the next run began again."
                session.add(run)

    def due(self) -> list[tuple[str, str]]:
        """Workspace and name of each source with a run that may go on now while nobody syncs it: that of
        highest priority first, then the one that had its turn longest ago."""
        now = self._clock()
        with self._database.read() as session:
            rows = session.exec(
                select(SourceRow, SyncRunRow)
                .where(
                    SyncRunRow.source_id == SourceRow.id,
                    SourceRow.state == "active",
                    or_(
                        col(SyncRunRow.state).in_(("queued", "running")),
                        (col(SyncRunRow.state) == "waiting") & (col(SyncRunRow.resume_at) <= now),
                    ),
                )
                .order_by(col(SyncRunRow.priority).desc(), col(SyncRunRow.heartbeat_at), SyncRunRow.id)
            ).all()
        found = [(source.workspace_id, source.name) for source, _ in rows if not claims.is_held(source, now)]
        return list(dict.fromkeys(found))

    def beat(self, claim: Claim) -> None:
        """Keeps the claim alive. Raises ConflictError `claim_lost` when another process took it over."""
        with self._database.write() as session:
            claims.keep(session, claim, self._clock())

    def require_claim(self, claim: Claim) -> None:
        """Raises ConflictError `claim_lost` when another process took the claim over.

        For what is written outside the database: asked right before, it leaves next to no time between.
        """
        with self._database.read() as session:
            claims.require(session, claim)

    def keep(self, session: Session, claim: Claim) -> None:
        """Renews the claim in the caller's transaction. Raises ConflictError `claim_lost`."""
        claims.keep(session, claim, self._clock())

    def set_total(self, claim: Claim, documents_total: int | None) -> None:
        """Notes how many documents the run will go over, where that can be told."""
        with self._database.write() as session:
            session.exec(
                update(SyncRunRow)
                .where(col(SyncRunRow.id) == claim.run_id)
                .values(documents_total=documents_total)
            )

    def save(
        self,
        session: Session,
        claim: Claim,
        counts: Counts,
        checkpoint: str | None,
        failures: Sequence[FailureNote],
        *,
        passed: bool | None = None,
        taken_in: Collection[str] = (),
        changes: Sequence[ChangeNote] = (),
        progressed: bool = False,
    ) -> None:
        """Writes progress in the caller's transaction.

        Args:
            checkpoint: `None` leaves it as it is.
            passed: whether the pass is over and only the closing is left; `None` leaves it as it is.
            taken_in: the items that no failure stands against any more.
            progressed: the source has answered with something new since the last attempt.
        """
        now = self._clock()
        claims.keep(session, claim, now)
        notes.forget_failures(session, claim.source.id, taken_in)
        notes.write_failures(session, claim, failures, now)
        notes.write_changes(session, claim, changes, now)
        values: dict[str, object] = {"heartbeat_at": now, **asdict(counts)}
        if checkpoint is not None:
            values["checkpoint"] = checkpoint
        if passed is not None:
            values["passed"] = passed
        if progressed:
            values["attempts"] = 0
        session.exec(update(SyncRunRow).where(col(SyncRunRow.id) == claim.run_id).values(**values))

    def require_wanted(self, claim: Claim) -> None:
        """Raises CancelledError or PausedError when somebody asked the run to stop."""
        with self._database.read() as session:
            cancel, pause = session.exec(
                select(SyncRunRow.cancel_requested, SyncRunRow.pause_requested).where(
                    SyncRunRow.id == claim.run_id
                )
            ).one()
        if cancel:
            raise CancelledError("The sync was stopped on request; the next one begins again.")
        if pause:
            raise PausedError("The sync is paused; it goes on from here when it is resumed.")

    def finish(
        self,
        claim: Claim,
        state: str,
        message: str,
        counts: Counts | None,
        *,
        code: str = "",
        to_remove: int = 0,
        cursor: str | None = None,
        confirmation_used: bool = False,
    ) -> None:
        """Ends the run and gives the source back.

        Args:
            cursor: where the next pass begins; `None` leaves that as it is.
            confirmation_used: the admin's leave to remove many documents was for this run.
        """
        now = self._clock()
        values = asdict(counts) if counts is not None else {}
        about: dict[str, object] = {} if cursor is None else {"cursor": cursor}
        if confirmation_used:
            about["prune_confirmed"] = False
        with self._database.write() as session:
            session.exec(
                update(SyncRunRow)
                .where(col(SyncRunRow.id) == claim.run_id)
                .values(
                    state=state,
                    message=message,
                    code=code,
                    to_remove=to_remove,
                    finished_at=now,
                    heartbeat_at=now,
                    **values,
                )
            )
            if about:
                session.exec(
                    update(SourceRow)
                    .where(col(SourceRow.id) == claim.source.id, col(SourceRow.claim_id) == claim.id)
                    .values(**about)
                )
            claims.release(session, claim)
        claims.forget(claim.id)

    def put_off(
        self,
        claim: Claim,
        state: str,
        message: str = "",
        *,
        code: str = "",
        resume_at: datetime | None = None,
    ) -> None:
        """Gives the source back, the run unfinished: `queued`, `waiting` until `resume_at`, or `paused`."""
        now = self._clock()
        with self._database.write() as session:
            run = session.get_one(SyncRunRow, claim.run_id)
            run.state, run.message, run.code = state, message, code
            run.resume_at, run.heartbeat_at, run.pause_requested = resume_at, now, False
            run.attempts += state == "waiting"
            session.add(run)
            claims.release(session, claim)
        claims.forget(claim.id)

    def attempts(self, claim: Claim) -> int:
        """How often in a row the source could not be read."""
        with self._database.read() as session:
            return session.exec(select(SyncRunRow.attempts).where(SyncRunRow.id == claim.run_id)).one()

    def release(self, claim: Claim) -> None:
        """Gives the source back with the run unfinished, so that the next one resumes it."""
        # Even if the database does not answer: a claim that nobody remembers can be taken over.
        claims.forget(claim.id)
        with self._database.write() as session:
            claims.release(session, claim)

    def failures(self, run_id: str) -> list[FailureNote]:
        """What a run met last and what still stands, by id of the item; skipped items too."""
        with self._database.read() as session:
            rows = session.exec(
                select(FailureRow).where(FailureRow.run_id == run_id).order_by(FailureRow.external_id)
            ).all()
            return [FailureNote(row.external_id, row.code, row.reason) for row in rows]

    def standing(self, source_id: str) -> list[FailureNote]:
        """What stands against a source, by id of the item; skipped items too."""
        with self._database.read() as session:
            rows = session.exec(
                select(FailureRow).where(FailureRow.source_id == source_id).order_by(FailureRow.external_id)
            ).all()
            return [FailureNote(row.external_id, row.code, row.reason) for row in rows]

    def to_fetch_again(self, claim: Claim) -> list[str]:
        """The ids that the run tries again alone, without those that it has tried already."""
        with self._database.read() as session:
            rows = session.exec(
                select(FailureRow.external_id, FailureRow.skipped)
                .where(FailureRow.source_id == claim.source.id, FailureRow.run_id != claim.run_id)
                .order_by(FailureRow.external_id)
            ).all()
        if claim.kind == "retry":
            wanted = set(queueing.retry_ids(claim.checkpoint))
            return [name for name, _ in rows if name in wanted]
        return [name for name, skipped in rows if not skipped]

    def last_listing(self, claim: Claim) -> int | None:
        """How many items the source listed when it was last counted."""
        with self._database.read() as session:
            return session.exec(
                select(SyncRunRow.listed)
                .where(
                    SyncRunRow.source_id == claim.source.id,
                    col(SyncRunRow.state).in_(("complete", "incomplete")),
                    SyncRunRow.id != claim.run_id,
                    SyncRunRow.listed > 0,
                )
                .order_by(col(SyncRunRow.started_at).desc(), col(SyncRunRow.id).desc())
            ).first()

    def forget_failures_not_met(self, claim: Claim) -> None:
        """Removes the failures of earlier runs: a pass over everything has not met them again."""
        with self._database.write() as session:
            session.exec(
                delete(FailureRow).where(
                    col(FailureRow.source_id) == claim.source.id, col(FailureRow.run_id) != claim.run_id
                )
            )

    def forget_failures_not_listed(self, claim: Claim, listed: Collection[str]) -> None:
        """Removes the failures of earlier runs whose items are gone from the source."""
        with self._database.write() as session:
            earlier = session.exec(
                select(FailureRow.external_id).where(
                    FailureRow.source_id == claim.source.id, FailureRow.run_id != claim.run_id
                )
            ).all()
            notes.forget_failures(session, claim.source.id, set(earlier) - set(listed))

    def forget_old(self, source_id: str, keep: int = 50) -> None:
        """Removes all but the latest runs of a source, with what is noted of them."""
        with self._database.write() as session:
            old = session.exec(
                select(SyncRunRow.id)
                .where(SyncRunRow.source_id == source_id, col(SyncRunRow.finished_at).is_not(None))
                .order_by(col(SyncRunRow.started_at).desc(), col(SyncRunRow.id).desc())
                .offset(keep)
                .limit(1000)
            ).all()
            session.exec(delete(ChangeRow).where(col(ChangeRow.run_id).in_(old)))
            session.exec(delete(SyncRunRow).where(col(SyncRunRow.id).in_(old)))


def find_source(session: Session, workspace_id: str, name: str) -> SourceRow:
    """The row of a source. Raises NotFoundError `no_such_source`."""
    row = session.exec(
        select(SourceRow).where(SourceRow.workspace_id == workspace_id, SourceRow.name == name)
    ).first()
    if row is None:
        raise NotFoundError(f"There is no source {name!r}; `source list` shows them.", code="no_such_source")
    return row


def counts_of(run: SyncRunRow) -> Counts:
    """The counts of a stored run."""
    return Counts(**{name: getattr(run, name) for name in asdict(Counts())})


def _require_free(source: SourceRow, now: datetime) -> None:
    if claims.is_held(source, now):
        raise ConflictError(
            f"{source.name} is being synced by {source.claim_holder}; wait until it has finished.",
            code="sync_running",
        )
