"""Workers beside each other, on SQLite and PostgreSQL: who takes what up, in which order, and only once."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlmodel import select

from app.core.db import Database
from ingest.sync.workers.queueing import PRIORITY_PERSON, PRIORITY_SCHEDULE, PRIORITY_WATCH
from ingest.tables import DocumentRow
from tests.app.worker_world import Installation, wait_for
from tests.ingest.sync_process import open_index

pytestmark = pytest.mark.engine
IN_FLIGHT = 32
"""A batch: what is embedded and not written yet when a process dies is embedded again."""


@pytest.fixture
def it(database: Database, tmp_path: Path) -> Iterator[Installation]:
    made = Installation(database, tmp_path)
    yield made
    made.stop_all()


def chunks_of(it: Installation) -> int:
    with it.database.read() as session:
        return sum(row.chunk_count for row in session.exec(select(DocumentRow)).all())


def test_one_that_is_killed_is_followed_by_the_other_and_nothing_is_embedded_twice(it: Installation) -> None:
    it.add("docs", 40)
    workers = {process.pid: process for process in (it.start(0.4), it.start(0.4))}
    wait_for(lambda: len(it.workers.alive()) == 2)
    run_id = it.queue("docs")
    wait_for(lambda: it.begun("docs"))
    killed = it.holder("docs")
    assert killed is not None
    dead = workers.pop(killed)
    dead.kill()
    dead.wait()
    wait_for(lambda: it.complete("docs"))
    done = it.run("docs")
    assert (done.id, done.resumed, done.held) == (run_id, 1, 40)
    assert len(it.all_runs("docs")) == 1
    (left,) = workers
    assert it.workers.alive()[0].endswith(f":{left}") and len(it.workers.alive()) == 1
    it.stop_all()
    index = open_index(it.settings)
    assert index.stats().points == chunks_of(it)
    index.close()
    assert chunks_of(it) <= it.embedded() <= chunks_of(it) + IN_FLIGHT


def test_two_workers_take_two_sources_and_never_the_same_one(it: Installation) -> None:
    for name in ("one", "two"):
        it.add(name, 25)
        it.queue(name)
    it.start(0.4)
    it.start(0.4)
    wait_for(lambda: it.begun("one") and it.begun("two"))
    assert it.holder("one") != it.holder("two")
    wait_for(lambda: it.complete("one") and it.complete("two"))
    assert (it.run("one").resumed, it.run("two").resumed) == (0, 0)
    assert it.embedded() == chunks_of(it)


def test_a_huge_source_does_not_starve_a_small_one(it: Installation) -> None:
    it.add("huge", 60)
    it.add("small", 2)
    # A person asked for the huge one; the clock for the small one, once that was at work.
    it.queue("huge", PRIORITY_PERSON)
    it.start(0.7, turn=1)
    wait_for(lambda: it.begun("huge"))
    it.queue("small", PRIORITY_SCHEDULE)
    wait_for(lambda: it.complete("small"))
    assert it.run("huge").finished_at is None
    wait_for(lambda: it.complete("huge"))
    # Turns end between batches, so that none of them is done again.
    assert it.embedded() == chunks_of(it)


def test_a_click_goes_before_what_the_clock_began_and_what_it_queued(it: Installation) -> None:
    it.add("nightly", 60)
    it.add("queued", 2)
    it.add("clicked", 2)
    it.queue("nightly", PRIORITY_SCHEDULE)
    it.start(0.5, turn=3600)
    wait_for(lambda: it.begun("nightly"))
    it.queue("queued", PRIORITY_SCHEDULE)
    it.queue("clicked", PRIORITY_PERSON)
    wait_for(lambda: it.complete("clicked"))
    assert it.run("nightly").finished_at is None
    assert it.run("queued").state == "queued"
    wait_for(lambda: it.complete("nightly") and it.complete("queued"))
    assert it.run("nightly").held == 60


def test_a_run_that_waits_goes_on_when_its_time_has_come(it: Installation) -> None:
    it.add("docs", 2)
    it.add("later", 2)
    for name, wait in (("docs", timedelta(seconds=2)), ("later", timedelta(hours=1))):
        run_id = it.queue(name)
        with it.database.write() as session:
            row = session.get_one(type(it.run(name)), run_id)
            row.state, row.code, row.resume_at = "waiting", "rate_limited", datetime.now(UTC) + wait
            session.add(row)
    it.start()
    wait_for(lambda: it.complete("docs"))
    assert len(it.all_runs("docs")) == 1
    assert it.run("later").state == "waiting"


def test_the_clock_queues_what_is_due_once(it: Installation) -> None:
    now = datetime.now(UTC)
    due = {"every_minutes": 60, "next_sync_at": now - timedelta(minutes=1)}
    it.add("due", 2, **due)
    it.add("not-yet", 2, every_minutes=60, next_sync_at=now + timedelta(minutes=30))
    it.add("paused", 2, state="paused", **due)
    it.add("draft", 2, state="draft", **due)
    it.add("by-hand", 2)
    it.start()
    it.start()
    wait_for(lambda: it.complete("due"))
    (run,) = it.all_runs("due")
    assert (run.asked_by, run.priority) == ("system", PRIORITY_SCHEDULE)
    after = it.source("due").next_sync_at
    assert after is not None
    assert timedelta(minutes=59) < after - now < timedelta(minutes=70)
    assert not any(it.all_runs(name) for name in ("not-yet", "paused", "draft", "by-hand"))


def test_a_change_in_a_watched_folder_is_taken_in(it: Installation) -> None:
    it.add("docs", 2, watch=True)
    it.add("unwatched", 2)
    it.queue("docs")
    it.start()
    wait_for(lambda: it.complete("docs"))
    number = 2

    def seen() -> bool:
        # The watch may begin a moment after the first sync has ended.
        nonlocal number
        if len(it.all_runs("docs")) == 1 and number < 60:
            it.write("docs", number)
            it.write("unwatched", number)
            number += 1
        return len(it.all_runs("docs")) > 1

    wait_for(seen)
    assert it.all_runs("docs")[1].priority == PRIORITY_WATCH

    def held() -> bool:
        with it.database.read() as session:
            found = session.exec(select(DocumentRow.external_id)).all()
        return {f"{n}.md" for n in range(number)} <= set(found)

    wait_for(held)
    assert it.all_runs("unwatched") == []
