"""Queued syncs as durable jobs, on SQLite or PostgreSQL, in one worker or several.

A job says only "sync this source". How far it is stands in the sync run's checkpoint, so that a job which
runs twice does no harm, and one whose worker died is taken up where it was: by the same machine's next
worker at once, by another machine's when the source's claim has expired.
"""

import json
import os
import socket
import sqlite3
import threading
import time
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any

import structlog

from app.core.audit import AuditLog
from app.core.config import Settings
from app.core.db import Database
from app.core.errors import UnavailableError
from app.core.processes import is_running
from app.worker.turns import TURN_SECONDS, Turns
from ingest.sync.records.runs import Runs
from ingest.sync.workers.register import Workers

if TYPE_CHECKING:
    from dbos import DBOSConfig, Serializer, WorkflowStatus

    from ingest.sync import SyncEngine

QUEUE = "sync"
_JOB = "sync_source"
# Pinned: with DBOS's own hash of the code, a new release would leave the old one's jobs waiting for ever.
_APPLICATION_VERSION = "1"
_SWEEP_SECONDS = 2.0
_SHUTDOWN_SECONDS = 30
_TIDY_SECONDS = 600.0
_log = structlog.get_logger()


def run_worker(
    settings: Settings,
    database: Database,
    engine: Callable[[], "SyncEngine"],
    stop: threading.Event,
    *,
    idle_minutes: float | None = None,
    busy: Callable[[], bool] = lambda: False,
    tidy: Callable[[], None] = lambda: None,
    turn_seconds: float = TURN_SECONDS,
) -> None:
    """Runs queued syncs until `stop` is set; a sync under way then is left for the next worker to resume.

    Args:
        engine: makes or returns the engine; called when the first job comes, so that an idle worker is small.
        idle_minutes: end when there was nothing to do for so long.
        busy: whether this process has other work, for which it stays.
        tidy: called now and then.
        turn_seconds: how long a run has the worker while others wait for it.
    """
    from dbos import DBOS

    from ingest.sync.workers.watch import Watcher

    workers, wake = Workers(database), threading.Event()
    turns = Turns(engine, database, workers, turn_seconds)
    workers.beat(_executor_id())
    DBOS(config=_config(settings))

    @DBOS.workflow(name=_JOB)
    def sync_source(workspace_id: str, source_name: str) -> dict[str, str]:
        try:
            return turns.sync(workspace_id, source_name)
        finally:
            wake.set()

    DBOS.launch()
    DBOS.register_queue(QUEUE, worker_concurrency=1, polling_interval_sec=0.5)
    _log.info("worker_started", executor=_executor_id())
    watcher = Watcher(database, AuditLog(database), wake.set)
    watching = threading.Thread(target=watcher.run, args=(stop,), name="watch", daemon=True)
    watching.start()
    busy_at = tidied_at = time.monotonic()
    try:
        while not stop.is_set():
            if _look(database, workers, turns, busy):
                busy_at = time.monotonic()
            if time.monotonic() - tidied_at > _TIDY_SECONDS:
                tidied_at = time.monotonic()
                tidy()
            if idle_minutes is not None and time.monotonic() - busy_at > 60 * idle_minutes:
                break
            _wait(stop, wake)
    finally:
        stop.set()
        turns.end()
        DBOS.destroy(workflow_completion_timeout_sec=_SHUTDOWN_SECONDS)
        watching.join(timeout=_SHUTDOWN_SECONDS)
        workers.leave(_executor_id())
        _log.info("worker_stopped")


def _wait(stop: threading.Event, wake: threading.Event) -> None:
    """Until it is time to look again, or sooner when a job has ended or a folder has changed."""
    until = time.monotonic() + _SWEEP_SECONDS
    while not stop.is_set() and not wake.wait(0.1) and time.monotonic() < until:
        pass
    wake.clear()


