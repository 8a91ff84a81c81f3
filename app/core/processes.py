"""What is known of other processes of this machine."""

import os
from pathlib import Path


def is_running(pid: int) -> bool:
    """Whether a process of this machine is there and has not ended.

    One that was killed stays known to the system until its parent has noticed. Where the system tells so
    (Linux), it counts as ended.
    """
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return _state(pid) not in ("Z", "X")


def _state(pid: int) -> str:
    """The letter of its state, as Linux gives it (proc_pid_stat(5)); empty elsewhere, or once it is gone."""
    try:
        about = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    # The name before it stands in brackets and may hold any character.
    return about.rpartition(")")[2].strip()[:1]
