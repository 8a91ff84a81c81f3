"""Several workers keep one pace for a host, and one that is told to leave it alone tells all."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import pytest

from app.core.config import Settings
from app.core.db import Database
from app.migrations import upgrade
from app.wiring import House
from ingest.pace import SharedPace
from ingest.remote import RemoteCalls, SourceWaitError, TryAgainError
from ingest.tables import PaceRow

HOST = "wiki.example"
Connect = Callable[[], Database]


@pytest.fixture
def connect(database: Database) -> Iterator[Connect]:
    """A connection of another worker's: on SQLite and on PostgreSQL nothing else is shared."""
    with ExitStack() as stack:

        def another() -> Database:
            made = Database(database.engine.url.render_as_string(hide_password=False))
            stack.callback(made.close)
            return made

        yield another


def test_workers_together_ask_no_more_often_than_one_may(connect: Connect) -> None:
    asked: list[float] = []

    def work(pace: SharedPace) -> None:
        for _ in range(20):
            pace(HOST)
            asked.append(time.monotonic())

    threads = [threading.Thread(target=work, args=(SharedPace(connect(), 40),)) for _ in range(3)]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # 60 calls at 40 a second; the last share of 20 calls lasts half a second and may be over early.
    assert len(asked) == 60
    assert max(asked) - began >= 1.0


def test_two_that_come_for_the_first_time_at_once_share_too(connect: Connect) -> None:
    workers = [SharedPace(connect(), 1, sleep=lambda _: None) for _ in range(4)]
    threads = [threading.Thread(target=worker, args=(HOST,)) for worker in workers]
    began = datetime.now(UTC)
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with connect().read() as session:
        assert session.get_one(PaceRow, HOST).next_at >= began + timedelta(seconds=4)


def test_each_waits_for_the_share_that_it_took(connect: Connect) -> None:
    waited: list[float] = []
    SharedPace(connect(), 0.01, sleep=waited.append)(HOST)
    assert waited == []
    SharedPace(connect(), 0.01, sleep=waited.append)(HOST)
    assert 90 < waited[0] <= 100
    SharedPace(connect(), 0.01, sleep=waited.append)("other.example")
    assert len(waited) == 1


def test_what_is_not_used_is_not_saved_up(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr("ingest.pace.time.monotonic", lambda: now[0])
    waited: list[float] = []
    pace = SharedPace(connect(), 10, sleep=waited.append)
    pace(HOST)
    now[0] += 3600
    another = SharedPace(connect(), 10, sleep=waited.append)
    another(HOST)
    pace(HOST)
    # The pause of the other's share, and none of its own from an hour ago.
    assert waited and 0 < waited[-1] <= 1


@pytest.mark.parametrize("requests_per_second", [None, 5.0])
def test_one_that_is_told_to_wait_tells_all(connect: Connect, requests_per_second: float | None) -> None:
    calls: list[str] = []

    def busy() -> None:
        calls.append("busy")
        raise TryAgainError("It asks for a pause.", code="rate_limited", after_seconds=3600)

    first, second = (RemoteCalls(SharedPace(connect(), requests_per_second)) for _ in range(2))
    with pytest.raises(SourceWaitError) as told:
        first.run(HOST, busy)
    assert told.value.retry_after_seconds == 3600
    with pytest.raises(SourceWaitError) as warned:
        second.run(HOST.upper(), lambda: calls.append("asked all the same"))
    assert calls == ["busy"]
    assert 3500 < warned.value.retry_after_seconds <= 3600
    assert warned.value.code == "rate_limited"
    second.run("other.example", lambda: calls.append("another host"))
    assert calls == ["busy", "another host"]


def test_a_short_rest_is_waited_for(connect: Connect) -> None:
    waited: list[float] = []

    def sleep(seconds: float) -> None:
        waited.append(seconds)
        with database.write() as session:
            session.get_one(PaceRow, HOST).blocked_until = None

    database = connect()
    SharedPace(connect()).block(HOST, 20)
    assert RemoteCalls(SharedPace(connect(), sleep=sleep)).run(HOST, lambda: "asked") == "asked"
    assert len(waited) == 1 and 10 < waited[0] <= 20


def test_the_longer_of_two_rests_counts_and_a_day_is_the_most(connect: Connect) -> None:
    pace = SharedPace(connect())
    pace.block(HOST, 1e12)
    pace.block(HOST, 60)
    with pytest.raises(SourceWaitError) as told:
        pace(HOST)
    assert 3600 * 23 < told.value.retry_after_seconds <= 3600 * 24


def test_a_clock_that_was_set_back_blocks_nothing(sqlite_database: Database) -> None:
    waited: list[float] = []
    ahead = SharedPace(sqlite_database, 1, clock=lambda: datetime.now(UTC) + timedelta(days=30))
    ahead(HOST)
    ahead.block(HOST, 3600)
    SharedPace(sqlite_database, 1, sleep=waited.append)(HOST)
    assert waited == []


def test_the_syncs_of_an_installation_keep_it(settings: Settings) -> None:
    prepared = Database(settings.database_address)
    upgrade(prepared)
    prepared.close()
    first, second = House(settings), House(settings)
    try:

        def busy() -> None:
            raise TryAgainError("It asks for a pause.", code="rate_limited", after_seconds=600)

        with pytest.raises(SourceWaitError):
            first.make_calls(None).run(HOST, busy)
        with pytest.raises(SourceWaitError, match="asked to be left alone"):
            second.make_calls(100.0).run(HOST, lambda: None)
    finally:
        first.close()
        second.close()
