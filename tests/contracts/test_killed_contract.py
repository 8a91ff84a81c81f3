"""A sync killed by SIGKILL at any moment of any connector's goes on where it was, when it is run again."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest
from sqlmodel import select

from app.core.config import Settings
from app.core.db import Database
from app.migrations.tables import metadata
from ingest.connectors import CONNECTORS
from ingest.tables import DocumentRow, FailureRow, SourceRow, SyncRunRow
from retrieval.index import AccessFilter, IndexQuery
from retrieval.index.edge import EdgeIndex
from retrieval.passage import SearchFilters
from tests.contracts.connectors import KITS, ConnectorKit, Moves
from tests.contracts.lives import BATCH_CHUNKS, SURVIVED, Life, Mother
from tests.fakes.engines import stop_engine

_ITEMS = 6
_MOST_MOMENTS = 60
pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]


@dataclass
class World:
    """One kit read by several sources, each of which dies at another moment."""

    kind: str
    kit: ConnectorKit
    settings: Settings
    database: Database
    index: EdgeIndex
    folder: Path
    mother: Mother
    names: list[str] = field(default_factory=list)

    def add(self, number: int) -> str:
        name = f"{self.kind}-{number}"
        with self.database.write() as session:
            session.add(
                SourceRow(
                    id=str(uuid4()),
                    workspace_id="default",
                    name=name,
                    kind=self.kind,
                    settings={},
                    default_access=["everyone"],
                    created_at=datetime.now(UTC),
                )
            )
        self.names.append(name)
        return name

    def live(self, name: str, dies_at: int | None = None, *, late: bool = False) -> bool:
        """Whether a process that was to die then has lived to the end of its sync."""
        diary = self.folder / f"{name}.jsonl"
        status = self.mother.live(Life(self.settings, name, self.kit.settings(), diary, dies_at, late))
        assert status in (SURVIVED, -9), f"{name} ended with {status}"
        return status == SURVIVED

    def diary(self, name: str) -> list[tuple[str, str]]:
        lines = (self.folder / f"{name}.jsonl").read_text().splitlines()
        return [(what, text) for what, text in map(json.loads, lines)]

    def documents(self, name: str) -> dict[str, DocumentRow]:
        with self.database.read() as session:
            rows = session.exec(select(DocumentRow).join(SourceRow).where(SourceRow.name == name)).all()
        return {row.external_id: row for row in rows}

    def contents(self, name: str) -> frozenset[tuple[str, str]]:
        return frozenset((row.external_id, row.content_hash) for row in self.documents(name).values())

    def last_run(self, name: str) -> SyncRunRow:
        with self.database.read() as session:
            runs = session.exec(select(SyncRunRow).join(SourceRow).where(SourceRow.name == name)).all()
        return max(runs, key=lambda run: run.id)

    def failures(self, name: str) -> list[str]:
        with self.database.read() as session:
            return list(
                session.exec(
                    select(FailureRow.external_id).join(SourceRow).where(SourceRow.name == name)
                ).all()
            )

    def chunks(self, name: str) -> Counter[str]:
        """How many chunks of each document the index holds."""
        readers = {entry for row in self.documents(name).values() for entry in row.access}
        query = IndexQuery(
            "page",
            np.ones(384, dtype=np.float32),
            AccessFilter("default", tuple(readers)),
            SearchFilters(sources=(name,)),
            limit=1000,
        )
        return Counter(hit.document_id for hit in self.index.search(query))

    def check(self, name: str, wanted: set[str]) -> None:
        """Everything is held once, and nothing was embedded that the index had already."""
        run, rows = self.last_run(name), self.documents(name)
        assert (run.state, run.held, run.failed) == ("complete", len(wanted), 1), run.message
        assert self.failures(name) == [self.kit.unreadable_id()]
        assert set(rows) == wanted
        assert {row.state for row in rows.values()} == {"indexed"}
        assert self.chunks(name) == {row.id: row.chunk_count for row in rows.values()}
        stored, on_the_way = set[str](), set[str]()
        for what, text in self.diary(name):
            if what == "born":
                # What a life embedded and did not write: it may do so for one batch and the next.
                assert len(on_the_way) <= 2 * BATCH_CHUNKS
                on_the_way.clear()
            elif what == "embedded":
                assert text not in stored, f"{name} embedded twice: {text}"
                assert text not in on_the_way
                on_the_way.add(text)
            else:
                stored.add(text)
                on_the_way.discard(text)
        assert not on_the_way


@pytest.fixture(scope="module")
def mother() -> Iterator[Mother]:
    with Mother() as started:
        yield started


@pytest.fixture(params=sorted(CONNECTORS))
def world(request: pytest.FixtureRequest, tmp_path: Path, mother: Mother) -> Iterator[World]:
    kit = KITS[request.param](tmp_path / "kit", items=_ITEMS)
    settings = Settings(_env_file=None, data_dir=tmp_path / "data", max_file_bytes=1_000_000)
    settings.data_dir.mkdir()
    database = Database(settings.database_address)
    metadata().create_all(database.engine)
    index = EdgeIndex(settings.data_dir, embedder="hash-384", dimensions=384)
    yield World(request.param, kit, settings, database, index, tmp_path, mother)
    index.close()
    database.close()
    stop_engine(settings.data_dir)


def listed(kit: ConnectorKit) -> set[str]:
    connector = kit.connector()
    try:
        return set(connector.list_ids())
    finally:
        connector.close()


def test_killed_at_every_yield_loses_nothing_and_embeds_nothing_twice(world: World) -> None:
    wanted = listed(world.kit) - {world.kit.unreadable_id()}
    assert len(wanted) >= _ITEMS
    for number in range(1, _MOST_MOMENTS):
        name = world.add(number)
        survived = world.live(name, number, late=number % 2 == 1)
        if not survived:
            if number % 4 == 0:
                world.live(name, number // 2, late=True)
            world.live(name)
        world.check(name, wanted)
        if survived:
            break
    assert len(wanted) < len(world.names) < _MOST_MOMENTS - 1
    assert len({world.contents(name) for name in world.names}) == 1
    _change_and_kill(world)


def _change_and_kill(world: World) -> None:
    """The same for what changed since: one item is new in part, one gone, one elsewhere."""
    changed, removed = world.kit.change_one(), world.kit.remove_one()
    before, after = world.kit.move_one() if isinstance(world.kit, Moves) else ("", "")
    wanted = listed(world.kit) - {world.kit.unreadable_id()}
    assert changed in wanted and removed not in wanted
    done = list[str]()
    for number, name in enumerate(world.names, start=1):
        held, written = world.documents(name), len(world.diary(name))
        survived = world.live(name, number, late=number % 2 == 0)
        if not survived:
            world.live(name)
        world.check(name, wanted)
        now = world.documents(name)
        assert now[changed].content_hash != held[changed].content_hash
        assert not after or now[after].id == held[before].id
        embedded = {text for what, text in world.diary(name)[written:] if what == "embedded"}
        assert len(embedded) == 1, "only the item that changed is embedded"
        done.append(name)
        if survived:
            break
    assert len(done) > 1
    assert len({world.contents(name) for name in done}) == 1
