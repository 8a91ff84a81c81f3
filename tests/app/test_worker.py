"""The worker: a queued sync is run, and one whose worker was killed is finished by the next."""

import time
from pathlib import Path

import pytest

from app.core.db import Database
from app.core.errors import NotFoundError
from app.worker import enqueue_sync
from ingest.tables import SyncRunRow
from tests.ingest.test_kill import documents, points, prepare, runs, start, write_documents

pytestmark = pytest.mark.engine


def wait_for_run(settings: object, state: str, seconds: float = 60) -> SyncRunRow:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = runs(settings)  # type: ignore[arg-type]
        if found and found[-1].state == state and (state != "running" or found[-1].chunks_embedded):
            return found[-1]
        time.sleep(0.1)
    raise AssertionError(f"no run became {state}: {[(r.state, r.message) for r in runs(settings)]}")  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_worker_killed_in_the_middle_is_followed_by_one_that_finishes(
    tmp_path: Path, kind: str, request: pytest.FixtureRequest
) -> None:
    root = tmp_path / "source"
    write_documents(root)
    address = None
    if kind == "postgres":
        database: Database = request.getfixturevalue("postgres_database")
        address = database.engine.url.render_as_string(hide_password=False)
    calm, settings = prepare(tmp_path / "calm", root), prepare(tmp_path / "worked", root, address)
    said, _ = start("once", calm, 0).communicate(timeout=60)
    assert "45 documents held" in said

    run_id = enqueue_sync(settings, "docs")
    assert enqueue_sync(settings, "docs") == run_id
    assert runs(settings)[0].state == "queued"
    first = start("worker", settings, 0.3)
    wait_for_run(settings, "running")
    first.kill()
    first.communicate()

    second = start("worker", settings, 0)
    done = wait_for_run(settings, "complete")
    assert (done.id, done.resumed) == (run_id, 1)
    assert documents(settings) == documents(calm)
    assert points(settings) == points(calm)

    # The same worker takes the next job too, and ends when it is asked to.
    again = enqueue_sync(settings, "docs")
    assert again != run_id
    assert wait_for_run(settings, "complete").id == again
    second.terminate()
    second.communicate(timeout=40)
    assert second.returncode == 0


def test_worker_asked_to_stop_leaves_the_sync_to_the_next(tmp_path: Path) -> None:
    root = tmp_path / "source"
    write_documents(root)
    settings = prepare(tmp_path / "data", root)
    enqueue_sync(settings, "docs")
    first = start("worker", settings, 0.3)
    wait_for_run(settings, "running")
    first.terminate()
    first.communicate(timeout=40)
    assert first.returncode == 0
    assert runs(settings)[0].state == "running"
    second = start("worker", settings, 0)
    assert wait_for_run(settings, "complete").resumed == 1
    second.terminate()
    second.communicate(timeout=40)


def test_unknown_source_is_not_queued(tmp_path: Path) -> None:
    settings = prepare(tmp_path / "data", tmp_path)
    with pytest.raises(NotFoundError):
        enqueue_sync(settings, "gone")
    assert not runs(settings)
