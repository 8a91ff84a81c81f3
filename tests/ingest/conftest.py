"""What the tests of ingest share: a parsing process, and files of every format made on the spot."""

from collections.abc import Iterator

import pytest

from ingest.parsing import ParserProcess


@pytest.fixture(scope="session")
def parser() -> Iterator[ParserProcess]:
    """One parsing process for the whole session, as in the product."""
    with ParserProcess(timeout_seconds=20, memory_bytes=1_000_000_000) as process:
        yield process
