"""Watches the folders of sources, and wants a sync of each a moment after something changed in it."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

import structlog

from app.core.audit import AuditLog
from app.core.clock import Clock, utc_now
from app.core.db import Database
from app.core.identity import SYSTEM
from ingest.sync.records.runs import Runs
from ingest.sync.workers.queueing import PRIORITY_WATCH
from ingest.sync.workers.register import Workers

QUIET_MS = 1_500
"""So long nothing may change before a sync is wanted, so that a copy of many files is one sync."""

_LOOK_SECONDS = 2.0
_AGAIN_SECONDS = 30.0
"""A folder that could not be watched, or was replaced, is tried again so long after."""

_log = structlog.get_logger()
_Key = tuple[str, str]


class Watcher:
    """Keeps one thread for each source that is watched. Run it in a thread of a worker.

    Where a folder cannot be watched (it is away, a limit of the system, a drive that tells nothing), the
    source's schedule is left to find changes; that is said in the log and in the source's history, and the
    folder is tried again. What is watched again may have changed meanwhile, so a sync is wanted then.
    """

    def __init__(
        self,
        database: Database,
        audit: AuditLog,
        wake: Callable[[], None] = lambda: None,
        clock: Clock = utc_now,
    ) -> None:
        self._runs = Runs(database, clock)
        self._workers = Workers(database, clock)
        self._audit = audit
        self._wake = wake
        self._threads: dict[tuple[_Key, str], tuple[threading.Thread, threading.Event]] = {}
        self._ended_at: dict[tuple[_Key, str], float] = {}
        self._told: dict[_Key, str] = {}

    def run(self, stop: threading.Event) -> None:
        """Follows the sources as they are set up, changed and removed, until `stop` is set."""
        while not stop.is_set():
            try:
                self._follow()
            except Exception:  # noqa: BLE001 - logged; the next look tries again
                _log.exception("watch_look_failed")
            stop.wait(_LOOK_SECONDS)
        for thread, end in self._threads.values():
            end.set()
            thread.join()

    def _follow(self) -> None:
        wanted = {(key, str(settings.get("path", ""))) for key, settings in self._workers.watched().items()}
        for gone in self._threads.keys() - wanted:
            self._threads.pop(gone)[1].set()
            self._ended_at.pop(gone, None)
        now = time.monotonic()
        for place in wanted:
            thread, end = self._threads.get(place, (None, threading.Event()))
            if thread is not None and not thread.is_alive():
                ended_at = self._ended_at.setdefault(place, now)
                if now < ended_at + _AGAIN_SECONDS:
                    continue
            elif thread is not None:
                continue
            self._begin(place, end, again=self._ended_at.pop(place, None) is not None)

    def _begin(self, place: tuple[_Key, str], end: threading.Event, *, again: bool) -> None:
        key, path = place
        thread = threading.Thread(
            target=self._watch, args=(key, Path(path), end, again), name=f"watch-{key[1]}", daemon=True
        )
        self._threads[place] = (thread, end)
        thread.start()

    def _watch(self, key: _Key, path: Path, end: threading.Event, again: bool) -> None:
        from watchfiles import watch

        try:
            begun = _identity(path)
            self._told.pop(key, None)
            if again:
                self._want(key)
            for changes in watch(
                path, stop_event=end, debounce=QUIET_MS, rust_timeout=1_000, step=200, yield_on_timeout=True
            ):
                if changes:
                    self._want(key)
                if _identity(path) != begun:
                    return
        except Exception as error:  # noqa: BLE001 - said, and the schedule does it instead
            self._tell(key, f"{type(error).__name__}: {error}")

    def _want(self, key: _Key) -> None:
        workspace_id, name = key
        self._runs.queue(workspace_id, name, priority=PRIORITY_WATCH)
        self._wake()

    def _tell(self, key: _Key, reason: str) -> None:
        """Once, however often it is tried again for the same reason."""
        workspace_id, name = key
        if self._told.get(key) == reason:
            return
        self._told[key] = reason
        _log.warning("source_not_watched", source=name, reason=reason)
        self._audit.record(
            SYSTEM,
            "source.not_watched",
            "source",
            name,
            {"reason": reason, "instead": "the schedule finds changes"},
            workspace_id=workspace_id,
        )


def _identity(path: Path) -> tuple[int, int]:
    """Which folder stands there: one that was removed and made again is another, and tells the old watch
    nothing."""
    found = path.stat()
    return found.st_dev, found.st_ino
