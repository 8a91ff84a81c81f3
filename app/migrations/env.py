"""Alembic's entry: runs the revisions on the engine that `app.migrations` hands over."""

from typing import Any, Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext
from sqlalchemy import Connection
from sqlmodel import AutoString

from app.core.db import UtcDateTime
from app.core.errors import ConflictError
from app.migrations.tables import metadata


def _render(kind: str, item: Any, _context: AutogenContext) -> str | Literal[False]:
    """Writes our column types as plain SQLAlchemy, so that a revision stays readable when they change."""
    if kind == "type" and isinstance(item, UtcDateTime):
        return "sa.DateTime(timezone=True)"
    if kind == "type" and isinstance(item, AutoString):
        return "sa.String()"
    return False


def _guard_rows(connection: Connection, *, guarded: bool) -> None:
    """Sets whether SQLite holds rows to those that they name; to be called outside a transaction.

    A table that is made anew is dropped first, which SQLite refuses, or answers by deleting rows elsewhere,
    while other tables name its rows. What stands in the end is looked at before it is kept.
    """
    driver = connection.connection.dbapi_connection
    if connection.dialect.name == "sqlite" and driver is not None:
        driver.cursor().execute(f"PRAGMA foreign_keys={'ON' if guarded else 'OFF'}")


def _require_whole(connection: Connection) -> None:
    if connection.dialect.name != "sqlite":
        return
    lost = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
    if lost:
        tables = ", ".join(sorted({str(row[0]) for row in lost}))
        raise ConflictError(
            f"{len(lost)} rows name others that are not there, in: {tables}. Nothing was changed. "
            "Restore a backup, or ask for help with this message.",
            code="database_rows_lost",
        )


engine = context.config.attributes["engine"]
# On SQLite the write lock is taken at once, so that two processes that start together do not both migrate.
with engine.connect().execution_options(rung_begin="IMMEDIATE") as connection:
    _guard_rows(connection, guarded=False)
    try:
        context.configure(
            connection=connection,
            target_metadata=metadata(),
            render_item=_render,
            # SQLite can take tables back too, as our own BEGIN opens the transaction: all revisions or none.
            transactional_ddl=True,
        )
        with context.begin_transaction():
            context.run_migrations()
            _require_whole(connection)
        connection.commit()
    finally:
        connection.rollback()
        _guard_rows(connection, guarded=True)
