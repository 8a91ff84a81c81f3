"""What the doctor says of the worker."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from app.core.config import Settings
from app.core.db import Database
from app.doctor import _worker
from app.migrations import upgrade
from app.wiring import House


@pytest.fixture
def it(settings: Settings, tmp_path: Path) -> Iterator[House]:
    prepared = Database(settings.database_address)
    upgrade(prepared)
    prepared.close()
    (tmp_path / "documents").mkdir()
    with closing(House(settings)) as made:
        made.sources.add("folder", "docs", {"path": str(tmp_path / "documents")})
        yield made


def test_none_is_needed_without_work(it: House) -> None:
    assert _worker(it).state == "off"
    assert "nothing waits" in _worker(it).detail


def test_work_without_a_worker_says_how_to_start_one(it: House) -> None:
    it.sync_control.start("docs", actor="ana")
    assert _worker(it).state == "off"
    assert "`serve` starts" in _worker(it).detail
    it.settings = it.settings.model_copy(update={"worker": "separate"})
    assert _worker(it).state == "wrong"
    assert "python -m app worker" in _worker(it).detail


def test_a_worker_that_lives_is_named(it: House) -> None:
    it.workers.beat("another-machine:7")
    assert (_worker(it).state, _worker(it).detail) == ("ok", "1 at work (another-machine:7)")


def test_one_that_cannot_be_kept_is_wrong_with_the_reason(it: House) -> None:
    it.worker_trouble.note("It ended with exit code 3.")
    assert (_worker(it).state, _worker(it).detail) == (
        "wrong",
        "It ended with exit code 3.",
    )
    it.worker_trouble.clear()
    assert _worker(it).state == "off"
