"""Alembic's entry: runs the revisions on the engine that `app.migrations` hands over."""

from typing import Any, Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext
from sqlmodel import AutoString

from app.core.db import UtcDateTime
from app.migrations.tables import metadata


def _render(kind: str, item: Any, _context: AutogenContext) -> str | Literal[False]:
    """Writes our column types as plain SQLAlchemy, so that a revision stays readable when they change."""
    if kind == "type" and isinstance(item, UtcDateTime):
        return "sa.DateTime(timezone=True)"
    if kind == "type" and isinstance(item, AutoString):
        return "sa.String()"
    return False


engine = context.config.attributes["engine"]
# On SQLite the write lock is taken at once, so that two processes that start together do not both migrate.
with engine.connect().execution_options(rung_begin="IMMEDIATE") as connection:
    context.configure(connection=connection, target_metadata=metadata(), render_item=_render)
    with context.begin_transaction():
        context.run_migrations()
    connection.commit()
