"""Generations of the index on a Qdrant server: built beside, changed over, and the old collection removed."""

from pathlib import Path

import pytest

from app.core.config import Settings
from app.core.db import Database
from app.core.identity import EVERYONE
from ingest.parsing import ParserProcess
from retrieval.generations import Generation
from retrieval.index import OwnIndex
from tests.ingest.reindex.library import OtherEmbedder, World

pytestmark = pytest.mark.filterwarnings("ignore:Payload indexes have no effect in the local Qdrant")


def test_the_collection_of_a_generation_that_nobody_searches_is_removed(
    tmp_path: Path, sqlite_database: Database, settings: Settings, parser: ParserProcess
) -> None:
    from qdrant_client import QdrantClient

    from retrieval.index.server import ServerIndex

    client = QdrantClient(":memory:")
    end = client.close
    # Each index has a client of its own on a real server; here all share the one that holds the store.
    client.close = lambda *_, **__: None  # type: ignore[method-assign]

    def open_index(generation: Generation) -> OwnIndex:
        recipe = generation.recipe
        return ServerIndex(
            client,
            collection=f"rung-{generation.number}",
            embedder=recipe.embedder,
            dimensions=recipe.dimensions,
        )

    world = World(tmp_path / "docs", sqlite_database, settings, parser, open_index=open_index)
    for number in range(6):
        world.write(f"{number}.md", f"# Page {number}\n\nThe probe flies.")
    world.sources.add("folder", "docs", {"path": str(world.root)}, default_access=frozenset({EVERYONE}))
    world.sync()
    world.want(OtherEmbedder())
    assert world.rebuild()
    assert {found.name for found in client.get_collections().collections} == {"rung-1", "rung-2"}
    world.reindexer.tidy()
    assert len(client.get_collections().collections) == 2, "other processes may still search it"
    for _ in range(2):
        world.pass_time()
        world.found("probe")
        world.reindexer.tidy()
    assert {found.name for found in client.get_collections().collections} == {"rung-2"}
    assert world.found("probe") == {f"Page {number}" for number in range(6)}
    end()
