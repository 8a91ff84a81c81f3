"""A world with a scripted source, its clock set by the test."""

from collections.abc import Callable

import pytest

from app.core.config import Settings
from app.core.db import Database
from ingest.parsing import ParserProcess
from ingest.sync import engine
from tests.ingest.sync.script import Script, register
from tests.ingest.sync.world import Clock, World

MakeWorld = Callable[[], World]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Script:
    """What the source of kind `script` holds and does."""
    return register(monkeypatch)


@pytest.fixture
def world(
    sqlite_database: Database,
    settings: Settings,
    parser: ParserProcess,
    clock: Clock,
    script: Script,
    monkeypatch: pytest.MonkeyPatch,
) -> World:
    """A scripted source that writes what it has every few documents."""
    monkeypatch.setattr(engine, "BATCH_CHUNKS", 4)
    made = World(sqlite_database, settings, parser, clock)
    made.add("script", {"secret": "hunter2-of-the-script"})
    script.write(*(f"page-{number:02}" for number in range(12)))
    return made


@pytest.fixture
def real(
    sqlite_database: Database, settings: Settings, parser: ParserProcess, monkeypatch: pytest.MonkeyPatch
) -> World:
    """A world without a source yet, at the real time; it writes every few documents."""
    monkeypatch.setattr(engine, "BATCH_CHUNKS", 4)
    return World(sqlite_database, settings, parser)
