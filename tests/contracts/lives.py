"""Lives of a process that syncs: each is forked, and may kill itself at a given moment of its connector's.

The real engine, index and database; only the encoder is one that notes what it is given. The lives are forked
from a process that has imported everything and started no thread: `python -m tests.contracts.lives`.
"""

import importlib
import json
import os
import pickle
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO, Any, Self

import numpy as np
from boto3.session import Session
from botocore.loaders import JSONFileLoader
from numpy.typing import NDArray

from app.core.config import PROJECT_DIR, Settings
from app.core.db import Database
from ingest.connector import Change, ConnectorSettings, KnownRevision
from ingest.connectors import CONNECTORS, connector_type
from ingest.parsing import ParsedDocument
from ingest.parsing.formats import parse_bytes
from ingest.sync import SyncEngine, engine, work
from retrieval.index import Point
from retrieval.index.edge import EdgeIndex
from tests.fakes.embedder import HashEmbedder

BATCH_CHUNKS, _SLICE_CHUNKS = 4, 2
_CHECKPOINT_EVERY = 3
SURVIVED = 0
_QUIET_LOOKS = 4


@dataclass(frozen=True)
class Life:
    """What one process does: it syncs a source, and dies at that moment, if it is told one.

    A moment is each time that the connector hands something over, and when a listing begins and ends. `late`
    is whether what was handed over until then is written first, as far as it can be.
    """

    settings: Settings
    source_name: str
    own: ConnectorSettings
    diary: Path
    dies_at: int | None = None
    late: bool = False


class Mother:
    """The process that the lives are forked from."""

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "tests.contracts.lives"]
        self._process = subprocess.Popen(
            command, cwd=PROJECT_DIR, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=20)

    def live(self, life: Life) -> int:
        """Has it lived in a process of its own; its exit status, as `subprocess` has it."""
        questions, answers = self._process.stdin, self._process.stdout
        assert questions is not None and answers is not None
        pickle.dump(life, questions)
        questions.flush()
        return int(answers.readline())


def _serve(questions: IO[bytes], answers: IO[bytes]) -> None:
    """Forks a life for each question until there are no more."""
    for kind in CONNECTORS:
        connector_type(kind)
    # Reading its descriptions of the service would be most of a life with S3.
    JSONFileLoader.load_file = cache(JSONFileLoader.load_file)
    Session(region_name="us-east-1").client("s3")
    for name in ("a.md", "a.html", "a.eml"):
        parse_bytes(name, None, b"Subject: warm\n\n<html><body><p>Some words to read.</p></body></html>")
    while questions.peek(1):  # type: ignore[attr-defined]
        life = pickle.load(questions)
        child = os.fork()
        if not child:
            _live_and_exit(life)
        _, status = os.waitpid(child, 0)
        answers.write(b"%d\n" % os.waitstatus_to_exitcode(status))
        answers.flush()


def _live_and_exit(life: Life) -> None:
    try:
        _live(life)
    except BaseException:  # noqa: BLE001 - told to whoever reads the test's output; the test sees the status
        traceback.print_exc()
        os._exit(1)
    os._exit(SURVIVED)


def small_steps(kind: str) -> None:
    """Makes a connector's checkpoints come often enough for a small source."""
    for name in ("connector", "crawl"):
        try:
            module: Any = importlib.import_module(f"ingest.connectors.{kind}.{name}")
        except ModuleNotFoundError:
            continue
        for constant in ("_CHECKPOINT_EVERY", "_TOGETHER"):
            if hasattr(module, constant):
                setattr(module, constant, _CHECKPOINT_EVERY)


class _Diary:
    """Lines that stay when the process is killed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def note(self, what: str, texts: Sequence[str]) -> None:
        os.write(self._file, "".join(json.dumps([what, text]) + "\n" for text in texts).encode())

    def wait_for_quiet(self) -> None:
        """Until nothing more is being written."""
        seen, quiet = -1, 0
        while quiet < _QUIET_LOOKS:
            size = self._path.stat().st_size
            quiet = quiet + 1 if size == seen else 0
            seen = size
            time.sleep(0.005)


class _NotingEmbedder(HashEmbedder):
    def __init__(self, diary: _Diary) -> None:
        super().__init__()
        self._diary = diary

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self._diary.note("embedded", texts)
        return super().embed(texts)


class _NotingIndex(EdgeIndex):
    def __init__(self, diary: _Diary, data_dir: Path) -> None:
        super().__init__(data_dir, embedder="hash-384", dimensions=384)
        self._diary = diary

    def upsert(self, points: Sequence[Point]) -> None:
        super().upsert(points)
        self._diary.note("stored", [point.embedded_text for point in points])


class _ParserHere:
    """Parses in this process: a process more for each life would be most of what these tests take."""

    def parse(self, file_name: str, media_type: str | None, content: bytes) -> ParsedDocument:
        return parse_bytes(file_name, media_type, content)

    def close(self) -> None: ...


def _live(life: Life) -> None:
    diary = _Diary(life.diary)
    diary.note("born", [""])
    engine.BATCH_CHUNKS, engine.SLICE_CHUNKS = BATCH_CHUNKS, _SLICE_CHUNKS
    left = life.dies_at

    def moment() -> None:
        nonlocal left
        if left is None:
            return
        left -= 1
        if left == 0:
            if life.late:
                diary.wait_for_quiet()
            os.kill(os.getpid(), signal.SIGKILL)

    vars(work)["connector_type"] = lambda kind: _mortal(kind, moment)
    database = Database(life.settings.database_address)
    index = _NotingIndex(diary, life.settings.data_dir)
    SyncEngine(
        database,
        index,
        _NotingEmbedder(diary),
        life.settings,
        parser=_ParserHere(),
        settings_of=lambda _: life.own,
    ).run(life.source_name)
    index.close()
    database.close()


def _mortal(kind: str, moment: Callable[[], None]) -> Any:
    """A connector's class whose objects call `moment` at each of theirs."""
    small_steps(kind)
    immortal: Any = connector_type(kind)

    class Mortal(immortal):  # type: ignore[misc]
        def pull(self, checkpoint: str, known: KnownRevision) -> Iterator[Change]:
            for change in super().pull(checkpoint, known):
                moment()
                yield change

        def list_ids(self) -> Iterator[str]:
            moment()
            yield from super().list_ids()
            moment()

    return Mortal


if __name__ == "__main__":
    _serve(sys.stdin.buffer, sys.stdout.buffer)