def _look(database: Database, workers: Workers, turns: Turns, busy: Callable[[], bool]) -> bool:
    """One look at what there is to do; tells whether there is anything. A database that does not answer for
    a moment ends no worker."""
    try:
        workers.beat(_executor_id())
        workers.queue_scheduled()
        turns.make_room()
        return _sweep(database, workers, turns) or workers.has_work() or busy()
    except UnavailableError as error:
        _log.warning("worker_look_failed", code=error.code, reason=error.message)
        return True


def _sweep(database: Database, workers: Workers, turns: Turns) -> bool:
    """Takes up what nobody works on: jobs of dead workers, and open runs that have no job any more.

    Jobs wait in the order in which they were queued, but which run comes next may change any moment. So a job
    is only queued when a worker is free to begin it.
    """
    from dbos import DBOS

    due, alive = Runs(database).due(), workers.alive()
    unattended = {f"{workspace_id}/{name}" for workspace_id, name in due}
    jobs = DBOS.list_workflows(queue_name=[QUEUE, "_dbos_internal_queue"], status=["PENDING", "ENQUEUED"])
    busy = {_about(job) for job in jobs}
    # A job of ours that has just ended is still noted as running.
    others = {*alive} - {_executor_id()}
    running = turns.at_work() + sum(job.status == "PENDING" and job.executor_id in others for job in jobs)
    waiting = sum(job.status == "ENQUEUED" for job in jobs)
    for job in jobs:
        if job.status == "PENDING" and _is_dead(job, alive, unattended):
            _log.info("job_taken_over", job=job.workflow_id, executor=job.executor_id)
            DBOS._recover_pending_workflows([str(job.executor_id)])
    for workspace_id, name in due:
        if waiting >= len(alive) - running:
            break
        if f"{workspace_id}/{name}" not in busy:
            DBOS.enqueue_workflow_with_options(_options(workspace_id, name), workspace_id, name)
            waiting += 1
    return bool(jobs)


def _is_dead(job: "WorkflowStatus", alive: Collection[str], unattended: set[str]) -> bool:
    executor = str(job.executor_id)
    if executor == _executor_id():
        return False
    host, _, pid = executor.rpartition(":")
    if host == socket.gethostname() and pid.isdigit():
        return not is_running(int(pid))
    # Of another machine: silent, and its claim of the source has expired too.
    return executor not in alive and _about(job) in unattended


def _about(job: "WorkflowStatus") -> str:
    given = job.input["args"] if job.input else ()
    return "/".join(map(str, given))


def _options(workspace_id: str, source_name: str) -> Any:
    return {
        "workflow_name": _JOB,
        "queue_name": QUEUE,
        "app_version": _APPLICATION_VERSION,
        "deduplication_id": f"{workspace_id}/{source_name}",
        "duplication_policy": "return-existing",
    }


def _executor_id() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"


def _config(settings: Settings) -> "DBOSConfig":
    return {
        "name": "rung",
        "system_database_url": _prepared_address(settings),
        "application_version": _APPLICATION_VERSION,
        "executor_id": _executor_id(),
        "serializer": _json_serializer(),
        "console_log_level": "WARNING",
    }


def _prepared_address(settings: Settings) -> str:
    """The address of the jobs' tables: a schema of their own in PostgreSQL, or a file beside the database."""
    if settings.database_url is not None:
        return settings.database_address
    path = settings.data_dir / "jobs.db"
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path)
    try:
        # DBOS does not set it, and without it readers and the writer block each other.
        connection.execute("PRAGMA journal_mode=WAL")
    finally:
        connection.close()
    return f"sqlite:///{path}"


def _json_serializer() -> "Serializer":
    """Jobs are stored as JSON: DBOS's default is pickle, by which a row in a table could run code."""
    from dbos import Serializer

    class JsonSerializer(Serializer):
        def serialize(self, data: Any) -> str:
            return json.dumps(data, default=str)

        def deserialize(self, serialized_data: str) -> Any:
            return json.loads(serialized_data)

        def name(self) -> str:
            return "rung_json"

    return JsonSerializer()
