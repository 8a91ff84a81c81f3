"""A folder that is synced into generations of the index, with encoders that a test changes."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sqlmodel import select

from app.core.config import Settings
from app.core.db import Database
from app.core.errors import ConfigurationError
from app.core.identity import Caller, Principal
from ingest.parsing import ParserProcess
from ingest.reindex import Reindexer
from ingest.sources import Sources
from ingest.sync import SyncEngine, SyncSummary
from ingest.tables import DocumentRow
from retrieval.embedder import Embedder
from retrieval.generations import Generation, Generations, LiveIndex, Recipe
from retrieval.index import OwnIndex
from retrieval.search import Searcher
from tests.fakes.embedder import HashEmbedder
from tests.fakes.index import MemoryIndex


class OtherEmbedder(HashEmbedder):
    """Another encoder: its vectors have another length, and it can be told to do something while it works."""

    name = "other-128"
    dimensions = 128

    def __init__(self, meanwhile: Callable[[int], None] = lambda _: None) -> None:
        super().__init__()
        self.meanwhile = meanwhile
        self._base = HashEmbedder()

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        vectors = self._base.embed(texts)[:, ::3].copy()
        vectors[:, 0] += 0.01
        self.embedded += len(texts)
        self.meanwhile(self.embedded)
        found: NDArray[np.float32] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        return found


def recipe_of(embedder: Embedder, chunker: str = "1") -> Recipe:
    return Recipe(embedder.name, embedder.dimensions, embedder.name, f"{chunker} {embedder.name}")


@dataclass
class World:
    """One installation. `wanted` is the encoder of its settings, `there` are those that can be loaded."""

    root: Path
    database: Database
    settings: Settings
    parser: ParserProcess
    open_index: Callable[[Generation], OwnIndex] = lambda _: MemoryIndex()
    wanted: Embedder = field(default_factory=HashEmbedder)
    there: dict[str, Embedder] = field(default_factory=dict)
    chunker: str = "1"
    now: datetime = datetime(2026, 11, 24, tzinfo=UTC)

    def __post_init__(self) -> None:
        self.there[self.wanted.name] = self.wanted
        self.generations = Generations(
            self.database, lambda: recipe_of(self.wanted, self.chunker), clock=lambda: self.now
        )
        self.live = self.process()
        self.reindexer = Reindexer(self.database, self.live)
        self.searcher = Searcher.following(self.live)
        self.sources = Sources(self.database, self.live)

    def process(self) -> LiveIndex:
        """The index as one process sees it; those of a memory index are shared by all."""
        return LiveIndex(self.generations, self._opened, self._embedder_of, look_every_seconds=0)

    def want(self, embedder: Embedder) -> None:
        self.wanted = self.there[embedder.name] = embedder

    def write(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def engine(self) -> SyncEngine:
        pair = self.live.fresh_pair()
        return SyncEngine(
            self.database,
            pair.index,
            pair.embedder,
            self.settings,
            parser=self.parser,
            index_stands=lambda session: self.live.is_current(session, pair),
        )

    def sync(self) -> SyncSummary:
        return self.engine().run("docs")

    def rebuild(self) -> bool:
        return self.reindexer.run(threading.Event())

    def found(self, question: str, *principals: str) -> set[str]:
        """The titles that a search finds, as one who is everyone and in these groups."""
        whose = frozenset({Principal("everyone"), *(Principal("group", name) for name in principals)})
        caller = Caller("default", "u", "u@example.com", "U", "team", whose)
        return {passage.title for passage in self.searcher.search(caller, question, limit=100).passages}

    def rows(self) -> dict[str, DocumentRow]:
        with self.database.read() as session:
            return {row.external_id: row for row in session.exec(select(DocumentRow)).all()}

    def pass_time(self) -> None:
        self.now += timedelta(minutes=10)

    def _opened(self, generation: Generation) -> OwnIndex:
        made = self.__dict__.setdefault("_made", {})
        if generation.number not in made:
            made[generation.number] = self.open_index(generation)
        found: OwnIndex = made[generation.number]
        return found

    def index_of(self, number: int) -> MemoryIndex:
        found: MemoryIndex = self.__dict__["_made"][number]
        return found

    def _embedder_of(self, generation: Generation) -> Embedder:
        name = generation.recipe.embedder
        if name not in self.there:
            raise ConfigurationError(f"{name} is not there", code="embedding_model")
        return self.there[name]
