"""Dropping an index: all it held is gone for good, and what lies beside it stays."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from uuid import uuid4

import pytest

from retrieval.index import OwnIndex
from tests.contracts.test_index_contract import SERVER
from tests.fakes.embedder import HashEmbedder
from tests.fakes.engines import stop_engine
from tests.fakes.index import MemoryIndex
from tests.fakes.points import make_point, make_query

pytestmark = pytest.mark.filterwarnings("ignore:Payload indexes have no effect in the local Qdrant")
POINTS = [make_point(name, f"days of holiday {name}") for name in "abc"]

Make = Callable[[str], OwnIndex]
"""Opens the index of a generation; asked again, one that holds what is stored."""


def _edge(folder: Path, stack: ExitStack) -> Make:
    from retrieval.index.edge import EdgeIndex

    stack.callback(stop_engine, folder)
    name, dimensions = HashEmbedder.name, HashEmbedder.dimensions
    return lambda generation: EdgeIndex(folder, embedder=name, dimensions=dimensions, generation=generation)


def _server(location: str | None) -> Make:
    from qdrant_client import QdrantClient

    from retrieval.index.server import ServerIndex

    name = f"t{uuid4().hex}"
    local = QdrantClient(":memory:") if location is None else None
    if local is not None:
        # Its store is in the client, which all its indexes share here.
        local.close = lambda *_, **__: None  # type: ignore[method-assign]

    def make(generation: str) -> OwnIndex:
        client = local or QdrantClient(location)
        encoder, dimensions = HashEmbedder.name, HashEmbedder.dimensions
        return ServerIndex(client, collection=f"{name}{generation}", embedder=encoder, dimensions=dimensions)

    return make


def _memory() -> Make:
    made: dict[str, MemoryIndex] = {}
    return lambda generation: made.setdefault(generation, MemoryIndex())


@pytest.fixture(params=["memory", "edge", "local-client", *(["server"] if SERVER else [])])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Make]:
    with ExitStack() as stack:
        if request.param == "memory":
            yield _memory()
        elif request.param == "edge":
            yield _edge(tmp_path, stack)
        else:
            yield _server(SERVER if request.param == "server" else None)


def test_all_it_held_is_gone_and_the_one_beside_it_stays(make: Make) -> None:
    old, new = make(""), make("2")
    old.upsert(POINTS)
    new.upsert(POINTS[:2])
    old.drop()
    assert new.stats().points == 2
    assert {hit.title for hit in new.search(make_query("holiday", "everyone"))} == {"a", "b"}
    again = make("")
    assert again.stats().points == 0 and again.search(make_query("holiday", "everyone")) == []
    again.upsert(POINTS[2:])
    assert again.present([point.id for point in POINTS]) == {POINTS[2].id}
    again.close()
    new.close()


def test_dropping_one_that_was_never_written_to_or_is_gone_does_no_harm(make: Make) -> None:
    beside = make("2")
    beside.upsert(POINTS)
    make("").drop()
    make("").drop()
    assert beside.stats().points == 3
    beside.close()


def test_a_server_that_is_away_is_named_and_the_connection_is_closed() -> None:
    from qdrant_client import QdrantClient

    from app.core.errors import UnavailableError
    from retrieval.index.server import ServerIndex

    closed: list[bool] = []
    client = QdrantClient(url="http://127.0.0.1:9", timeout=5, check_compatibility=False)
    close = client.close

    def note(**_: object) -> None:
        closed.append(True)
        close()

    client.close = note  # type: ignore[method-assign, assignment]
    with pytest.raises(UnavailableError) as refused:
        ServerIndex(client, collection="gone", embedder="x", dimensions=3).drop()
    assert refused.value.code == "index_unavailable" and closed == [True]
