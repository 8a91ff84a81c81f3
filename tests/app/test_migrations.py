"""The revisions make exactly the tables that the code declares, on both databases."""

from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect, text

from app.core.db import Database
from app.core.errors import ConfigurationError
from app.migrations import current, head, require_current, upgrade
from app.migrations.tables import metadata


@pytest.fixture(params=["sqlite", "postgres"])
def make_empty(
    request: pytest.FixtureRequest, tmp_path: Path, make_postgres: Callable[[], Database]
) -> Callable[[], Database]:
    if request.param == "postgres":
        return make_postgres
    return lambda: Database(f"sqlite:///{tmp_path / uuid4().hex}.db")


@pytest.fixture
def empty(make_empty: Callable[[], Database]) -> Iterator[Database]:
    database = make_empty()
    yield database
    database.close()


def test_the_revisions_and_the_declared_tables_are_the_same(empty: Database) -> None:
    upgrade(empty)
    with empty.engine.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), metadata())
    assert differences == []


def test_the_ledger_is_guarded_as_its_declaration_says(make_empty: Callable[[], Database]) -> None:
    migrated, declared = make_empty(), make_empty()
    upgrade(migrated)
    metadata().create_all(declared.engine)
    query = text(
        "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' ORDER BY name"
        if migrated.is_sqlite
        else "SELECT tgname, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal ORDER BY tgname"
    )
    with migrated.read() as found, declared.read() as wanted:
        guards = found.connection().execute(query).all()
        assert guards and guards == wanted.connection().execute(query).all()


def test_an_empty_database_gets_its_tables_and_a_current_one_is_left_alone(empty: Database) -> None:
    require_current(empty)
    assert current(empty) == head()
    require_current(empty)
    assert "ledger" in inspect(empty.engine).get_table_names()


@pytest.mark.parametrize(("revision", "code"), [("9999", "database_ahead"), (None, "database_behind")])
def test_a_database_of_another_version_is_refused(empty: Database, revision: str | None, code: str) -> None:
    upgrade(empty)
    with empty.write() as session:
        session.connection().execute(text("DELETE FROM alembic_version"))
        if revision:
            session.connection().execute(text(f"INSERT INTO alembic_version VALUES ('{revision}')"))
    with pytest.raises(ConfigurationError) as refused:
        require_current(empty)
    assert refused.value.code == code
