"""Which run a claim is for, and where that run begins."""

from datetime import datetime, timedelta

from sqlmodel import Session, func, select

from app.core.errors import ConflictError
from ingest.sync.workers import queueing
from ingest.tables import SourceRow, SyncRunRow


def next_run(
    session: Session, source: SourceRow, now: datetime, *, again: bool, only_wanted: bool
) -> tuple[SyncRunRow, bool]:
    """The run that died or waits, if there is one; else a new one. Tells whether it was at work before."""
    open_runs = queueing.open_runs(session, source.id)
    if not open_runs and only_wanted:
        raise ConflictError(f"No sync of {source.name} is wanted now.", code="nothing_to_sync")
    if again:
        queueing.forget_what_was_made(session, source)
    run = open_runs[0] if open_runs else queueing.new_run(session, source, now, kind="changes")
    begun = queueing.has_begun(run)
    resumed = run.state in ("running", "waiting")
    if again or not begun:
        run.started_at = _after_all_others(session, run, now)
        _set_out(run, source, whole=again, alone=only_wanted)
    return run, resumed


def _after_all_others(session: Session, run: SyncRunRow, now: datetime) -> datetime:
    """When a run begins: later than every other one of its source, also where the clock was set back."""
    last = session.exec(
        select(func.max(SyncRunRow.started_at)).where(
            SyncRunRow.source_id == run.source_id, SyncRunRow.id != run.id
        )
    ).one()
    return now if last is None else max(now, last + timedelta(microseconds=1))


def _set_out(run: SyncRunRow, source: SourceRow, *, whole: bool, alone: bool) -> None:
    """Where a run begins."""
    if run.kind == "retry" and alone and not whole:
        return
    if whole or not source.cursor:
        run.kind = "full"
    elif run.kind == "retry":
        run.kind = "changes"
    run.checkpoint = source.cursor if run.kind == "changes" else ""
    run.passed = False
