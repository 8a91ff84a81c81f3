"""Re-indexing on the real engine, killed by SIGKILL in the middle."""

import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from app.core.clock import utc_now
from app.core.config import PROJECT_DIR, Settings
from app.core.db import Database
from app.core.identity import EVERYONE
from ingest.parsing import ParserProcess
from tests.fakes.engines import engines_of, stop_engine
from tests.ingest.reindex.library import OtherEmbedder, World
from tests.ingest.reindex.reindex_process import open_edge


@pytest.fixture
def world(tmp_path: Path, sqlite_template: Path, parser: ParserProcess) -> Iterator[World]:
    settings = Settings(_env_file=None, data_dir=tmp_path / "data")
    settings.data_dir.mkdir()
    (settings.data_dir / "rung.db").write_bytes(sqlite_template.read_bytes())
    database = Database(settings.database_address)
    it = World(tmp_path / "docs", database, settings, parser, partial(open_edge, settings))
    for number in range(30):
        it.write(f"{number:02}.md", f"# Page {number}\n\nThe probe number{number} flies.")
    it.sources.add("folder", "docs", {"path": str(it.root)}, default_access=frozenset({EVERYONE}))
    assert it.sync().counts.upserted == 30
    yield it
    it.live.close()
    database.close()
    stop_engine(settings.data_dir)


def start(world: World, seconds: float) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.ingest.reindex.reindex_process", str(world.settings.data_dir)]
    return subprocess.Popen([*command, str(seconds)], stdout=subprocess.PIPE, cwd=PROJECT_DIR, text=True)


@pytest.mark.engine
def test_killed_in_the_middle_it_goes_on_and_the_old_index_goes_from_the_disk(world: World) -> None:
    everything = {f"Page {number}" for number in range(30)}
    process = start(world, 0.1)
    assert process.stdout is not None
    while int(process.stdout.readline()) < 10:
        assert world.found("probe") == everything
    process.kill()
    process.wait()
    process.stdout.close()
    world.want(OtherEmbedder())
    status = world.reindexer.status()
    assert status is not None and not status.working and status.documents_done >= 10
    assert world.found("probe") == everything

    said, _ = start(world, 0).communicate(timeout=60)
    assert int(said.split()[-1]) <= 20
    assert world.reindexer.status() is None
    while world.live.pair().generation.number != 2:
        assert world.found("probe") == everything
    assert world.found("probe") == everything
    assert world.live.stats().points == 30

    world.now = utc_now()
    folder = world.settings.data_dir / "index"
    for _ in range(3):
        world.pass_time()
        world.reindexer.tidy()
    assert [path.name for path in folder.iterdir()] == ["g2"]
    assert len(engines_of(world.settings.data_dir)) == 1
    assert world.found("probe") == everything
