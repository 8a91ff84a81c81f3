"""A worker's process: started by hand, or by `serve` for as long as there is work and `serve` is there."""

import os
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING

import structlog

from app.core.config import Settings
from app.core.db import Database
from app.core.errors import RungError
from app.core.identity import DEFAULT_WORKSPACE_ID
from app.core.logs import configure_logging
from app.worker.jobs import run_worker
from ingest.sync.records.runs import Runs
from ingest.sync.workers.beside import EXIT_ANOTHER_IS_HERE, alone

if TYPE_CHECKING:
    from app.wiring import House
    from retrieval.generations import LiveIndex

_NICENESS = 15
_PARENT_LOOK_SECONDS = 0.5
_LAST_WORDS_SECONDS = 60
_SHUTDOWN_SECONDS = 30
_log = structlog.get_logger()


def run(*, idle_minutes: float | None = None, with_serve: int | None = None) -> None:
    """Runs a worker of this installation until it is asked to stop.

    Args:
        idle_minutes: end when there was nothing to do for so long.
        with_serve: number of the process that started it; it ends soon after that one is gone, and at once
            with exit code 75 where such a worker is on this data folder already.
    """
    stop = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stop.set())
    if with_serve is not None:
        threading.Thread(target=_end_with, args=(with_serve, stop), name="parent", daemon=True).start()
    from app.core.config import get_settings

    settings = get_settings()
    configure_logging(settings)
    if with_serve is None:
        _work(settings, stop, idle_minutes)
        return
    with alone(settings.data_dir) as is_alone:
        if not is_alone:
            sys.exit(EXIT_ANOTHER_IS_HERE)
        _work(settings, stop, idle_minutes)


def _work(settings: Settings, stop: threading.Event, idle_minutes: float | None) -> None:
    from app.wiring import House

    it = House(settings)
    try:
        _start_engine(it.index)
        give_way()
        it.scratch.tidy()
        reindexing = threading.Thread(target=it.reindexer.watch, args=(stop,), name="reindex", daemon=True)
        reindexing.start()
        try:
            run_worker(
                settings,
                it.database,
                lambda: it.sync,
                stop,
                idle_minutes=idle_minutes,
                busy=lambda: is_reindexing(it),
                tidy=it.scratch.tidy,
            )
        finally:
            stop.set()
            reindexing.join(timeout=_SHUTDOWN_SECONDS)
    finally:
        it.close()


def is_reindexing(house: "House") -> bool:
    """Whether a new index is being built or due."""
    return house.reindexer.status() is not None


def give_way() -> None:
    """Lets everything else on this machine go first: a search then hardly notices that a sync encodes.

    Call it once, after the index was asked for something: an engine that this process starts later would give
    way too.
    """
    os.nice(_NICENESS)


def enqueue_sync(settings: Settings, source_name: str, *, workspace_id: str = DEFAULT_WORKSPACE_ID) -> str:
    """Queues a sync and returns its run's id; a sync of that source which waits already is that one.

    The queued run is noted in the database that holds the source, where a worker finds it within seconds:
    it needs no worker to be there yet, and cannot be noted here and lost there.

    Raises:
        NotFoundError: `no_such_source`.
    """
    database = Database(settings.database_address)
    try:
        return Runs(database).queue(workspace_id, source_name)
    finally:
        database.close()


def _start_engine(index: "LiveIndex") -> None:
    try:
        index.stats()
    except RungError as error:
        _log.warning("index_not_there_yet", code=error.code, reason=error.message)


def _end_with(parent: int, stop: threading.Event) -> None:
    """Ends this process when its parent is gone: well if it can, else at once. What it leaves is resumed."""
    while os.getppid() == parent:
        time.sleep(_PARENT_LOOK_SECONDS)
    stop.set()
    time.sleep(_LAST_WORDS_SECONDS)
    os._exit(1)
