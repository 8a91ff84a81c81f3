"""A database that is full of rows comes up to this version from every earlier one, and loses none of them."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.script import ScriptDirectory
from sqlalchemy.sql.sqltypes import TypeEngine

import app.migrations
from app.core.db import Database
from app.core.errors import ConflictError
from app.migrations import current, head, upgrade

_FOLDER = Path(app.migrations.__file__).parent
_REVISIONS = sorted(revision.revision for revision in ScriptDirectory(str(_FOLDER)).walk_revisions())
_ALLOWED = {
    ("ledger", "kind"): "grant",
    ("budget_entry", "scope"): "team",
    ("adapter_assignment", "scope"): "team",
    ("adapter_version", "state"): "retired",
}
"""Where only some words may stand."""


@pytest.fixture(params=["sqlite", "postgres"])
def database(
    request: pytest.FixtureRequest, tmp_path: Path, make_postgres: Callable[[], Database]
) -> Iterator[Database]:
    made = make_postgres() if request.param == "postgres" else Database(f"sqlite:///{tmp_path / 'full.db'}")
    yield made
    made.close()


@pytest.mark.parametrize("revision", _REVISIONS[:-1])
def test_rows_of_every_earlier_version_are_kept(database: Database, revision: str) -> None:
    upgrade(database, revision)
    filled = _fill(database)
    assert {"source", "document", "ledger"} <= set(filled)
    upgrade(database)
    assert current(database) == head()
    with database.read() as session:
        for table, keys in filled.items():
            kept = sa.table(table, *(sa.column(name) for name in keys))
            found = session.connection().execute(sa.select(*kept.columns)).all()
            assert tuple(keys.values()) in {tuple(row) for row in found}, table


def test_a_revision_that_would_leave_rows_without_their_parent_is_taken_back(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'full.db'}")
    upgrade(database, _REVISIONS[-2])
    with database.engine.connect() as connection:
        connection.connection.dbapi_connection.execute("PRAGMA foreign_keys=OFF")  # type: ignore[union-attr]
        now = datetime.now(UTC).replace(tzinfo=None)
        table = sa.Table("sync_run", sa.MetaData(), autoload_with=connection, resolve_fks=False)
        connection.execute(table.insert().values({c.name: _value(c.type, now) for c in table.columns}))
        connection.commit()
        connection.connection.dbapi_connection.execute("PRAGMA foreign_keys=ON")  # type: ignore[union-attr]
    with pytest.raises(ConflictError) as refused:
        upgrade(database)
    assert refused.value.code == "database_rows_lost"
    assert "sync_run" in str(refused.value)
    assert current(database) == _REVISIONS[-2]
    database.close()


def _fill(database: Database) -> dict[str, dict[str, str]]:
    """One row in every table there is; told are the keys that are words."""
    found = sa.MetaData()
    found.reflect(database.engine)
    now = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    filled: dict[str, dict[str, str]] = {}
    with database.write() as session:
        for table in found.sorted_tables:
            if table.name == "alembic_version":
                continue
            values = {
                column.name: _ALLOWED.get((table.name, column.name)) or _value(column.type, now)
                for column in table.columns
            }
            session.connection().execute(table.insert().values(values))
            keys = {column.name: values[column.name] for column in table.primary_key.columns}
            filled[table.name] = {name: key for name, key in keys.items() if isinstance(key, str)}
    return {table: keys for table, keys in filled.items() if keys}


def _value(kind: TypeEngine[Any], now: datetime) -> Any:
    if isinstance(kind, sa.DateTime):
        return now if kind.timezone else now.replace(tzinfo=None)
    if isinstance(kind, sa.Date):
        return now.date()
    if isinstance(kind, sa.Boolean):
        return False
    if isinstance(kind, sa.JSON):
        return []
    if isinstance(kind, sa.LargeBinary):
        return b"x"
    if isinstance(kind, sa.Integer | sa.Numeric | sa.Float):
        return 1
    return "1"
