"""What a connector keeps on disk is gone with its source."""

from contextlib import closing
from pathlib import Path

import pytest

from app.core.config import Settings
from app.core.db import Database
from app.migrations import upgrade
from app.wiring import House
from ingest.sync.scratch import Scratch
from tests.ingest.sync.world import World


def test_a_run_has_a_private_folder_that_stays_while_its_source_is_there(world: World) -> None:
    world.sync()
    folder = world.settings.data_dir / "scratch" / world.row().id
    assert folder.is_dir() and folder.stat().st_mode & 0o777 == 0o700
    (folder / "clone").mkdir()
    (folder / "clone" / "secret.md").write_text("What nobody may hold any more.")
    scratch = Scratch(world.database, world.settings.data_dir)
    scratch.tidy()
    assert (folder / "clone" / "secret.md").exists()


def test_removing_a_source_removes_its_folder(settings: Settings, tmp_path: Path) -> None:
    prepared = Database(settings.database_address)
    upgrade(prepared)
    prepared.close()
    (tmp_path / "documents").mkdir()
    with closing(House(settings)) as it:
        source = it.sources.add("folder", "docs", {"path": str(tmp_path / "documents")})
        folder = settings.data_dir / "scratch" / source.id
        folder.mkdir(parents=True)
        (folder / "secret.md").write_text("What nobody may hold any more.")
        it.sources.remove("docs")
        assert not folder.exists()


def test_folders_of_sources_that_are_gone_are_tidied_away(world: World) -> None:
    kept = world.settings.data_dir / "scratch" / world.row().id
    gone = world.settings.data_dir / "scratch" / "00000000-0000-7000-8000-00000000dead"
    for folder in (kept, gone):
        folder.mkdir(parents=True)
        (folder / "cache.db").write_text("x")
    Scratch(world.database, world.settings.data_dir).tidy()
    assert kept.is_dir() and not gone.exists()


def test_nothing_to_tidy_is_no_error(sqlite_database: Database, tmp_path: Path) -> None:
    scratch = Scratch(sqlite_database, tmp_path)
    scratch.tidy()
    scratch.remove("never-there")
    assert not (tmp_path / "scratch").exists()


def test_what_cannot_be_removed_is_left_for_the_next_time(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = world.settings.data_dir / "scratch" / "gone"
    (folder / "kept").mkdir(parents=True)
    scratch = Scratch(world.database, world.settings.data_dir)
    with monkeypatch.context() as patched:

        def refuse(*_: object, **__: object) -> None:
            raise PermissionError("a program has it open")

        patched.setattr("os.rmdir", refuse)
        scratch.tidy()
    assert folder.is_dir()
    scratch.tidy()
    assert not folder.exists()
