"""Documents parsed side by side: their order stays, and one that crashes its process costs one failure."""

import os
import signal
import threading
import time
from collections.abc import Iterator

import pytest

from app.core.config import Settings
from app.core.db import Database
from app.core.identity import EVERYONE
from ingest.connector import Checkpoint, Upsert
from ingest.document import SourceDocument
from ingest.parsing import ParseError
from ingest.parsing.pool import ParserPool, default_processes
from ingest.sources import Sources
from ingest.sync.records.runs import find_source
from ingest.sync.writing.holdings import Holdings
from ingest.sync.writing.prepare import Failed, NewText, Preparer
from tests.fakes.embedder import HashEmbedder
from tests.fakes.index import MemoryIndex


@pytest.fixture(scope="module")
def pool() -> Iterator[ParserPool]:
    with ParserPool(processes=2, timeout_seconds=20, memory_bytes=1_000_000_000) as it:
        yield it


def upsert(number: int, content: bytes) -> Upsert:
    return Upsert(SourceDocument(f"{number}.md", f"{number}.md", content, "1", frozenset({EVERYONE})))


def preparer(database: Database, settings: Settings, pool: ParserPool) -> Preparer:
    settings.data_dir.mkdir(exist_ok=True)
    Sources(database, MemoryIndex()).add("folder", "docs", {"path": str(settings.data_dir)})
    with database.read() as session:
        source = find_source(session, "default", "docs")
    return Preparer(Holdings(database, source), pool, HashEmbedder())


def test_at_least_one_process_and_a_core_left_for_encoding() -> None:
    assert default_processes() == max(1, (os.cpu_count() or 1) - 1)


def test_the_order_stays_when_a_long_document_comes_first(
    sqlite_database: Database, settings: Settings, pool: ParserPool
) -> None:
    long = b"# Long\n\n" + b"Many words in a paragraph.\n\n" * 60_000
    changes = [upsert(0, long), *(upsert(n, f"# {n}\n\nText {n}.".encode()) for n in range(1, 20))]
    changes.insert(10, upsert(99, b"\xff\xfe\x00"))
    items = list(preparer(sqlite_database, settings, pool).items([*changes, Checkpoint("end", last=True)]))
    assert [i.external_id for i in items if isinstance(i, NewText)] == [f"{n}.md" for n in range(20)]
    assert isinstance(items[10], Failed) and items[10].note.external_id == "99.md"
    assert items[-1] == Checkpoint("end", last=True)


def test_no_more_is_begun_than_keeps_the_processes_busy(
    sqlite_database: Database, settings: Settings, pool: ParserPool
) -> None:
    asked = 0

    def changes() -> Iterator[Upsert]:
        nonlocal asked
        for number in range(50):
            asked += 1
            yield upsert(number, b"# A\n\nText.")

    items = preparer(sqlite_database, settings, pool).items(changes())
    next(items)
    assert asked <= pool.ahead + 1


def test_two_are_parsed_at_the_same_time(pool: ParserPool) -> None:
    """Both processes are stopped; each has a document then, and both go on when they are let."""
    for wait in [pool.start("a.md", None, b"# A\n\nText.") for _ in range(4)]:
        wait()
    pids = [parser.pid for parser in pool._parsers]
    assert None not in pids and len(set(pids)) == 2
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)  # type: ignore[arg-type]
    waits = [pool.start(f"{n}.md", None, f"# {n}\n\nText.".encode()) for n in range(2)]
    deadline = time.monotonic() + 10
    while pool._idle.qsize():
        assert time.monotonic() < deadline
        threading.Event().wait(0.01)
    for pid in pids:
        os.kill(pid, signal.SIGCONT)  # type: ignore[arg-type]
    assert [wait().title for wait in waits] == ["0", "1"]


def test_a_process_that_dies_costs_its_document_alone(pool: ParserPool) -> None:
    pool.parse("a.md", None, b"# A\n\nText.")
    victim = next(parser for parser in pool._parsers if parser.pid is not None)
    assert victim.pid is not None
    os.kill(victim.pid, signal.SIGSTOP)
    waits = [pool.start(f"{n}.md", None, f"# {n}\n\nText.".encode()) for n in range(4)]
    deadline = time.monotonic() + 10
    while pool._idle.qsize() and victim in pool._idle.queue:
        assert time.monotonic() < deadline
        threading.Event().wait(0.01)
    os.kill(victim.pid, signal.SIGKILL)
    outcomes: list[str] = []
    for wait in waits:
        try:
            outcomes.append(wait().title or "")
        except ParseError as error:
            outcomes.append(error.code)
    assert outcomes.count("parser_crashed") == 1
    assert len({*outcomes} - {"parser_crashed"}) == 3


def test_closing_ends_every_process() -> None:
    pool = ParserPool(processes=2)
    pool.parse("a.md", None, b"# A\n\nText.")
    pids = [parser.pid for parser in pool._parsers if parser.pid is not None]
    pool.close()
    assert pids
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
