"""A session with a database that cannot write: rows in, nothing out."""

import sqlite3
import time
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from sqlalchemy import Engine, QueuePool, create_engine, event
from sqlalchemy.exc import DBAPIError

from ingest.connector import ReadContext
from ingest.connectors.sql.errors import database_error
from ingest.connectors.sql.settings import SqlSettings

Row = Mapping[str, Any]
_AS_TEXT = ("date", "timestamp", "timestamptz", "interval")
_STEPS_BETWEEN_LOOKS = 10_000


class ReadOnlyDatabase:
    """Every statement runs in a short transaction of its own, read-only at the server.

    PostgreSQL gets `default_transaction_read_only`, `BEGIN READ ONLY` and a statement timeout; SQLite files
    are opened with `mode=ro` and `query_only`. Statements always go with a parameter: PostgreSQL then takes
    one at a time only.
    """

    def __init__(self, settings: SqlSettings, context: ReadContext) -> None:
        self._settings = settings
        self._context = context
        self._made: Engine | None = None

    def rows(
        self, statement: str, parameters: Mapping[str, object] | None = None, *, most: int = 1
    ) -> Sequence[Row]:
        """What a SELECT without a LIMIT of its own gives, at most so many rows.

        Raises:
            InputError: the database refuses (`sign_in_failed`, `permission_missing`, `query_writes`, …).
            UnavailableError: it does not answer.
        """
        return self._context.calls.run(
            self._settings.host, lambda: self._read(statement, parameters or {}, most)[1]
        )

    def columns(self, statement: str) -> Sequence[str]:
        """The names of the columns that a SELECT would give. Raises as `rows` does."""
        return self._context.calls.run(self._settings.host, lambda: self._read(statement, {}, 0)[0])

    def quoted(self, name: str) -> str:
        """A name as it stands in a statement."""
        doubled = name.replace('"', '""')
        return f'"{doubled}"'

    def parameter(self, name: str) -> str:
        """Where a parameter stands in a statement."""
        return f":{name}" if self._settings.is_sqlite else f"%({name})s"

    def literal(self, text: str) -> str:
        """An admin's piece of SQL inside a statement with parameters."""
        return text if self._settings.is_sqlite else text.replace("%", "%%")

    def close(self) -> None:
        if self._made is not None:
            self._made.dispose()
            self._made = None

    def _read(
        self, statement: str, parameters: Mapping[str, object], most: int
    ) -> tuple[list[str], list[Row]]:
        limited = f"{statement} LIMIT {self.parameter('rung_most')}"
        try:
            with self._engine().connect() as connection:
                found = connection.exec_driver_sql(limited, {**parameters, "rung_most": most})
                return list(found.keys()), [dict(row) for row in found.mappings()]
        except DBAPIError as error:
            raise database_error(self._settings, error) from None

    def _engine(self) -> Engine:
        if self._made is None:
            self._made = self._sqlite() if self._settings.is_sqlite else self._postgres()
        return self._made

    def _postgres(self) -> Engine:
        timeout_ms = self._settings.statement_timeout_seconds * 1_000
        options = {
            "default_transaction_read_only": "on",
            "statement_timeout": timeout_ms,
            "timezone": "UTC",
            "datestyle": "ISO",
        }
        engine = create_engine(
            self._settings.url,
            pool_size=1,
            max_overflow=0,
            pool_pre_ping=True,
            hide_parameters=True,
            connect_args={
                "options": " ".join(f"-c {name}={value}" for name, value in options.items()),
                "connect_timeout": 15,
                "application_name": "rung",
            },
            execution_options={"postgresql_readonly": True},
        )
        event.listen(engine, "connect", _times_as_text)
        return engine

    def _sqlite(self) -> Engine:
        path = f"file:{quote(str(self._settings.url.database))}?mode=ro"
        seconds = self._settings.statement_timeout_seconds

        def connect() -> sqlite3.Connection:
            connection = sqlite3.connect(path, uri=True, check_same_thread=False, timeout=10)
            connection.execute("PRAGMA query_only = ON")
            started = time.monotonic()

            def too_long() -> bool:
                return time.monotonic() - started > seconds

            def begin(_: str) -> None:
                nonlocal started
                started = time.monotonic()

            connection.set_trace_callback(begin)
            connection.set_progress_handler(too_long, _STEPS_BETWEEN_LOOKS)
            return connection

        return create_engine(
            "sqlite://",
            creator=connect,
            poolclass=QueuePool,
            pool_size=1,
            max_overflow=0,
            hide_parameters=True,
        )


def _times_as_text(connection: Any, _: object) -> None:
    """Python has no `infinity` and no year 0: one such value must not end the reading of a page."""
    from psycopg.types.string import TextLoader

    for name in _AS_TEXT:
        connection.adapters.register_loader(name, TextLoader)
