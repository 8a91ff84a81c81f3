"""The worker beside the server: started when it is wanted, one of it, and what is said when it fails."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from app.core.config import Settings
from app.core.processes import is_running
from app.keeper import WorkerKeeper
from ingest.sync.workers.beside import WorkerTrouble, alone

STEADY = """
import sys, time
from pathlib import Path
from ingest.sync.workers.beside import alone
with alone(Path(sys.argv[1])) as is_alone:
    if not is_alone:
        sys.exit(75)
    print("at work", flush=True)
    time.sleep(120)
"""
FAILING = "import sys; print('the tables are of another version'); sys.exit(3)"
Make = Callable[..., WorkerKeeper]


def wait_for(what: Callable[[], object], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.05)


@pytest.fixture
def trouble(settings: Settings) -> WorkerTrouble:
    return WorkerTrouble(settings.data_dir)


@pytest.fixture
def make(settings: Settings, trouble: WorkerTrouble) -> Iterator[Make]:
    with ExitStack() as stack:

        def keeper(
            script: str = STEADY, *, wanted: bool = True, there: Callable[[], bool] = lambda: False
        ) -> WorkerKeeper:
            command = (sys.executable, "-c", script, str(settings.data_dir))
            made = WorkerKeeper(
                settings,
                lambda: wanted,
                there,
                trouble,
                command=command,
                look_seconds=0.02,
                first_pause_seconds=0.05,
            )
            settings.data_dir.mkdir(exist_ok=True)
            made.start()
            stack.callback(made.close)
            return made

        yield keeper


def log_of(settings: Settings) -> str:
    path = settings.data_dir / "worker.log"
    return path.read_text() if path.exists() else ""


def test_a_worker_is_there_while_the_server_is(make: Make, settings: Settings) -> None:
    keeper = make()
    wait_for(lambda: "at work" in log_of(settings))
    pid = keeper.child_pid
    assert pid is not None and is_running(pid)
    assert keeper.log_path.stat().st_mode & 0o777 == 0o600
    keeper.close()
    assert not is_running(pid)


def test_one_that_is_killed_is_followed_by_another(make: Make, settings: Settings) -> None:
    keeper = make()
    wait_for(lambda: "at work" in log_of(settings))
    first = keeper._child
    assert first is not None
    first.kill()
    wait_for(lambda: log_of(settings).count("at work") == 2)
    assert keeper.child_pid not in (None, first.pid)


def test_two_servers_on_one_folder_keep_one_worker(make: Make, settings: Settings) -> None:
    keepers = [make(), make()]
    wait_for(lambda: "at work" in log_of(settings))
    wait_for(lambda: sum(keeper.child_pid is not None for keeper in keepers) == 1)
    has, has_not = sorted(keepers, key=lambda keeper: keeper.child_pid is None)
    has.close()
    wait_for(lambda: log_of(settings).count("at work") == 2)
    assert has_not.child_pid is not None


@pytest.mark.parametrize(("wanted", "there"), [(False, False), (True, True)])
def test_none_is_started_without_work_or_beside_another(
    make: Make, settings: Settings, wanted: bool, there: bool
) -> None:
    looked: list[bool] = []

    def is_there() -> bool:
        looked.append(True)
        return there

    keeper = make(wanted=wanted, there=is_there)
    if wanted:
        wait_for(lambda: len(looked) > 5)
    keeper.close()
    assert not (settings.data_dir / "worker.log").exists()


def test_one_that_fails_again_and_again_is_said_and_tried_less_often(
    make: Make, settings: Settings, trouble: WorkerTrouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    keeper = make(FAILING)
    wait_for(trouble.read)
    said = trouble.read() or ""
    assert "exit code 3" in said and "the tables are of another version" in said
    assert str(keeper.log_path) in said
    wait_for(lambda: keeper._failures >= 4)
    before = keeper._again_at
    wait_for(lambda: keeper._failures >= 5)
    # 0.05 s doubled with each failure: the fifth waits 0.8.
    assert keeper._again_at - before >= 0.8
    # Another process reads it, as long as the one that wrote it lives.
    assert WorkerTrouble(settings.data_dir).read() == trouble.read()
    monkeypatch.setattr("ingest.sync.workers.beside.is_running", lambda _: False)
    assert WorkerTrouble(settings.data_dir).read() is None
    keeper.close()
    assert trouble.read() is None


def test_one_that_does_nothing_and_says_that_all_is_well_is_a_failure_too(
    make: Make, trouble: WorkerTrouble
) -> None:
    make("pass")
    wait_for(trouble.read)
    assert "exit code 0" in (trouble.read() or "")


def test_a_program_that_is_not_there_is_said(settings: Settings, trouble: WorkerTrouble) -> None:
    settings.data_dir.mkdir()
    keeper = WorkerKeeper(
        settings,
        lambda: True,
        lambda: False,
        trouble,
        command=("/nowhere/python",),
        look_seconds=0.02,
        first_pause_seconds=0.02,
    )
    keeper.start()
    wait_for(trouble.read)
    assert "cannot be started" in (trouble.read() or "") and "/nowhere/python" in (trouble.read() or "")
    keeper.close()


def test_all_is_well_again_when_a_worker_is_there(make: Make, trouble: WorkerTrouble) -> None:
    there: list[bool] = []
    make(FAILING, there=lambda: bool(there))
    wait_for(trouble.read)
    there.append(True)
    wait_for(lambda: trouble.read() is None)


def test_a_place_that_is_held_without_a_sign_of_life_is_said(
    make: Make, settings: Settings, trouble: WorkerTrouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.keeper._SILENT_SECONDS", 0.1)
    with alone(settings.data_dir) as is_alone:
        assert is_alone
        keeper = make()
        wait_for(trouble.read)
        assert "worker.lock" in (trouble.read() or "")
        assert keeper.child_pid is None
    wait_for(lambda: keeper.child_pid)


def test_a_note_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    (tmp_path / "worker-trouble.json").write_text("{")
    assert "remove it" in (WorkerTrouble(tmp_path).read() or "")
