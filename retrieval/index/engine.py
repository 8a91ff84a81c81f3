"""The engine's process: one for each index folder, shared by every process that reads or writes it.

`python -m retrieval.index.engine --data-dir DIR` is started by the first client and ends by itself. It is a
process of its own because Qdrant's engine holds the interpreter's lock while it works, which would stop
every other thread of a web server.
"""

import argparse
import fcntl
import json
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from app.core.errors import ConfigurationError, RungError, UnavailableError
from retrieval.index import wire
from retrieval.index.shard import Shard

_OPERATIONS = (
    "upsert",
    "update_payload",
    "set_access",
    "present",
    "keep_only",
    "delete_documents",
    "search",
    "stats",
    "flush",
    "vacuum",
)
_LOCK_WAIT_SECONDS = 60.0
_FLUSH_AFTER_SECONDS = 5.0
_FLUSH_AFTER_POINTS = 10_000
_VACUUM_AFTER_QUIET_SECONDS = 60.0
_TICK_SECONDS = 0.25
_FIRST_CLIENT_SECONDS = 10.0  # whoever started the engine is on the way


class Engine:
    """Serves the shard in a folder on a socket until nobody has been connected for a while."""

    def __init__(self, folder: Path, *, embedder: str, dimensions: int, idle_seconds: float) -> None:
        self._folder = folder
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._address = wire.socket_path(folder)
        self._idle_seconds = idle_seconds
        self._lock_file = _hold(self._folder / "engine.lock")
        self._identity = _identity(self._folder / "vectors.json", embedder, dimensions)
        self._shard = Shard(self._folder / "shard", dimensions)
        self._connections = 0
        self._count_lock = threading.Lock()
        self._last_request = self._last_flush = time.monotonic()
        self._greeted = False
        self._socket_file: tuple[int, int] | None = None
        self._stopping = threading.Event()

    def listen(self) -> socket.socket:
        """Opens the socket; a socket file that is still there belongs to an engine that is dead."""
        self._address.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        before = os.umask(0o177)
        try:
            listener.bind(str(self._address))
        finally:
            os.umask(before)
        self._socket_file = _file_identity(self._address)
        listener.listen(128)
        listener.settimeout(_TICK_SECONDS)
        return listener

    def serve(self, listener: socket.socket) -> None:
        """Answers until told to stop or idle, then closes the store."""
        while not self._stopping.is_set() and not self._idle() and not self._displaced():
            try:
                connection, _ = listener.accept()
            except TimeoutError:
                self._tidy()
                continue
            connection.settimeout(None)
            with self._count_lock:
                self._connections += 1
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()
            self._tidy()
        if not self._displaced():
            self._address.unlink()  # whoever comes now starts the next engine, which waits for this one
        listener.close()
        if self._shard.replaced and not self._stopping.is_set():
            self._shard.vacuum()
        self._shard.close()
        _log("stopped")

    def stop(self, *_: object) -> None:
        """Ends `serve` at its next tick."""
        self._stopping.set()

    def _idle(self) -> bool:
        quiet = time.monotonic() - self._last_request
        patience = self._idle_seconds if self._greeted else max(self._idle_seconds, _FIRST_CLIENT_SECONDS)
        return self._connections == 0 and quiet > patience

    def _displaced(self) -> bool:
        """Whether somebody removed the socket, or the whole folder, so that no client comes here any more."""
        return _file_identity(self._address) != self._socket_file

    def _tidy(self) -> None:
        now = time.monotonic()
        overdue = self._shard.unflushed and now - self._last_flush > _FLUSH_AFTER_SECONDS
        if overdue or self._shard.unflushed > _FLUSH_AFTER_POINTS:
            self._shard.flush()
            self._last_flush = time.monotonic()
        if self._shard.replaced and now - self._last_request > _VACUUM_AFTER_QUIET_SECONDS:
            self._shard.vacuum()

    def _talk(self, connection: socket.socket) -> None:
        try:
            with connection:
                while not self._stopping.is_set():
                    request = wire.receive(connection)
                    self._last_request = time.monotonic()
                    reply = self._reply(request)
                    if self._shard.closed and not reply[0]:
                        return  # without an answer the client asks the next engine
                    wire.send(connection, reply)
        except (OSError, ValueError) as error:
            if not isinstance(error, wire.ClosedError):
                _log(f"connection dropped: {error}")
        finally:
            with self._count_lock:
                self._connections -= 1
            self._last_request = time.monotonic()

    def _reply(self, request: Any) -> list[object]:
        try:
            operation, fields = request
            return [True, self._operation(operation)(**fields)]
        except RungError as error:
            return [False, error.code, error.message]
        except Exception as error:  # noqa: BLE001 (told to the client, which raises it)
            _log(f"request failed: {type(error).__name__}: {error}")
            return [False, "refused", f"{type(error).__name__}: {error}"]

    def _operation(self, name: str) -> Callable[..., object]:
        if name == "hello":
            return self._hello
        if name == "stop":
            return self.stop
        if name not in _OPERATIONS:
            raise ValueError(f"unknown operation {name!r}")
        found: Callable[..., object] = getattr(self._shard, name)
        return found

    def _hello(self, version: int, embedder: str, dimensions: int) -> int:
        if version != wire.PROTOCOL_VERSION:
            raise UnavailableError(
                f"The engine speaks version {wire.PROTOCOL_VERSION}.", code="other_version"
            )
        if (embedder, dimensions) != self._identity:
            raise _other_vectors(self._identity, (embedder, dimensions), self._folder)
        self._greeted = True
        return os.getpid()


