"""The database: SQLite by default, PostgreSQL by one setting, the same tables and sessions on both.

A session is either a `read` or a `write`. A write on SQLite takes the lock at once (`BEGIN IMMEDIATE`) and
one at a time in this process: a transaction that reads first and writes later fails when another
writer came between, and no busy timeout helps it.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import (
    BigInteger,
    Connection,
    DateTime,
    Dialect,
    Engine,
    Integer,
    TypeDecorator,
    create_engine,
    event,
)
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError
from sqlmodel import Session

from app.core.errors import UnavailableError

_BUSY_TIMEOUT_MS = 30_000

BigInt = BigInteger().with_variant(Integer(), "sqlite")
"""A 64-bit integer on both databases (SQLite numbers its rows only for INTEGER)."""


class UtcDateTime(TypeDecorator[datetime]):
    """A moment with its time zone. SQLite stores none, so it is written and read as UTC."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a stored moment needs a time zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Database:
    """One database and its connections.

    Args:
        address: a SQLAlchemy address, `sqlite:///FILE` or `postgresql+psycopg://…`.
    """

    def __init__(self, address: str) -> None:
        self._url = make_url(address)
        self._write_lock = threading.Lock()
        self._writing_thread: int | None = None
        self.engine = self._make_engine()

    @property
    def is_sqlite(self) -> bool:
        return self._url.get_backend_name() == "sqlite"

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A session that sees one state of the database; what it would change is not kept.

        Raises:
            UnavailableError: `database_unavailable`, when the database does not answer.
        """
        # PostgreSQL's default lets every statement see what was committed in the meantime.
        engine = (
            self.engine
            if self.is_sqlite
            else self.engine.execution_options(isolation_level="REPEATABLE READ")
        )
        with _plain_errors(), Session(engine, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A session whose changes are committed together at the end, or not at all when anything raises.

        Raises:
            UnavailableError: `database_unavailable`, when the database does not answer.
            RuntimeError: on SQLite, when this thread is inside a write already; it would wait for itself.
        """
        if not self.is_sqlite:
            with _plain_errors(), Session(self.engine, expire_on_commit=False) as session, session.begin():
                yield session
            return
        if self._writing_thread == threading.get_ident():
            raise RuntimeError("this thread is inside a write already; join its session, or end it first")
        with self._write_lock, _plain_errors(), self.engine.connect() as connection:
            self._writing_thread = threading.get_ident()
            try:
                immediate = connection.execution_options(rung_begin="IMMEDIATE")
                with Session(immediate, expire_on_commit=False) as session, session.begin():
                    yield session
            finally:
                self._writing_thread = None

    def ping(self) -> None:
        """Raises UnavailableError `database_unavailable` when the database does not answer."""
        with self.read() as session:
            session.connection().exec_driver_sql("SELECT 1")

    def close(self) -> None:
        self.engine.dispose()

    def _make_engine(self) -> Engine:
        if not self.is_sqlite:
            return create_engine(self._url, pool_pre_ping=True, pool_size=10, max_overflow=20)
        if self._url.database:
            Path(self._url.database).parent.mkdir(parents=True, exist_ok=True)
        engine = create_engine(
            self._url, connect_args={"check_same_thread": False, "timeout": _BUSY_TIMEOUT_MS / 1000}
        )
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine


@contextmanager
def _plain_errors() -> Iterator[None]:
    """Says in words that the database cannot be reached, is locked, or has no room left."""
    try:
        yield
    except OperationalError as error:
        reason = str(error.orig).strip().partition("\n")[0]
        raise UnavailableError(
            f"The database does not answer: {reason}. Check that it runs, has room, and RUNG_DATABASE_URL.",
            code="database_unavailable",
        ) from error


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    # The driver's own BEGIN is deferred and comes late; ours is sent by _begin_sqlite.
    connection.isolation_level = None
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        f"busy_timeout={_BUSY_TIMEOUT_MS}",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    mode = connection.get_execution_options().get("rung_begin", "DEFERRED")
    connection.exec_driver_sql(f"BEGIN {mode}")
