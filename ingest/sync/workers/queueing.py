"""Runs that wait: which there are, which one is wanted next, and when a source's schedule wants one."""

import json
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from sqlalchemy import update
from sqlmodel import Session, col, select

from app.core.clock import new_id
from app.core.errors import ConflictError
from ingest.tables import DocumentRow, FailureRow, RunKind, SourceRow, SyncRunRow

PRIORITY_SCHEDULE, PRIORITY_WATCH, PRIORITY_PERSON = 0, 5, 10
"""A person who waits goes before the clock."""

WORKER_SILENT_AFTER = timedelta(seconds=60)
"""A worker that was not heard of for so long is gone."""

OPEN_STATES = ("running", "queued", "waiting", "paused")


def require_active(source: SourceRow) -> None:
    """Raises ConflictError `source_paused` or `source_not_ready` for a source that is not to be synced."""
    if source.state == "paused":
        raise ConflictError(f"{source.name} is paused; resume it first.", code="source_paused")
    if source.state != "active":
        raise ConflictError(
            f"{source.name} is still being set up; finish that first.", code="source_not_ready"
        )


def open_runs(session: Session, source_id: str) -> Sequence[SyncRunRow]:
    """The runs of a source that are not over, in the order in which they go on: those begun first."""
    rows = session.exec(
        select(SyncRunRow).where(
            SyncRunRow.source_id == source_id,
            col(SyncRunRow.state).in_(OPEN_STATES),
            col(SyncRunRow.finished_at).is_(None),
        )
    ).all()
    return sorted(rows, key=lambda run: (run.state != "running", not has_begun(run), run.id))


def has_begun(run: SyncRunRow) -> bool:
    """Whether it was at work already."""
    return (
        run.state == "running"
        or run.documents_total is not None
        or bool(run.upserted)
        or run.passed
        or (run.kind != "retry" and bool(run.checkpoint))
    )


def last_finished(session: Session, source_id: str) -> SyncRunRow | None:
    """The latest run that is over."""
    return session.exec(
        select(SyncRunRow)
        .where(SyncRunRow.source_id == source_id, col(SyncRunRow.finished_at).is_not(None))
        .order_by(col(SyncRunRow.started_at).desc(), col(SyncRunRow.id).desc())
    ).first()


def queue(
    session: Session,
    source: SourceRow,
    now: datetime,
    *,
    asked_by: str = "",
    priority: int = PRIORITY_SCHEDULE,
    whole: bool = False,
) -> SyncRunRow:
    """The run that is wanted: one that waits already, or a new one.

    Args:
        whole: it has to go over everything, from the beginning.
    """
    waiting = [run for run in open_runs(session, source.id) if run.state in ("queued", "waiting")]
    if whole:
        waiting = [run for run in waiting if not has_begun(run)]
    if not waiting:
        kind: RunKind = "full" if whole or not source.cursor else "changes"
        return new_run(session, source, now, kind=kind, asked_by=asked_by, priority=priority)
    run = waiting[0]
    run.priority = max(run.priority, priority)
    if priority >= PRIORITY_PERSON and run.state == "waiting":
        # Whoever asks has a reason to think that the source answers again.
        run.state, run.resume_at, run.attempts = "queued", None, 0
    if run.kind == "retry" and not has_begun(run):
        run.kind, run.checkpoint = "changes", ""
    if whole:
        run.kind = "full"
    session.add(run)
    return run


def queue_retry(
    session: Session, source: SourceRow, now: datetime, wanted: Collection[str], *, asked_by: str
) -> SyncRunRow:
    """A run that tries these failures again; one that waits and would meet them anyway is that one."""
    for run in open_runs(session, source.id):
        if run.state == "queued" and not has_begun(run):
            run.priority = max(run.priority, PRIORITY_PERSON)
            if run.kind == "retry":
                run.checkpoint = retry_checkpoint({*retry_ids(run.checkpoint), *wanted})
            elif run.kind == "changes":
                _want_again(session, source, wanted)
            session.add(run)
            return run
    run = new_run(session, source, now, kind="retry", asked_by=asked_by, priority=PRIORITY_PERSON)
    run.checkpoint = retry_checkpoint(wanted)
    session.add(run)
    return run


def _want_again(session: Session, source: SourceRow, wanted: Collection[str]) -> None:
    """What was passed over on purpose is met again by a run of changes only when it is a failure to it."""
    ids = list(wanted)
    for start in range(0, len(ids), 500):
        session.exec(
            update(FailureRow)
            .where(
                col(FailureRow.source_id) == source.id,
                col(FailureRow.external_id).in_(ids[start : start + 500]),
            )
            .values(skipped=False)
        )


def retry_checkpoint(wanted: Collection[str]) -> str:
    """The ids that a run of kind `retry` is for, as its checkpoint."""
    return json.dumps(sorted(wanted))


def retry_ids(checkpoint: str) -> list[str]:
    """The opposite of `retry_checkpoint`."""
    return [str(name) for name in json.loads(checkpoint)] if checkpoint else []


def new_run(
    session: Session,
    source: SourceRow,
    now: datetime,
    *,
    state: str = "queued",
    kind: RunKind,
    asked_by: str = "",
    priority: int = PRIORITY_SCHEDULE,
) -> SyncRunRow:
    """A new run of a source."""
    run = SyncRunRow(
        id=new_id(),
        workspace_id=source.workspace_id,
        source_id=source.id,
        state=state,
        kind=kind,
        asked_by=asked_by,
        priority=priority,
        started_at=now,
        heartbeat_at=now,
    )
    session.add(run)
    session.flush()
    return run


def forget_what_was_made(session: Session, source: SourceRow) -> None:
    """From now on each document counts as made in another way, so that the next pass makes it anew."""
    session.exec(update(DocumentRow).where(col(DocumentRow.source_id) == source.id).values(recipe=""))
