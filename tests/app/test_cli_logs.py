"""What a command logs tells no values of variables, which may be secrets."""

import subprocess
import sys
from pathlib import Path

_COMMAND = """
import sys
import structlog
from app.cli.application import app, run

@app.command()
def boom() -> None:
    secret = "hunter2" * 2
    try:
        len(secret) / 0
    except ZeroDivisionError:
        structlog.get_logger().exception("it_went_wrong")

sys.argv = ["rung", "boom"]
run()
"""


def test_a_traceback_on_the_command_line_tells_no_values(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _COMMAND],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
        env={"RUNG_DATA_DIR": str(tmp_path), "PYTHONPATH": "."},
        cwd=Path(__file__).parents[2],
    )
    assert "it_went_wrong" in done.stderr and "ZeroDivisionError" in done.stderr
    assert "hunter2" not in done.stderr + done.stdout
