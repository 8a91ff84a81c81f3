"""What workers know of each other, and what the clock wants of them."""

import random
import socket
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlmodel import col, delete, func, or_, select

from app.core.clock import Clock, utc_now
from app.core.db import Database
from app.core.identity import SYSTEM
from app.core.processes import is_running
from ingest.sync.records import claims
from ingest.sync.records.runs import Runs, find_source
from ingest.sync.workers import queueing
from ingest.sync.workers.queueing import PRIORITY_SCHEDULE, WORKER_SILENT_AFTER
from ingest.tables import SourceRow, SyncRunRow, WorkerRow

_FORGOTTEN_AFTER = timedelta(days=1)
_SPREAD = 0.1
"""Schedules are stretched by up to a tenth, so that sources set up together do not all begin at once."""


class Workers:
    """The workers of an installation, and the schedules that they keep."""

    def __init__(self, database: Database, clock: Clock = utc_now) -> None:
        self._database = database
        self._clock = clock
        self._runs = Runs(database, clock)

    def beat(self, worker_id: str, doing: str = "") -> None:
        """Tells that a worker is alive, and forgets those that have long been gone."""
        now = self._clock()
        with self._database.write() as session:
            row = session.get(WorkerRow, worker_id)
            if row is None:
                row = WorkerRow(id=worker_id, started_at=now, heartbeat_at=now)
            row.heartbeat_at, row.doing = now, doing
            session.add(row)
            session.exec(delete(WorkerRow).where(col(WorkerRow.heartbeat_at) < now - _FORGOTTEN_AFTER))

    def leave(self, worker_id: str) -> None:
        """Tells that a worker ends."""
        with self._database.write() as session:
            session.exec(delete(WorkerRow).where(col(WorkerRow.id) == worker_id))

    def alive(self) -> list[str]:
        """The ids of the workers that were heard of lately; one of this machine that is gone is none."""
        now = self._clock()
        with self._database.read() as session:
            rows = session.exec(
                select(WorkerRow.id).where(WorkerRow.heartbeat_at >= now - WORKER_SILENT_AFTER)
            ).all()
        return [worker_id for worker_id in rows if not _is_gone(worker_id)]

    def queue_scheduled(self) -> int:
        """Queues a run of each source whose time has come; tells how many."""
        now = self._clock()
        if not self._scheduled(now):
            return 0
        queued = 0
        with self._database.write() as session:
            rows = session.exec(
                select(SourceRow).where(
                    SourceRow.state == "active",
                    col(SourceRow.every_minutes).is_not(None),
                    or_(col(SourceRow.next_sync_at).is_(None), col(SourceRow.next_sync_at) <= now),
                )
            ).all()
            for source in rows:
                if source.next_sync_at is not None:
                    queueing.queue(session, source, now, asked_by=SYSTEM, priority=PRIORITY_SCHEDULE)
                    queued += 1
                source.next_sync_at = _next(source, now)
                session.add(source)
        return queued

    def has_work(self) -> bool:
        """Whether a worker is wanted: a run may go on, a schedule's time has come, or a source is watched."""
        return bool(self._runs.due()) or self._scheduled(self._clock()) > 0 or bool(self.watched())

    def is_outranked(self, workspace_id: str, source_name: str) -> bool:
        """Whether a run of higher priority waits than the one that this source is at."""
        now = self._clock()
        with self._database.read() as session:
            rows = session.exec(
                select(SourceRow, SyncRunRow)
                .where(SyncRunRow.source_id == SourceRow.id, SourceRow.state == "active")
                .where(
                    or_(
                        col(SyncRunRow.state).in_(("queued", "running")),
                        (col(SyncRunRow.state) == "waiting") & (col(SyncRunRow.resume_at) <= now),
                    )
                )
            ).all()
        here = (workspace_id, source_name)
        own = [
            run.priority
            for source, run in rows
            if (source.workspace_id, source.name) == here and run.state == "running"
        ]
        others = [
            run.priority
            for source, run in rows
            if (source.workspace_id, source.name) != here and not claims.is_held(source, now)
        ]
        return bool(own) and max(others, default=PRIORITY_SCHEDULE) > max(own)

    def had_turn(self, workspace_id: str, source_name: str) -> None:
        """From now on its run waits for its turn as any other: a click has had its first answer."""
        with self._database.write() as session:
            source = find_source(session, workspace_id, source_name)
            for run in queueing.open_runs(session, source.id):
                if run.state == "queued" and queueing.has_begun(run):
                    run.priority = PRIORITY_SCHEDULE
                    session.add(run)

    def watched(self) -> dict[tuple[str, str], Mapping[str, Any]]:
        """The sources whose changes are taken in as they happen: workspace and name, with their settings."""
        with self._database.read() as session:
            rows = session.exec(select(SourceRow).where(SourceRow.state == "active")).all()
        return {
            (row.workspace_id, row.name): row.settings for row in rows if row.settings.get("watch") is True
        }

    def _scheduled(self, now: datetime) -> int:
        with self._database.read() as session:
            return session.exec(
                select(func.count()).where(
                    SourceRow.state == "active",
                    col(SourceRow.every_minutes).is_not(None),
                    or_(col(SourceRow.next_sync_at).is_(None), col(SourceRow.next_sync_at) <= now),
                )
            ).one()


def _next(source: SourceRow, now: datetime) -> datetime:
    minutes = float(source.every_minutes or 0)
    return now + timedelta(minutes=minutes * random.uniform(1, 1 + _SPREAD))  # noqa: S311 - only to spread


def _is_gone(worker_id: str) -> bool:
    host, _, pid = worker_id.rpartition(":")
    return host == socket.gethostname() and pid.isdigit() and not is_running(int(pid))
