"""Sync runs as they are stored: how far each one is and what went wrong. See `claims` for who may run."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from sqlalchemy import update
from sqlmodel import Session, col, delete, func, select

from app.core.clock import Clock, new_id, utc_now
from app.core.db import Database
from app.core.errors import ConflictError, NotFoundError
from ingest.connector import SKIPPED_CODES
from ingest.sync import claims
from ingest.sync.claims import Claim, Counts
from ingest.tables import ChangeRow, FailureRow, SourceRow, SyncRunRow

_RESUME_WITHIN = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class FailureNote:
    """One document that a run could not take in, or passed over."""

    external_id: str
    code: str
    reason: str

    @property
    def skipped(self) -> bool:
        return self.code in SKIPPED_CODES


class CancelledError(ConflictError):
    """Somebody asked the run to stop."""

    default_code = "sync_cancelled"


class InterruptedSyncError(ConflictError):
    """The process was asked to end; the run is left open, to be resumed."""

    default_code = "sync_interrupted"


class Runs:
    """Claims, checkpoints and failures in the database.

    Args:
        clock: tells the time of heartbeats.
    """

    def __init__(self, database: Database, clock: Clock = utc_now) -> None:
        self._database = database
        self._clock = clock

    def queue(self, workspace_id: str, source_name: str) -> str:
        """Notes that a run is wanted and returns its id: the one that waits already, if there is one.

        Raises:
            NotFoundError: `no_such_source`.
        """
        with self._database.write() as session:
            source_id = find_source(session, workspace_id, source_name).id
            waiting = session.exec(
                select(SyncRunRow.id).where(SyncRunRow.source_id == source_id, SyncRunRow.state == "queued")
            ).first()
            if waiting is not None:
                return waiting
            return _new_run(session, workspace_id, source_id, "queued", self._clock()).id

    def claim(self, workspace_id: str, source_name: str) -> Claim:
        """Takes the source for this process: the run that died on it is resumed, else one is begun.

        Raises:
            NotFoundError: `no_such_source`.
            ConflictError: `sync_running` when a live process syncs it.
        """
        now, claim_id = self._clock(), new_id()
        with self._database.write() as session:
            source = find_source(session, workspace_id, source_name)
            if claims.is_held(source, now):
                raise ConflictError(
                    f"{source_name} is being synced by {source.claim_holder}; wait until it has finished.",
                    code="sync_running",
                )
            claims.take(session, source, claim_id, now)
            run, resumed = _next_run(session, source, now)
            run.state, run.heartbeat_at, run.resumed = "running", now, run.resumed + resumed
            session.add(run)
            counts = counts_of(run)
            claim = Claim(claim_id, source, run.id, run.checkpoint, counts, resumed, run.kind, run.passed)
        claims.remember(claim_id)
        return claim

    def unattended(self) -> list[tuple[str, str]]:
        """Workspace and name of each source with a run that is queued or begun while nobody syncs it."""
        now = self._clock()
        with self._database.read() as session:
            open_runs = select(SyncRunRow.source_id).where(col(SyncRunRow.state).in_(("queued", "running")))
            rows = session.exec(
                select(SourceRow)
                .where(col(SourceRow.id).in_(open_runs))
                .order_by(SourceRow.workspace_id, SourceRow.name)
            ).all()
            return [(row.workspace_id, row.name) for row in rows if not claims.is_held(row, now)]

    def beat(self, claim: Claim) -> None:
        """Keeps the claim alive. Raises ConflictError `claim_lost` when another process took it over."""
        with self._database.write() as session:
            claims.keep(session, claim, self._clock())

    def save(
        self,
        session: Session,
        claim: Claim,
        counts: Counts,
        checkpoint: str | None,
        failures: Sequence[FailureNote],
        *,
        passed: bool | None = None,
    ) -> bool:
        """Writes progress in the caller's transaction; tells whether somebody asked the run to stop.

        Args:
            checkpoint: `None` leaves it as it is.
            passed: whether the pass is over and only the closing is left; `None` leaves it as it is.
        """
        now = self._clock()
        claims.keep(session, claim, now)
        self._write_failures(session, claim, failures, now)
        values: dict[str, object] = {"heartbeat_at": now, **asdict(counts)}
        if checkpoint is not None:
            values["checkpoint"] = checkpoint
        if passed is not None:
            values["passed"] = passed
        session.exec(update(SyncRunRow).where(col(SyncRunRow.id) == claim.run_id).values(**values))
        return bool(
            session.exec(select(SyncRunRow.cancel_requested).where(SyncRunRow.id == claim.run_id)).one()
        )

    def _write_failures(
        self, session: Session, claim: Claim, failures: Sequence[FailureNote], now: datetime
    ) -> None:
        notes = {note.external_id: note for note in failures}
        if not notes:
            return
        stood = session.exec(
            select(FailureRow).where(
                FailureRow.source_id == claim.source.id, col(FailureRow.external_id).in_(list(notes))
            )
        ).all()
        for row in stood:
            note = notes.pop(row.external_id)
            # A batch that is done again after a death brings the same ones.
            row.attempts += row.run_id != claim.run_id
            row.run_id, row.failed_at = claim.run_id, now
            row.code, row.reason, row.skipped = note.code, note.reason, note.skipped
            session.add(row)
        session.add_all(
            FailureRow(
                source_id=claim.source.id,
                external_id=note.external_id,
                workspace_id=claim.source.workspace_id,
                run_id=claim.run_id,
                code=note.code,
                reason=note.reason,
                skipped=note.skipped,
                first_failed_at=now,
                failed_at=now,
            )
            for note in notes.values()
        )

    def finish(self, claim: Claim, state: str, message: str, counts: Counts | None) -> None:
        """Ends the run and gives the source back."""
        now = self._clock()
        values = asdict(counts) if counts is not None else {}
        with self._database.write() as session:
            session.exec(
                update(SyncRunRow)
                .where(col(SyncRunRow.id) == claim.run_id)
                .values(state=state, message=message, finished_at=now, heartbeat_at=now, **values)
            )
            claims.release(session, claim)
        claims.forget(claim.id)

    def release(self, claim: Claim) -> None:
        """Gives the source back with the run unfinished, so that the next one resumes it."""
        with self._database.write() as session:
            claims.release(session, claim)
        claims.forget(claim.id)

    def failures(self, run_id: str) -> list[FailureNote]:
        """What went wrong in a run, by id of the item; skipped items too."""
        with self._database.read() as session:
            rows = session.exec(
                select(FailureRow).where(FailureRow.run_id == run_id).order_by(FailureRow.external_id)
            ).all()
            return [FailureNote(row.external_id, row.code, row.reason) for row in rows]

    def forget_failures_not_met(self, claim: Claim) -> None:
        """Removes the failures of earlier runs: a pass over everything has not met them again."""
        with self._database.write() as session:
            session.exec(
                delete(FailureRow).where(
                    col(FailureRow.source_id) == claim.source.id, col(FailureRow.run_id) != claim.run_id
                )
            )

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

    def count(self, run_id: str) -> tuple[int, int]:
        """How many failed and how many were skipped."""
        with self._database.read() as session:
            rows = session.exec(
                select(FailureRow.skipped, func.count())
                .where(FailureRow.run_id == run_id)
                .group_by(col(FailureRow.skipped))
            ).all()
        by_kind = {bool(skipped): number for skipped, number in rows}
        return by_kind.get(False, 0), by_kind.get(True, 0)


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


def _next_run(session: Session, source: SourceRow, now: datetime) -> tuple[SyncRunRow, bool]:
    """The run that died, if it can be resumed; else the one that waits; else a new one."""
    open_runs = session.exec(
        select(SyncRunRow)
        .where(SyncRunRow.source_id == source.id, col(SyncRunRow.state).in_(("running", "queued")))
        .order_by(col(SyncRunRow.started_at).desc(), col(SyncRunRow.id).desc())
    ).all()
    for run in open_runs:
        if run.state == "running" and now - run.heartbeat_at <= _RESUME_WITHIN and not run.cancel_requested:
            return run, True
    for run in open_runs:
        if run.state == "running":
            run.state, run.finished_at = "failed", now
            run.message = "The process that ran it is gone; the next run began again."
            session.add(run)
    waiting = next((run for run in open_runs if run.state == "queued"), None)
    if waiting is not None:
        waiting.started_at = now
    return waiting or _new_run(session, source.workspace_id, source.id, "running", now), False


def _new_run(session: Session, workspace_id: str, source_id: str, state: str, now: datetime) -> SyncRunRow:
    run = SyncRunRow(
        id=new_id(),
        workspace_id=workspace_id,
        source_id=source_id,
        state=state,
        started_at=now,
        heartbeat_at=now,
    )
    session.add(run)
    session.flush()
    return run