def _file_identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.lstat()
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_ctime_ns


def _hold(path: Path) -> int:
    """Takes the lock that only one engine can have, before the store is touched; the file stays open."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    deadline = time.monotonic() + _LOCK_WAIT_SECONDS
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise UnavailableError(
                    f"Another engine holds {path} and does not end; stop it and try again.",
                    code="index_unavailable",
                ) from None
            time.sleep(0.02)
        else:
            return handle


def _identity(path: Path, embedder: str, dimensions: int) -> tuple[str, int]:
    """Which vectors the index holds, written down when it is made: those of two encoders never mix."""
    wanted = (embedder, dimensions)
    if not path.exists():
        unfinished = path.with_suffix(".new")
        unfinished.write_text(json.dumps({"embedder": embedder, "dimensions": dimensions}))
        unfinished.rename(path)
    stored = json.loads(path.read_text())
    found = (str(stored["embedder"]), int(stored["dimensions"]))
    if found != wanted:
        raise _other_vectors(found, wanted, path.parent)
    return found


def _other_vectors(found: tuple[str, int], wanted: tuple[str, int], folder: Path) -> ConfigurationError:
    return ConfigurationError(
        f"The index holds vectors of {found[0]} ({found[1]} numbers), but the settings ask for {wanted[0]} "
        f"({wanted[1]}). Move {folder} away and sync every source again.",
        code="other_vectors",
    )


def _log(line: str) -> None:
    moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    sys.stderr.write(f"{moment} engine {os.getpid()}: {line}\n")
    sys.stderr.flush()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m retrieval.index.engine", description=__doc__)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--embedder", required=True)
    parser.add_argument("--dimensions", type=int, required=True)
    parser.add_argument("--generation", default="")
    parser.add_argument("--idle-seconds", type=float, default=20.0)
    parser.add_argument("--ready-fd", type=int, help="told in one JSON line how the start went")
    return parser.parse_args()


def _tell(descriptor: int | None, outcome: list[object]) -> None:
    if descriptor is not None:
        os.write(descriptor, json.dumps(outcome).encode() + b"\n")
        os.close(descriptor)


def main() -> int:
    """Serves until idle. Returns the exit status."""
    arguments = _arguments()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        engine = Engine(
            wire.index_folder(arguments.data_dir, arguments.generation),
            embedder=arguments.embedder,
            dimensions=arguments.dimensions,
            idle_seconds=arguments.idle_seconds,
        )
        signal.signal(signal.SIGTERM, engine.stop)
        listener = engine.listen()
    except Exception as error:  # noqa: BLE001 (told to the client that waits, and logged)
        known = isinstance(error, RungError)
        code = error.code if isinstance(error, RungError) else "index_unavailable"
        _log(f"cannot start: {type(error).__name__}: {error}")
        _tell(arguments.ready_fd, [False, code, str(error) if known else f"{type(error).__name__}: {error}"])
        return 1
    _log("ready")
    _tell(arguments.ready_fd, [True])
    engine.serve(listener)
    return 0


if __name__ == "__main__":
    sys.exit(main())
