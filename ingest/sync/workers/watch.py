"""Watches the folders of sources, and wants a sync of each a moment after something changed in it."""

import threading
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
_log = structlog.get_logger()
_Key = tuple[str, str]


class Watcher:
    """Keeps one thread for each source that is watched. Run it in a thread of a worker.

    Where a folder cannot be watched (a limit of the system, a drive that tells nothing), the source's
    schedule is left to find changes; that is said in the log and in the source's history.
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
        for key, path in wanted - self._threads.keys():
            end = threading.Event()
            thread = threading.Thread(
                target=self._watch, args=(key, Path(path), end), name=f"watch-{key[1]}", daemon=True
            )
            self._threads[key, path] = (thread, end)
            thread.start()

    def _watch(self, key: _Key, path: Path, end: threading.Event) -> None:
        from watchfiles import watch

        workspace_id, name = key
        try:
            for _ in watch(path, stop_event=end, debounce=QUIET_MS, rust_timeout=1_000, step=200):
                self._runs.queue(workspace_id, name, priority=PRIORITY_WATCH)
                self._wake()
        except Exception as error:  # noqa: BLE001 - said, and the schedule does it instead
            reason = f"{type(error).__name__}: {error}"
            _log.warning("source_not_watched", source=name, reason=reason)
            self._audit.record(
                SYSTEM,
                "source.not_watched",
                "source",
                name,
                {"reason": reason, "instead": "the schedule finds changes"},
                workspace_id=workspace_id,
            )
