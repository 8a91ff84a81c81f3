"""A process that syncs, to be killed: `python -m tests.ingest.sync_process WHAT DATA_DIR SECONDS [TURN]`.

WHAT is `once` or `worker`. It uses the real index and database, small batches, and an embedder that takes
SECONDS for each call and notes in `embedded.txt` how many texts it was given. A run of a worker's has it for
TURN seconds where others wait.
"""

import signal
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.core.config import Settings
from app.core.db import Database
from ingest.sync import SyncEngine, SyncProgress, engine
from retrieval.index.edge import EdgeIndex
from tests.fakes.embedder import HashEmbedder

engine.BATCH_CHUNKS, engine.SLICE_CHUNKS = 32, 16


class SlowEmbedder(HashEmbedder):
    def __init__(self, seconds: float, notes: Path) -> None:
        super().__init__()
        self._seconds = seconds
        self._notes = notes

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        time.sleep(self._seconds)
        with self._notes.open("a") as notes:
            notes.write(f"{len(texts)}\n")
        return super().embed(texts)


def open_index(settings: Settings) -> EdgeIndex:
    return EdgeIndex(settings.data_dir, embedder="hash-384", dimensions=384, idle_seconds=5)


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def report(progress: SyncProgress) -> None:
    say(f"progress {progress.counts.chunks_embedded}")


def main(what: str, data_dir: str, seconds: str, turn: str = "20") -> None:
    settings = Settings(_env_file=None, data_dir=Path(data_dir))
    database = Database(settings.database_address)
    index = open_index(settings)
    syncing = SyncEngine(
        database, index, SlowEmbedder(float(seconds), settings.data_dir / "embedded.txt"), settings
    )
    if what == "once":
        say(syncing.run("docs", report).message)
    else:
        from app.worker import run_worker

        stop = threading.Event()
        signal.signal(signal.SIGTERM, lambda *_: stop.set())
        run_worker(settings, database, lambda: syncing, stop, turn_seconds=float(turn))
    index.close()
    database.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
