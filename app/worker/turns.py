"""Who has a worker, and for how long: each run a turn, and a person's click at once."""

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

import structlog

from app.core.db import Database
from app.core.errors import RungError
from ingest.sync.records.runs import Runs
from ingest.sync.work import Turn, TurnOverError
from ingest.sync.workers.register import Workers

if TYPE_CHECKING:
    from ingest.sync import SyncEngine

TURN_SECONDS = 20.0
_log = structlog.get_logger()
_Key = tuple[str, str]


class Turns:
    """The syncs that this worker is at.

    Args:
        engine: makes or returns the engine.
        seconds: how long a run has the worker while others wait for it.
    """

    def __init__(
        self, engine: Callable[[], "SyncEngine"], database: Database, workers: Workers, seconds: float
    ) -> None:
        self._engine = engine
        self._workers = workers
        self._turn = Turn(others_wait=lambda: bool(Runs(database).due()), seconds=seconds)
        self._lock = threading.Lock()
        self._stops: dict[_Key, threading.Event] = {}
        self._ended = False

    def sync(self, workspace_id: str, source_name: str) -> dict[str, str]:
        """The job. It never raises: how a sync failed is stored with its run, and the job is done then."""
        key, stop = (workspace_id, source_name), threading.Event()
        with self._lock:
            if self._ended:
                stop.set()
            self._stops[key] = stop
        try:
            return self._sync(key, stop)
        finally:
            with self._lock:
                self._stops.pop(key, None)

    def make_room(self) -> None:
        """Ends the turn of a run now, at its next batch, where one of higher priority waits for a worker."""
        with self._lock:
            here = {key: stop for key, stop in self._stops.items() if not stop.is_set()}
        for (workspace_id, name), stop in here.items():
            if self._workers.is_outranked(workspace_id, name):
                _log.info("sync_makes_room", source=name)
                stop.set()

    def at_work(self) -> int:
        """How many syncs this worker is at now."""
        with self._lock:
            return len(self._stops)

    def end(self) -> None:
        """Has every sync of this worker end at its next batch, to be resumed by another."""
        with self._lock:
            self._ended = True
            for stop in self._stops.values():
                stop.set()

    def _sync(self, key: _Key, stop: threading.Event) -> dict[str, str]:
        workspace_id, name = key
        try:
            summary = self._engine().run(
                name, workspace_id=workspace_id, stop=stop, turn=self._turn, only_wanted=True
            )
        except TurnOverError as error:
            self._note_turn(key)
            return {"state": error.code, "message": error.message}
        except RungError as error:
            _log.warning("sync_not_done", source=name, code=error.code, reason=error.message)
            return {"state": error.code, "message": error.message}
        except Exception as error:  # noqa: BLE001 - the run is stored as failed; the job must not be run again
            _log.exception("sync_crashed", source=name)
            return {"state": "failed", "message": f"{type(error).__name__}: {error}"}
        _log.info("sync_done", source=name, state=summary.state, message=summary.message)
        return {"state": summary.state, "message": summary.message}

    def _note_turn(self, key: _Key) -> None:
        try:
            self._workers.had_turn(*key)
        except RungError as error:
            # It keeps its priority for one more turn.
            _log.warning("turn_not_noted", source=key[1], code=error.code, reason=error.message)
