"""The language between a client and the engine: where the socket is, and how a message is framed.

A frame is its length in four bytes, big endian, then one msgpack value. A request is `[operation, fields]`,
a reply `[true, result]` or `[false, code, message]`. msgpack builds plain values only, so a message can
never run code.
"""

import os
import socket
import stat
import struct
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgpack

from app.core.errors import UnavailableError

PROTOCOL_VERSION = 1
"""Raised with every change of messages or storage: a client replaces an engine of another version."""

MAX_FRAME_BYTES = 256 * 1024 * 1024
_MAX_ADDRESS_BYTES = 100  # the kernel allows 108 on Linux, 104 on macOS
_LENGTH = struct.Struct(">I")


class ClosedError(ConnectionError):
    """The other side closed the connection between two frames or within one."""


def index_folder(data_dir: Path, generation: str = "") -> Path:
    """The folder that holds the shard, the locks, the log and the socket of one generation of the index."""
    return data_dir / "index" / generation if generation else data_dir / "index"


def socket_path(folder: Path) -> Path:
    """Where the engine of an index folder listens; a short private path where the usual one is too long.

    Raises:
        UnavailableError: the private folder belongs to somebody else.
    """
    usual = folder / "engine.sock"
    if len(os.fsencode(usual)) <= _MAX_ADDRESS_BYTES:
        return usual
    name = sha256(os.fsencode(folder.resolve())).hexdigest()[:16]
    return _private_folder() / f"{name}.sock"


def _private_folder() -> Path:
    # Not tempfile.gettempdir(): processes with another TMPDIR must meet at the same socket.
    folder = Path(f"/tmp/rung-{os.getuid()}")  # noqa: S108 (owner and mode are checked below)
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or status.st_mode & 0o077:
        raise UnavailableError(
            f"{folder} must be a folder that only you can open; remove it, or set a shorter RUNG_DATA_DIR.",
            code="index_unavailable",
        )
    return folder


def send(connection: socket.socket, message: object) -> None:
    """Writes one frame."""
    body = msgpack.packb(message)
    if len(body) > MAX_FRAME_BYTES:
        raise ValueError(
            f"a message of {len(body)} bytes is over {MAX_FRAME_BYTES}; send fewer points at once"
        )
    connection.sendall(_LENGTH.pack(len(body)) + body)


def receive(connection: socket.socket) -> Any:
    """Reads one frame.

    Raises:
        ClosedError: the other side has gone.
        ValueError: what came is no frame.
    """
    (length,) = _LENGTH.unpack(_exactly(connection, _LENGTH.size))
    if length > MAX_FRAME_BYTES:
        raise ValueError(f"a frame of {length} bytes is over {MAX_FRAME_BYTES}")
    return msgpack.unpackb(_exactly(connection, length))


def _exactly(connection: socket.socket, count: int) -> bytearray:
    data = bytearray(count)
    view, filled = memoryview(data), 0
    while filled < count:
        got = connection.recv_into(view[filled:])
        if got == 0:
            raise ClosedError("the other side closed the connection")
        filled += got
    return data
