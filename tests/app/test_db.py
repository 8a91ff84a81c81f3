import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Column, Integer, MetaData, String, Table, insert, select, text, update
from sqlalchemy.exc import IntegrityError, StatementError

from app.core.db import Database, UtcDateTime
from app.core.errors import UnavailableError

METADATA = MetaData()
COUNTER = Table("counter", METADATA, Column("name", String, primary_key=True), Column("value", Integer))
MOMENT = Table("moment", METADATA, Column("id", Integer, primary_key=True), Column("at", UtcDateTime))


@pytest.fixture
def counted(database: Database) -> Database:
    """A database with a counter at 0."""
    return _with_counter(database)


@pytest.fixture
def counted_sqlite(sqlite_database: Database) -> Database:
    return _with_counter(sqlite_database)


def _with_counter(database: Database) -> Database:
    METADATA.create_all(database.engine)
    with database.write() as session:
        session.connection().execute(insert(COUNTER).values(name="n", value=0))
    return database


def value(database: Database) -> int:
    with database.read() as session:
        return int(session.connection().execute(select(COUNTER.c.value)).scalar_one())


def add_one(database: Database) -> None:
    """Reads, then writes: what loses an update wherever two writers overlap."""
    with database.write() as session:
        before = session.connection().execute(select(COUNTER.c.value)).scalar_one()
        session.connection().execute(update(COUNTER).values(value=before + 1))


def test_a_write_is_kept_and_a_read_sees_it(counted: Database) -> None:
    add_one(counted)
    assert value(counted) == 1


def test_a_write_that_raises_keeps_nothing(counted: Database) -> None:
    with pytest.raises(ZeroDivisionError), counted.write() as session:
        session.connection().execute(update(COUNTER).values(value=7))
        raise ZeroDivisionError
    assert value(counted) == 0
    add_one(counted)
    assert value(counted) == 1


def test_a_constraint_that_fails_leaves_the_database_usable(counted: Database) -> None:
    with pytest.raises(IntegrityError), counted.write() as session:
        session.connection().execute(insert(COUNTER).values(name="n", value=1))
    add_one(counted)
    assert value(counted) == 1


def test_what_a_read_changes_is_not_kept(counted: Database) -> None:
    with counted.read() as session:
        session.connection().execute(update(COUNTER).values(value=7))
    assert value(counted) == 0


def test_a_read_sees_one_state_while_others_write(counted: Database) -> None:
    with counted.read() as session:
        first = session.connection().execute(select(COUNTER.c.value)).scalar_one()
        add_one(counted)
        again = session.connection().execute(select(COUNTER.c.value)).scalar_one()
    assert (first, again, value(counted)) == (0, 0, 1)


def test_a_write_inside_a_write_of_the_same_thread_is_an_error_and_no_deadlock(
    counted_sqlite: Database,
) -> None:
    with (
        counted_sqlite.write(),
        pytest.raises(RuntimeError, match="already"),
        counted_sqlite.write(),
    ):
        pass
    add_one(counted_sqlite)
    assert value(counted_sqlite) == 1


def test_writers_in_many_threads_lose_nothing(counted_sqlite: Database) -> None:
    with ThreadPoolExecutor(16) as threads:
        list(threads.map(lambda _: add_one(counted_sqlite), range(160)))
    assert value(counted_sqlite) == 160


ADDER = """
import sys
from app.core.db import Database
from tests.app.test_db import add_one
database = Database(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
for _ in range(60):
    add_one(database)
database.close()
"""


@pytest.fixture
def two_adders(counted_sqlite: Database) -> Iterator[list[subprocess.Popen[str]]]:
    address = counted_sqlite.engine.url.render_as_string()
    command = [sys.executable, "-c", ADDER, address]
    started = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    yield started
    for process in started:
        process.kill()
        process.communicate()


def test_writers_in_two_processes_lose_nothing(
    counted_sqlite: Database, two_adders: list[subprocess.Popen[str]]
) -> None:
    for process in two_adders:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
    for process in two_adders:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for _ in range(60):
        add_one(counted_sqlite)
    assert [process.wait(60) for process in two_adders] == [0, 0]
    assert value(counted_sqlite) == 180


def test_sqlite_is_set_up_to_survive_a_crash(sqlite_database: Database) -> None:
    with sqlite_database.read() as session:
        run = session.connection().exec_driver_sql
        assert run("PRAGMA journal_mode").scalar() == "wal"
        assert run("PRAGMA synchronous").scalar() == 2
        assert run("PRAGMA foreign_keys").scalar() == 1


def test_moments_keep_their_instant_and_their_order(counted: Database) -> None:
    noon = datetime(2026, 3, 29, 12, 0, 0, 123_456, tzinfo=UTC)
    elsewhere = (noon - timedelta(hours=1)).astimezone(timezone(timedelta(hours=9)))
    with counted.write() as session:
        rows: list[dict[str, object]] = [
            {"id": 1, "at": noon},
            {"id": 2, "at": elsewhere},
            {"id": 3, "at": None},
        ]
        session.connection().execute(insert(MOMENT), rows)
    with counted.read() as session:
        rows_found = session.connection().execute(select(MOMENT.c.id, MOMENT.c.at))
        found = {row.id: row.at for row in rows_found}
        earlier = select(MOMENT.c.id).where(MOMENT.c.at < noon)
        assert session.connection().execute(earlier).scalars().all() == [2]
    assert found == {1: noon, 2: elsewhere, 3: None}
    assert found[1] is not None and found[1].tzinfo == UTC


def test_a_moment_without_a_time_zone_is_refused(counted: Database) -> None:
    with pytest.raises(StatementError, match="time zone"), counted.write() as session:
        session.connection().execute(insert(MOMENT).values(id=1, at=datetime(2026, 1, 1)))


@given(st.datetimes(timezones=st.timezones()))
def test_a_moment_survives_being_stored_without_its_zone(moment: datetime) -> None:
    try:
        expected = moment.astimezone(UTC)
    except OverflowError:
        return
    kind = UtcDateTime()
    bound = kind.process_bind_param(moment, None)  # type: ignore[arg-type]
    assert bound is not None
    assert kind.process_result_value(bound.replace(tzinfo=None), None) == expected  # type: ignore[arg-type]


def test_a_folder_for_the_database_is_made(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/new/folder/rung.db")
    with database.read() as session:
        assert session.connection().execute(text("SELECT 1")).scalar() == 1
    database.close()


def test_a_database_that_does_not_answer_says_so_in_words() -> None:
    database = Database("postgresql+psycopg://nobody:secret@127.0.0.1:1/none")
    with pytest.raises(UnavailableError) as unread:
        database.ping()
    with pytest.raises(UnavailableError) as unwritten, database.write() as session:
        session.connection()
    database.close()
    for refused in (unread, unwritten):
        assert refused.value.code == "database_unavailable" and "secret" not in refused.value.message
