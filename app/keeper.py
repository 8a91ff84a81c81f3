"""Keeps a worker beside the web server: a process of its own, there while there is work for it.

The serving process only looks into the database now and then, so it stays as small as it was. What a worker
that is killed leaves is gone on with by the next one.
"""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

import structlog

from app.core.config import PROJECT_DIR, Settings
from app.core.errors import RungError
from ingest.sync.workers.beside import EXIT_ANOTHER_IS_HERE, LOCK_FILE, WorkerTrouble, alone

IDLE_MINUTES = 5
LOG_FILE = "worker.log"
_LOOK_SECONDS = 1.0
_STEADY_SECONDS = 60.0
"""A worker that lived so long has started well."""
_TOO_SHORT_SECONDS = 10.0
"""One that ends by itself within this time has done nothing, whatever its exit code says."""
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 2.0, 300.0
_FAILURES_TO_SAY = 2
_SILENT_SECONDS = 180.0
_SHUTDOWN_SECONDS = 20
_LARGEST_LOG_BYTES = 5_000_000
_LAST_LINE_CHARACTERS = 300
_log = structlog.get_logger()


class WorkerKeeper:
    """Starts a worker when there is work and none is there; starts it again, ever less often, when it fails.

    Args:
        is_wanted: whether there is something to do.
        is_there: whether a worker is at work, wherever it was started.
        trouble: told what is wrong.
        command: what starts a worker.
        first_pause_seconds: how long after a failure it is started again; each further one doubles that.
    """

    def __init__(
        self,
        settings: Settings,
        is_wanted: Callable[[], bool],
        is_there: Callable[[], bool],
        trouble: WorkerTrouble,
        *,
        command: Sequence[str] | None = None,
        look_seconds: float = _LOOK_SECONDS,
        first_pause_seconds: float = _FIRST_PAUSE_SECONDS,
    ) -> None:
        self._settings = settings
        self._is_wanted = is_wanted
        self._is_there = is_there
        self._trouble = trouble
        self._command = tuple(command or _worker_command())
        self._look_seconds = look_seconds
        self._first_pause_seconds = first_pause_seconds
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="worker-keeper", daemon=True)
        self._child: subprocess.Popen[bytes] | None = None
        self._started_at = self._again_at = 0.0
        self._silent_since: float | None = None
        self._failures = 0
        self._log_begin = 0

    @property
    def log_path(self) -> Path:
        """What the worker writes, its errors among it."""
        return self._settings.data_dir / LOG_FILE

    @property
    def child_pid(self) -> int | None:
        """The number of the worker's process while it runs."""
        child = self._child
        return child.pid if child is not None and child.poll() is None else None

    def start(self) -> None:
        """Begins to look for work."""
        self._trouble.clear()
        self._thread.start()

    def close(self) -> None:
        """Ends the worker: well if it can within some seconds, else at once."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        child, self._child = self._child, None
        if child is not None and child.poll() is None:
            child.terminate()
            try:
                child.wait(_SHUTDOWN_SECONDS)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        self._trouble.clear()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._look()
            except RungError as error:
                _log.warning("worker_keeper_look_failed", code=error.code, reason=error.message)
            except Exception:  # noqa: BLE001 - logged; the next look tries again
                _log.exception("worker_keeper_crashed")
            self._stop.wait(self._look_seconds)

    def _look(self) -> None:
        now = time.monotonic()
        if self._child is not None:
            code = self._child.poll()
            if code is None:
                if now - self._started_at > _STEADY_SECONDS:
                    self._is_well()
                return
            self._child = None
            self._ended(code, now - self._started_at, now)
        if now < self._again_at or not self._is_wanted():
            return
        if self._is_there():
            self._is_well()
        elif self._place_is_free():
            self._silent_since = None
            self._start_child(now)
        else:
            self._wait_for_silent(now)

    def _is_well(self) -> None:
        self._silent_since = None
        if self._failures or self._trouble.read() is not None:
            self._failures = 0
            self._trouble.clear()

    def _place_is_free(self) -> bool:
        with alone(self._settings.data_dir) as is_free:
            return is_free

    def _start_child(self, now: float) -> None:
        self._started_at = now
        try:
            with self._open_log() as log:
                self._log_begin = log.tell()
                self._child = subprocess.Popen(  # noqa: S603 - our own command
                    self._command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env=_environment(self._settings),
                    # Ctrl-C in the terminal is for the server, which ends its worker itself.
                    start_new_session=True,
                )
        except OSError as error:
            self._failed(f"cannot be started: {error}", now)
            return
        _log.info("worker_process_started", pid=self._child.pid, log=str(self.log_path))

    def _open_log(self) -> BinaryIO:
        path = self.log_path
        if path.exists() and path.stat().st_size > _LARGEST_LOG_BYTES:
            path.replace(path.with_suffix(".log.1"))
        log = os.fdopen(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "ab")
        log.seek(0, os.SEEK_END)
        return log

    def _ended(self, code: int, lived_seconds: float, now: float) -> None:
        if code == EXIT_ANOTHER_IS_HERE:
            self._again_at = now + self._first_pause_seconds
            return
        if lived_seconds > _STEADY_SECONDS:
            self._failures = 0
        if code == 0 and lived_seconds > _TOO_SHORT_SECONDS:
            _log.info("worker_process_ended")
            self._is_well()
            return
        how = f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
        last = self._last_line()
        self._failed(f"{how}, saying last: {last}" if last else how, now)

    def _failed(self, how: str, now: float) -> None:
        self._failures += 1
        pause = min(_LONGEST_PAUSE_SECONDS, self._first_pause_seconds * 2.0 ** min(self._failures - 1, 20))
        self._again_at = now + pause
        _log.warning("worker_process_failed", how=how, failures=self._failures, again_in_seconds=pause)
        if self._failures >= _FAILURES_TO_SAY:
            self._trouble.note(
                f"Nothing is synced: the worker that `serve` starts failed {self._failures} times in a row. "
                f"It {how}. It is tried again every few minutes at the latest; look into {self.log_path}, "
                "or run `python -m app worker` by hand to see why."
            )

    def _wait_for_silent(self, now: float) -> None:
        """Another worker has the place; one that starts is heard of within a minute."""
        if self._silent_since is None:
            self._silent_since = now
        elif now - self._silent_since > _SILENT_SECONDS:
            self._trouble.note(
                "Nothing is synced: a worker is there that gives no sign of life. End the process that holds "
                f"{self._settings.data_dir / LOCK_FILE}; the next one goes on where it was."
            )

    def _last_line(self) -> str:
        try:
            with self.log_path.open("rb") as log:
                log.seek(max(self._log_begin, log.seek(0, os.SEEK_END) - 4000))
                lines = log.read().decode(errors="replace").split("\n")
        except OSError as error:
            return f"(its log cannot be read: {error})"
        return next((line.strip() for line in reversed(lines) if line.strip()), "")[:_LAST_LINE_CHARACTERS]


def _worker_command() -> tuple[str, ...]:
    about = ("--idle-minutes", str(IDLE_MINUTES), "--with-serve", str(os.getpid()))
    return (sys.executable, "-m", "app", "worker", *about)


def _environment(settings: Settings) -> Mapping[str, str]:
    """Ours, and the settings that say where the data is, which our caller may have chosen besides."""
    found = dict(os.environ)
    found["PYTHONPATH"] = os.pathsep.join(filter(None, (str(PROJECT_DIR), found.get("PYTHONPATH", ""))))
    found["RUNG_DATA_DIR"] = str(settings.data_dir)
    if settings.database_url is not None:
        found["RUNG_DATABASE_URL"] = settings.database_url.get_secret_value()
    return found
