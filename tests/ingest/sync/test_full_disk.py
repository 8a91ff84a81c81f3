"""A disk without room: the run says so, what was indexed stays, and once there is room the next run mends."""

import errno
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from app.core.config import Settings
from app.core.db import Database
from app.core.errors import UnavailableError
from app.migrations.tables import metadata
from ingest.parsing import ParserProcess
from ingest.sync.troubles import is_disk_full
from tests.ingest.sync.script import Script
from tests.ingest.sync.world import NAME, Clock, World

HELD = {f"page-{number:02}" for number in range(12)}


def _no_room(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def _no_room_said_by_the_engine(*_: object) -> None:
    raise UnavailableError(
        "The index refused: No space left on device (os error 28).", code="index_unavailable"
    )


@pytest.mark.parametrize("where", ["upsert", "keep_only", "set_access", "flush"])
@pytest.mark.parametrize("refuse", [_no_room, _no_room_said_by_the_engine])
def test_the_disk_of_the_index_is_full(
    world: World,
    script: Script,
    monkeypatch: pytest.MonkeyPatch,
    where: str,
    refuse: Callable[..., None],
) -> None:
    world.sync()
    script.write("page-02", "page-09", text="# Changed\n\nOther words.", revision="2")
    script.items["page-04"].access = frozenset()
    monkeypatch.setattr(world.index, where, refuse)
    with pytest.raises((OSError, UnavailableError)):
        world.sync()
    monkeypatch.undo()
    world.stands("failed", "disk_full", "room", "nothing that was indexed is lost")
    assert world.held() == HELD


def test_there_is_room_again(world: World, script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    world.sync()
    script.write("page-02", text="# Changed\n\nOther words.", revision="2")
    with monkeypatch.context() as patch:
        patch.setattr(world.index, "upsert", _no_room)
        with pytest.raises(OSError):
            world.sync()
    done = world.sync()
    assert done.state == "complete" and world.rows()["page-02"].text == "Changed\n\nOther words."
    assert world.held() == HELD
    world.stands("complete", "")


def test_the_disk_for_clones_and_caches_is_full(world: World, script: Script) -> None:
    """A connector keeps its clone under the data folder; where it cannot, it raises what the system says."""
    world.sync()
    script.before_item = _no_room
    with pytest.raises(OSError):
        world.sync()
    world.stands("failed", "disk_full", "room")
    script.before_item = lambda _: None
    assert world.sync().state == "complete"


def test_the_database_may_not_grow(world: World, script: Script) -> None:
    """SQLite itself says that it is full, in the middle of a run; when there is room, the run goes on."""
    script.every = 1
    world.sync()
    for number in range(12, 60):
        script.write(f"page-{number:02}", text=f"# Long {number}\n\n" + f"words of {number} " * 900)

    def limit(connection: Any, _: Any) -> None:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages + 12}")

    world.database.engine.dispose()
    event.listen(world.database.engine, "connect", limit)
    error = world.fails()
    assert is_disk_full(error)
    event.remove(world.database.engine, "connect", limit)
    world.database.engine.dispose()
    run = world.last_run
    assert run.state in ("failed", "running"), "not even that may have found room"
    assert world.held() >= HELD
    done = world.sync()
    assert (done.state, done.counts.held) == ("complete", 60)
    assert len(world.held()) == 60
    world.stands("complete", "")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of two megabytes, where one may be mounted."""
    place = tmp_path / "small"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(place)]
    if os.getuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("SKIPPED: a small disk cannot be mounted here; run these tests as root")
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


@pytest.mark.parametrize("left_bytes", [0, 400_000], ids=["before the run", "in the middle of it"])
def test_a_real_disk_runs_full_and_is_given_room(
    small_disk: Path, settings: Settings, parser: ParserProcess, script: Script, clock: Clock, left_bytes: int
) -> None:
    """The database lies on a disk of two megabytes."""
    database = Database(f"sqlite:///{small_disk / 'rung.db'}")
    metadata().create_all(database.engine)
    world = World(database, settings, parser, clock)
    world.add("script", {})
    script.every = 1
    script.write(*(f"page-{number:02}" for number in range(12)))
    world.sync()
    filling = small_disk / "filling"
    for number in range(12, 40):
        script.write(f"page-{number:02}", text=f"# Long {number}\n\n" + f"words of {number} " * 900)
    world.sources.queue(NAME)
    with filling.open("wb", buffering=0) as file:
        with pytest.raises(OSError):
            while True:
                file.write(b"\0" * 4096)
        file.truncate(file.tell() - left_bytes)
    try:
        assert is_disk_full(world.fails())
        assert world.held() >= HELD
        filling.unlink()
        if world.last_run.state == "failed":
            world.stands("failed", "disk_full", "room")
        else:
            # Not even how it ended could be written: a worker takes it up again by itself.
            assert world.runs.due() == [("default", NAME)]
        subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
        done = world.sync()
        assert (done.state, done.counts.held) == ("complete", 40)
        assert len(world.held()) == 40
    finally:
        database.close()
