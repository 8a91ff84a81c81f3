"""A process that re-indexes, to be killed: `python -m tests.ingest.reindex.reindex_process DATA_DIR SECONDS`.

It uses the real engine and database, and an embedder that takes SECONDS for each call.
"""

import sys
import threading
import time
from pathlib import Path

from app.core.config import Settings
from app.core.db import Database
from ingest.reindex import Reindexer, ReindexStatus, rebuild
from retrieval.embedder import Embedder
from retrieval.generations import Generation, Generations, LiveIndex
from retrieval.index import OwnIndex
from retrieval.index.edge import EdgeIndex
from tests.fakes.embedder import HashEmbedder
from tests.ingest.reindex.library import OtherEmbedder, recipe_of

rebuild.BATCH_CHUNKS = 5


def open_edge(settings: Settings, generation: Generation) -> OwnIndex:
    return EdgeIndex(
        settings.data_dir,
        embedder=generation.recipe.embedder,
        dimensions=generation.recipe.dimensions,
        generation=generation.name,
        idle_seconds=5,
    )


def main(data_dir: str, seconds: str) -> None:
    settings = Settings(_env_file=None, data_dir=Path(data_dir))
    database = Database(settings.database_address)
    other = OtherEmbedder(lambda _: time.sleep(float(seconds)))
    generations = Generations(database, lambda: recipe_of(other))
    embedders: dict[str, Embedder] = {other.name: other, HashEmbedder.name: HashEmbedder()}
    live = LiveIndex(generations, lambda g: open_edge(settings, g), lambda g: embedders[g.recipe.embedder])

    def say(status: ReindexStatus) -> None:
        sys.stdout.write(f"{status.documents_done}\n")
        sys.stdout.flush()

    Reindexer(database, live).run(threading.Event(), say)
    sys.stdout.write(f"embedded {other.embedded}\n")
    live.close()
    database.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
