"""Finding and ending the engine process of one data folder, for tests that kill it."""

import os
import signal
import time
from pathlib import Path

import psutil


def engines_of(data_dir: Path) -> list[int]:
    """The process ids of the engines that serve this folder."""
    wanted = f"--data-dir={data_dir.resolve()}"
    return [
        process.pid
        for process in psutil.process_iter(["cmdline", "status"])
        if wanted in (process.info["cmdline"] or []) and process.info["status"] != psutil.STATUS_ZOMBIE
    ]


def wait_for_no_engine(data_dir: Path, seconds: float = 20.0) -> bool:
    """Whether every engine of the folder has ended within this time."""
    deadline = time.monotonic() + seconds
    while engines_of(data_dir):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def kill_engine(data_dir: Path) -> None:
    """`kill -9`, as a machine short of memory does it."""
    for pid in engines_of(data_dir):
        os.kill(pid, signal.SIGKILL)


def stop_engine(data_dir: Path) -> None:
    """Ends the engine and waits for it, so that the folder can be removed."""
    kill_engine(data_dir)
    assert wait_for_no_engine(data_dir)
