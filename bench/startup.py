"""How long a start takes: `--help`, the import of the web app, the demo until it answers."""

import json
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).parents[1]
_HEAVY = ("torch", "litellm", "transformers", "sentence_transformers")


def run(data: Path | None, as_json: bool) -> None:
    """Prints each time in seconds; `data` is not needed."""
    del data
    bare = _median_seconds([sys.executable, "-c", "pass"])
    help_seconds = _median_seconds([sys.executable, "-m", "app", "--help"])
    import_seconds = _median_seconds([sys.executable, "-c", "import app.main"])
    print(f"python -c pass              {bare:6.2f} s (median of 7)")
    print(f"python -m app --help        {help_seconds:6.2f} s, target 0.6")
    print(f"import app.main             {import_seconds:6.2f} s; heavy modules it loads: {_heavy_modules()}")
    first, second = _demo_starts()
    print(f"make demo's start, first    {first:6.1f} s (installed; writes and indexes the demo company)")
    print(f"make demo's start, second   {second:6.1f} s, target 15")
    if as_json:
        print(
            json.dumps(
                {
                    "bare_python_seconds": bare,
                    "help_seconds": help_seconds,
                    "import_web_seconds": import_seconds,
                    "demo_first_seconds": first,
                    "demo_second_seconds": second,
                }
            )
        )


def _median_seconds(command: list[str], times: int = 7) -> float:
    found = []
    for _ in range(times):
        start = time.perf_counter()
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
        found.append(time.perf_counter() - start)
    return statistics.median(found)


def _heavy_modules() -> str:
    code = f"import sys, app.main; print([m for m in {_HEAVY!r} if m in sys.modules] or 'none')"
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True)
    return found.stdout.strip()


def _demo_starts() -> tuple[float, float]:
    with tempfile.TemporaryDirectory(prefix="rung-bench-") as folder:
        return _seconds_until_ready(folder), _seconds_until_ready(folder)


def _seconds_until_ready(data_dir: str) -> float:
    start = time.perf_counter()
    with running_demo(data_dir):
        return time.perf_counter() - start


class running_demo:  # noqa: N801 - reads as a context, not as a thing
    """`python -m app demo` on a free port, until it answers; then `address`, `process` and `links`."""

    def __init__(self, data_dir: str) -> None:
        self._data_dir = data_dir

    def __enter__(self) -> "running_demo":
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.address = f"http://127.0.0.1:{port}"
        self._log = Path(self._data_dir, "demo.log")
        environment = {**os.environ, "RUNG_DATA_DIR": self._data_dir, "HF_HUB_OFFLINE": "1", "COLUMNS": "200"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "app", "demo", "--port", str(port)],
            cwd=ROOT,
            env=environment,
            stdout=self._log.open("a"),
            stderr=subprocess.STDOUT,
        )
        deadline = time.monotonic() + 600
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the demo did not start:\n{self._log.read_text()[-2000:]}")
            time.sleep(0.1)
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(timeout=30)

    @property
    def links(self) -> list[str]:
        """The one-click sign-ins that this start printed."""
        return re.findall(rf"{self.address}/sign-in/\S+", self._log.read_text())

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.address}/readyz", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False
