"""An engine of its own for each test that asks for one, stopped when the test ends."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from retrieval.index.edge import EdgeIndex
from tests.fakes.embedder import HashEmbedder
from tests.fakes.engines import stop_engine


@pytest.fixture
def open_edge(tmp_path: Path) -> Iterator[Callable[..., EdgeIndex]]:
    """Opens the index of the test's folder, as often as the test likes."""
    opened: list[EdgeIndex] = []

    def make(idle_seconds: float = 10.0, embedder: str = HashEmbedder.name) -> EdgeIndex:
        index = EdgeIndex(
            tmp_path, embedder=embedder, dimensions=HashEmbedder.dimensions, idle_seconds=idle_seconds
        )
        opened.append(index)
        return index

    yield make
    for index in opened:
        index.close()
    stop_engine(tmp_path)
