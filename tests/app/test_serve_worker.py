"""`serve` alone is enough: it has queued syncs done, by one worker, which ends with it."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from app.core.config import PROJECT_DIR, Settings
from app.core.db import Database
from app.core.identity import EVERYONE
from app.core.processes import is_running
from app.worker import enqueue_sync
from ingest.sync.workers.register import Workers
from tests.app.test_worker import wait_for_run

pytestmark = pytest.mark.engine
Serve = Callable[..., subprocess.Popen[bytes]]


def wait_for(what: Callable[[], object], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.1)


@pytest.fixture
def queued(tmp_path: Path) -> Settings:
    """An installation with a source of two documents, whose first sync waits."""
    from app.migrations import upgrade

    root = tmp_path / "documents"
    root.mkdir()
    for name in ("probes", "orbits"):
        (root / f"{name}.md").write_text(f"# {name}\n\nWhat there is to know of {name}.")
    settings = Settings(_env_file=None, data_dir=tmp_path / "data")
    database = Database(settings.database_address)
    upgrade(database)
    database.close()
    from app.wiring import House

    it = House(settings)
    it.sources.add("folder", "docs", {"path": str(root)}, frozenset({EVERYONE}))
    it.close()
    enqueue_sync(settings, "docs")
    return settings


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Starts `python -m app serve` and waits until it answers."""
    with ExitStack() as stack:

        def start(settings: Settings, **more: str) -> subprocess.Popen[bytes]:
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                port = free.getsockname()[1]
            environment = {**os.environ, **more, "RUNG_DATA_DIR": str(settings.data_dir)}
            process = subprocess.Popen(
                [sys.executable, "-m", "app", "serve", "--port", str(port)], cwd=PROJECT_DIR, env=environment
            )
            stack.callback(process.wait)
            stack.callback(process.kill)
            wait_for(lambda: process.poll() is not None or _answers(port))
            assert process.poll() is None
            return process

        yield start


def _answers(port: int) -> bool:
    try:
        with urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5) as answer:
            return bool(answer.status == 200)
    except (URLError, TimeoutError, ConnectionError):
        return False


def workers_of(settings: Settings) -> list[int]:
    database = Database(settings.database_address)
    try:
        return [int(name.rpartition(":")[2]) for name in Workers(database).alive()]
    finally:
        database.close()


def starts_in_log(settings: Settings) -> int:
    return (settings.data_dir / "worker.log").read_text().count("worker_started")


def test_serve_has_syncs_done_by_one_worker_which_ends_with_it(queued: Settings, serve: Serve) -> None:
    first = serve(queued)
    second = serve(queued)
    wait_for_run(queued, "complete", 120)
    (worker,) = workers_of(queued)
    assert starts_in_log(queued) == 1
    assert os.getpriority(os.PRIO_PROCESS, worker) > os.getpriority(os.PRIO_PROCESS, first.pid)

    # Work that comes later is done by the same one.
    again = enqueue_sync(queued, "docs")
    wait_for(lambda: wait_for_run(queued, "complete", 120).id == again)
    assert workers_of(queued) == [worker]

    # Killed without a chance to say goodbye, whichever of the two it belongs to.
    keeps, other = (first, second) if _parent(worker) == first.pid else (second, first)
    keeps.send_signal(signal.SIGKILL)
    keeps.wait()
    wait_for(lambda: not is_running(worker))

    # The other server has one of its own then, and ends it in good order.
    enqueue_sync(queued, "docs")
    wait_for(lambda: workers_of(queued) not in ([], [worker]))
    (next_worker,) = workers_of(queued)
    assert _parent(next_worker) == other.pid
    other.send_signal(signal.SIGTERM)
    other.wait(timeout=60)
    assert not is_running(next_worker)
    assert workers_of(queued) == []


def test_a_worker_that_is_killed_is_followed_by_one_that_finishes(queued: Settings, serve: Serve) -> None:
    serve(queued)
    wait_for(lambda: workers_of(queued))
    (worker,) = workers_of(queued)
    os.kill(worker, signal.SIGKILL)
    wait_for_run(queued, "complete", 120)
    assert workers_of(queued) != [worker]


def test_apart_means_that_serve_starts_none(queued: Settings, serve: Serve) -> None:
    server = serve(queued, RUNG_WORKER="separate")
    time.sleep(4)
    server.terminate()
    server.wait(timeout=60)
    assert not (queued.data_dir / "worker.log").exists()
    assert wait_for_run(queued, "queued").state == "queued"


def test_the_server_loads_neither_the_engine_of_jobs_nor_torch() -> None:
    code = (
        "import sys, app.main, app.keeper\n"
        "print([name for name in ('dbos', 'torch', 'litellm') if name in sys.modules])"
    )
    said = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT_DIR, capture_output=True, text=True, check=True
    )
    assert said.stdout.strip() == "[]"


def _parent(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[1])
