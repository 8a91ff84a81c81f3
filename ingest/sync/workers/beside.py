"""The worker that `serve` keeps beside it: its place on the data folder, and what is wrong with it."""

import fcntl
import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog

from app.core.processes import is_running

EXIT_ANOTHER_IS_HERE = 75
"""How such a worker ends while another one is on the data folder."""

LOCK_FILE = "worker.lock"
_TROUBLE_FILE = "worker-trouble.json"
_log = structlog.get_logger()


@contextmanager
def alone(data_dir: Path) -> Iterator[bool]:
    """Takes the place of the one worker that `serve` keeps on a data folder; tells whether it was free.

    The system gives the place back when the process ends, however it ends.
    """
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (data_dir / LOCK_FILE).open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True


class WorkerTrouble:
    """Why no worker can be kept, for the pages and for `doctor`, which runs elsewhere.

    It stands in the data folder, and counts while the process lives that wrote it.
    """

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / _TROUBLE_FILE
        self._lock = threading.Lock()
        self._own: str | None = None

    def note(self, message: str) -> None:
        """Says what is wrong, in place of what was said before."""
        with self._lock:
            self._own = message
            try:
                partial = self._path.with_suffix(".partial")
                partial.write_text(json.dumps({"pid": os.getpid(), "message": message}))
                partial.replace(self._path)
            except OSError as error:
                _log.warning("worker_trouble_not_written", reason=str(error))

    def clear(self) -> None:
        """All is well again."""
        with self._lock:
            self._own = None
            self._path.unlink(missing_ok=True)

    def read(self) -> str | None:
        """What is wrong, in words that say what to do; nothing where all is well."""
        with self._lock:
            if self._own is not None:
                return self._own
        try:
            found = json.loads(self._path.read_text())
            return str(found["message"]) if is_running(int(found["pid"])) else None
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            return f"{self._path} cannot be read ({error}); remove it and start `serve` again."
