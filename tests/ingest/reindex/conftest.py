"""A synced folder of thirty documents, on both databases."""

from pathlib import Path

import pytest

from app.core.config import Settings
from app.core.db import Database
from app.core.identity import EVERYONE
from ingest.parsing import ParserProcess
from tests.ingest.reindex.library import World


@pytest.fixture
def world(tmp_path: Path, database: Database, settings: Settings, parser: ParserProcess) -> World:
    it = World(tmp_path / "docs", database, settings, parser)
    for number in range(30):
        it.write(f"{number:02}.md", f"# Page {number}\n\nThe probe number{number} flies.")
    it.sources.add("folder", "docs", {"path": str(it.root)}, default_access=frozenset({EVERYONE}))
    assert it.sync().counts.upserted == 30
    return it
