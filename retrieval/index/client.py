"""The client's side of the engine: a few connections, and the start of an engine where none answers."""

import fcntl
import json
import os
import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from app.core.config import PROJECT_DIR
from app.core.errors import ConfigurationError, RungError, UnavailableError
from retrieval.index import wire

_ATTEMPTS = 3
_MAX_IDLE_CONNECTIONS = 8
_MAX_LOG_BYTES = 1_000_000


class EngineClient:
    """Calls the engine of one data folder, from any thread and also after a fork.

    Every operation of the engine may be repeated without harm, so a call whose engine died is sent again
    to the next one; three deaths in one call end it.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        embedder: str,
        dimensions: int,
        generation: str = "",
        idle_seconds: float = 20.0,
        timeout_seconds: float = 120.0,
        start_seconds: float = 120.0,
    ) -> None:
        self._data_dir = data_dir.resolve()
        self._generation = generation
        self._folder = wire.index_folder(self._data_dir, generation)
        self._embedder = embedder
        self._dimensions = dimensions
        self._idle_seconds = idle_seconds
        self._timeout_seconds = timeout_seconds
        self._start_seconds = start_seconds
        self._free: list[socket.socket] = []
        self._lock = threading.Lock()
        self._owner = os.getpid()
        self._closed = False

    def call(self, operation: str, **fields: object) -> Any:
        """The engine's answer to one operation.

        Raises:
            UnavailableError: `index_unavailable`, when no engine starts, answers in time or accepts it.
            ConfigurationError: `other_vectors`, when the index was made by another encoder.
        """
        problem: Exception | None = None
        for _ in range(_ATTEMPTS):
            connection = self._take()
            try:
                wire.send(connection, [operation, fields])
                reply = wire.receive(connection)
            except TimeoutError as error:
                connection.close()
                raise self._unavailable(f"no answer within {self._timeout_seconds:g} seconds") from error
            except OSError as error:  # the engine died, or stopped between two calls
                connection.close()
                self._drop()
                problem = error
                continue
            except BaseException:
                connection.close()
                raise
            self._give(connection)
            return self._result(operation, reply)
        raise self._unavailable(f"it died {_ATTEMPTS} times during {operation} ({problem})") from problem

    def close(self) -> None:
        """Drops the connections; the engine ends by itself once nobody is connected.

        A call that is under way in another thread drops its own when it ends.
        """
        self._closed = True
        self._drop()

    def stop(self) -> None:
        """Ends the engine, if one runs, and waits until it has let go of its files.

        Raises:
            UnavailableError: `index_unavailable`, when it does not end.
        """
        self.close()
        connection = self._greet()
        if connection is not None:
            with connection:
                wire.send(connection, ["stop", {}])
        lock = self._folder / "engine.lock"
        if not lock.exists():
            return
        handle = os.open(lock, os.O_RDWR | os.O_CLOEXEC)
        try:
            self._await_lock(handle, "it does not end")
        finally:
            os.close(handle)

    def _drop(self) -> None:
        with self._lock:
            free, self._free = self._free, []
        for connection in free:
            connection.close()

    def _take(self) -> socket.socket:
        with self._lock:
            if self._owner != os.getpid():  # a fork must not write into its parent's connections
                self._free, self._owner = [], os.getpid()
            if self._free:
                return self._free.pop()
        return self._connect()

    def _give(self, connection: socket.socket) -> None:
        with self._lock:
            if not self._closed and len(self._free) < _MAX_IDLE_CONNECTIONS:
                self._free.append(connection)
                return
        connection.close()

    def _connect(self) -> socket.socket:
        connection = self._greet()
        if connection is not None:
            return connection
        with self._only_starter():
            return self._greet() or self._start()

    def _start(self) -> socket.socket:
        deadline = time.monotonic() + self._start_seconds
        for _ in range(_ATTEMPTS):
            self._launch(deadline)
            connection = self._greet()
            if connection is not None:
                return connection
        raise self._unavailable(f"it ended {_ATTEMPTS} times while starting")

    def _greet(self) -> socket.socket | None:
        """A connection that the engine has accepted, or nothing where none listens (any more)."""
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(self._timeout_seconds)
        try:
            connection.connect(str(wire.socket_path(self._folder)))
            fields = {
                "version": wire.PROTOCOL_VERSION,
                "embedder": self._embedder,
                "dimensions": self._dimensions,
            }
            wire.send(connection, ["hello", fields])
            reply = wire.receive(connection)
            if not reply[0] and reply[1] == "other_version":
                wire.send(connection, ["stop", {}])
                wire.receive(connection)
        except TimeoutError as error:
            connection.close()
            raise self._unavailable(f"no answer within {self._timeout_seconds:g} seconds") from error
        except OSError:  # no file, nobody listens, or it went away just now
            connection.close()
            return None
        if reply[0]:
            return connection
        connection.close()
        if reply[1] == "other_version":
            return None
        return self._result("hello", reply)  # type: ignore[no-any-return]  # always raises

    def _result(self, operation: str, reply: list[Any]) -> Any:
        if reply[0]:
            return reply[1]
        _, code, message = reply
        if code == "other_vectors":
            raise ConfigurationError(message, code=code)
        raise self._unavailable(f"{operation} was refused: {message}")

    @contextmanager
    def _only_starter(self) -> Iterator[None]:
        """Lets one client at a time look for an engine and start one."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(self._folder / "start.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            self._await_lock(handle, "another process has been starting it for too long")
            yield
        finally:
            os.close(handle)

    def _await_lock(self, handle: int, otherwise: str) -> None:
        deadline = time.monotonic() + self._start_seconds
        while True:
            try:
                return fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise self._unavailable(otherwise) from None
                time.sleep(0.01)

    def _launch(self, deadline: float) -> None:
        reading, writing = os.pipe()
        try:
            with self._log_path().open("ab") as log:
                process = subprocess.Popen(  # noqa: S603 (our own interpreter, no shell)
                    self._command(writing),
                    cwd=PROJECT_DIR,
                    env={k: v for k, v in os.environ.items() if not k.startswith("RUNG_")},
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    pass_fds=(writing,),
                    start_new_session=True,
                )
        except OSError as error:
            os.close(reading)
            raise self._unavailable(f"it cannot be started: {error}") from error
        finally:
            os.close(writing)
        # Reaps the engine when it ends, so that none stays behind as a zombie of a long-lived web process.
        threading.Thread(target=process.wait, daemon=True, name="index-engine-reaper").start()
        try:
            self._await_ready(reading, deadline)
        finally:
            os.close(reading)

    def _await_ready(self, reading: int, deadline: float) -> None:
        line = b""
        while not line.endswith(b"\n"):
            ready, _, _ = select.select([reading], [], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                raise self._unavailable(f"it was not ready within {self._start_seconds:g} seconds")
            piece = os.read(reading, 65536)
            if not piece:
                return  # killed before it could tell
            line += piece
        outcome = json.loads(line)
        if not outcome[0]:
            self._result("start", outcome)

    def _command(self, ready_fd: int) -> list[str]:
        return [
            sys.executable,
            "-m",
            "retrieval.index.engine",
            f"--data-dir={self._data_dir}",
            f"--embedder={self._embedder}",
            f"--dimensions={self._dimensions}",
            f"--generation={self._generation}",
            f"--idle-seconds={self._idle_seconds}",
            f"--ready-fd={ready_fd}",
        ]

    def _log_path(self) -> Path:
        path = self._folder / "engine.log"
        if path.exists() and path.stat().st_size > _MAX_LOG_BYTES:
            path.replace(path.with_suffix(".log.1"))
        return path

    def _unavailable(self, why: str) -> RungError:
        log = self._folder / "engine.log"
        return UnavailableError(
            f"The search index does not answer: {why}. Its log is {log}.", code="index_unavailable"
        )
