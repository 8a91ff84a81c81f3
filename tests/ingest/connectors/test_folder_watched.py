"""A watched folder: whatever changes in it makes a sync be wanted, and that sync takes it in."""

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.core.audit import AuditEntry
from app.core.config import Settings
from app.core.db import Database
from ingest.parsing import ParserProcess
from ingest.sync.workers import watch
from ingest.sync.workers.watch import Watcher
from tests.ingest.sync.world import NAME, World

LONGEST_SECONDS = 60


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    folder.mkdir()
    return folder


@pytest.fixture
def world(sqlite_database: Database, settings: Settings, parser: ParserProcess, root: Path) -> World:
    made = World(sqlite_database, settings, parser)
    made.add("folder", {"path": str(root), "watch": True})
    return made


@pytest.fixture
def woken(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Set each time that the watcher wants a sync."""
    monkeypatch.setattr(watch, "QUIET_MS", 100)
    monkeypatch.setattr(watch, "_LOOK_SECONDS", 0.1)
    monkeypatch.setattr(watch, "_AGAIN_SECONDS", 0.2)
    event, stop = threading.Event(), threading.Event()
    thread = threading.Thread(target=Watcher(world.database, world.audit, event.set).run, args=(stop,))
    thread.start()
    yield event
    stop.set()
    thread.join(LONGEST_SECONDS)
    assert not thread.is_alive()


def take_in(world: World, woken: threading.Event, change: Callable[[], object]) -> dict[str, str]:
    """Makes a change, waits until a sync is wanted, syncs, and gives what is held."""
    woken.clear()
    change()
    assert woken.wait(LONGEST_SECONDS)
    assert world.runs.due()
    # The last of several changes may come a moment after the first one woke it.
    while woken.wait(0.5):
        woken.clear()
    assert world.sync().state == "complete"
    return {name: row.text for name, row in world.rows().items()}


def until_watched(world: World, woken: threading.Event, root: Path) -> None:
    probe = root / "probe.txt"
    while not woken.is_set():
        probe.write_text("x")
        woken.wait(0.2)
    probe.unlink()
    time.sleep(0.5)
    world.sync()


def test_changes_of_every_kind_are_taken_in(world: World, woken: threading.Event, root: Path) -> None:
    until_watched(world, woken, root)
    assert take_in(world, woken, lambda: (root / "a.md").write_text("One.")) == {"a.md": "One."}
    assert take_in(world, woken, lambda: (root / "a.md").write_text("Two.")) == {"a.md": "Two."}

    def nest() -> None:
        (root / "new/deep").mkdir(parents=True)
        (root / "new/deep/b.md").write_text("Nested.")

    assert take_in(world, woken, nest) == {"a.md": "Two.", "new/deep/b.md": "Nested."}
    moved = world.rows()["new/deep/b.md"].id
    found = take_in(world, woken, lambda: (root / "new").rename(root / "old"))
    assert found == {"a.md": "Two.", "old/deep/b.md": "Nested."}
    assert world.rows()["old/deep/b.md"].id == moved
    take_in(world, woken, lambda: (root / ".access.toml").write_text('allow = ["group:staff"]'))
    assert world.rows()["a.md"].access == ["group:staff"]
    assert set(take_in(world, woken, lambda: shutil.rmtree(root / "old"))) == {"a.md"}


def test_what_cannot_be_watched_is_said(world: World, root: Path, woken: threading.Event) -> None:
    root.rmdir()
    with world.database.write() as session:
        row = session.merge(world.row())
        row.settings = {**row.settings, "path": str(root / "gone")}
    end = time.monotonic() + LONGEST_SECONDS
    while time.monotonic() < end:
        acts = {entry.action: entry for entry in world.audit.about("source", NAME)}
        if "source.not_watched" in acts:
            return
        time.sleep(0.1)
    raise AssertionError("nothing was said")


def test_a_folder_that_goes_away_and_comes_back_is_watched_again_and_that_is_told_once(
    world: World, woken: threading.Event, root: Path
) -> None:
    until_watched(world, woken, root)
    take_in(world, woken, lambda: (root / "a.md").write_text("One."))
    root.rename(root.with_name("away"))
    told = wait_for_note(world)
    assert len(told) == 1 and "schedule" in str(told[0].details["instead"])

    def come_back() -> None:
        root.mkdir()
        (root / "a.md").write_text("Two.")

    assert take_in(world, woken, come_back) == {"a.md": "Two."}
    assert take_in(world, woken, lambda: (root / "a.md").write_text("Three.")) == {"a.md": "Three."}
    assert len(notes(world)) == 1


def notes(world: World) -> list[AuditEntry]:
    return [entry for entry in world.audit.about("source", NAME) if entry.action == "source.not_watched"]


def wait_for_note(world: World) -> list[AuditEntry]:
    """Waits for the first, and as long again as several tries take."""
    until = time.monotonic() + LONGEST_SECONDS
    while not notes(world) and time.monotonic() < until:
        time.sleep(0.1)
    time.sleep(1)
    return notes(world)
