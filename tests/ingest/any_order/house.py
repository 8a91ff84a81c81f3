"""An index that dies on demand and never shows a word to somebody who never could read it."""

import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from sqlmodel import select

from app.core.config import Settings
from app.core.db import Database
from app.core.identity import AccessList
from ingest.parsing import ParsedDocument
from ingest.parsing.formats import parse_bytes
from ingest.sync import SyncEngine, SyncSummary
from ingest.tables import DocumentRow, FailureRow, SourceRow
from retrieval.index import Point
from tests.fakes.embedder import HashEmbedder
from tests.fakes.index import MemoryIndex
from tests.ingest.any_order.source import Source

_WORD = re.compile(r"word(\d+)")


class KilledError(BaseException):
    """As if the process ended here: no part of Rung expects it."""


class SmallEmbedder(HashEmbedder):
    """Sees so little at once that each section is a chunk."""

    max_tokens = 34


class WatchedIndex(MemoryIndex):
    """`moment` is called before and after each write."""

    def __init__(self, source: Source) -> None:
        super().__init__()
        self._source = source
        self.moment: Callable[[], None] = lambda: None

    def _write(self, write: Callable[[], None]) -> None:
        self.moment()
        write()
        self.check()
        self.moment()

    def check(self) -> None:
        """Nobody sees a word who never could at the source."""
        for point in self.points.values():
            for part in parts_of(point):
                allowed = self._source.readers[part]
                assert {str(principal) for principal in point.access} <= allowed, f"word{part} is shown"

    def upsert(self, points: Sequence[Point]) -> None:
        self._write(lambda: MemoryIndex.upsert(self, points))

    def update_payload(self, points: Sequence[Point]) -> None:
        self._write(lambda: MemoryIndex.update_payload(self, points))

    def set_access(self, workspace_id: str, access: Mapping[str, AccessList]) -> None:
        self._write(lambda: MemoryIndex.set_access(self, workspace_id, access))

    def keep_only(self, workspace_id: str, document_id: str, ids: Sequence[str]) -> None:
        self._write(lambda: MemoryIndex.keep_only(self, workspace_id, document_id, ids))


def parts_of(point: Point) -> set[int]:
    """The parts that a chunk holds."""
    return {int(number) for number in _WORD.findall(point.text)}


class ParserHere:
    """Parses in this process."""

    def parse(self, file_name: str, media_type: str | None, content: bytes) -> ParsedDocument:
        return parse_bytes(file_name, media_type, content)

    def close(self) -> None: ...


class House:
    """One source with its database and index."""

    def __init__(self, source: Source, template: Path) -> None:
        self.source = source
        # In memory where it can be: nothing here has to reach the disk.
        memory = "/dev/shm" if Path("/dev/shm").is_dir() else None
        self._folder = Path(tempfile.mkdtemp(prefix="rung-any-order-", dir=memory))
        shutil.copy(template, self._folder / "rung.db")
        self.database = Database(f"sqlite:///{self._folder / 'rung.db'}")
        self.index = WatchedIndex(source)
        self.embedder = SmallEmbedder()
        settings = Settings(_env_file=None, data_dir=self._folder)
        self._engine = SyncEngine(self.database, self.index, self.embedder, settings, parser=ParserHere())
        with self.database.write() as session:
            session.add(
                SourceRow(
                    id="00000000-0000-7000-8000-000000000001",
                    workspace_id="default",
                    name="docs",
                    kind="events",
                    settings={},
                    default_access=["everyone"],
                    created_at=datetime.now(UTC),
                )
            )

    def close(self) -> None:
        self.database.close()
        shutil.rmtree(self._folder)

    def sync(self, *, allow_empty: bool = True, again: bool = False) -> SyncSummary:
        return self._engine.run("docs", allow_empty=allow_empty, again=again)

    def rows(self) -> dict[str, DocumentRow]:
        with self.database.read() as session:
            return {row.external_id: row for row in session.exec(select(DocumentRow)).all()}

    def failures(self) -> set[str]:
        with self.database.read() as session:
            return set(session.exec(select(FailureRow.external_id)).all())

    def access_held(self, document_id: str) -> AccessList:
        """Who may read a document, by the index; each of its chunks has to say the same."""
        (found,) = {p.access for p in self.index.points.values() if p.document_id == document_id}
        return found

    def parts_held(self, document_id: str) -> Counter[int]:
        points = [point for point in self.index.points.values() if point.document_id == document_id]
        return Counter(part for point in points for part in parts_of(point))
