"""Whether a process is there: one that has ended is not, also while its parent has not noticed."""

import os
import subprocess
import sys

from app.core.processes import is_running


def test_a_process_runs_until_it_ends() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    assert is_running(os.getpid()) and is_running(child.pid)
    child.kill()
    # Ended, and not yet waited for: the system still knows its number.
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    os.kill(child.pid, 0)
    assert not is_running(child.pid)
    child.communicate()
    assert not is_running(child.pid)


def test_a_process_of_somebody_else_runs() -> None:
    assert is_running(1)
