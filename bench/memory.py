"""Peak memory of the serving process with the demo indexed, after questions were asked."""

import json
import sys
import tempfile
from pathlib import Path

import httpx
import psutil

from app.demo.company import load_questions
from bench.startup import running_demo

TARGET_MB = 900


def run(data: Path | None, as_json: bool) -> None:
    """Prints resident and peak memory of the server and of the engine; `data` is not needed."""
    del data
    with tempfile.TemporaryDirectory(prefix="rung-bench-") as folder:
        # Indexing is done by another process: the figure is that of a process that only serves.
        with running_demo(folder):
            pass
        with running_demo(folder) as demo:
            asked = _ask(demo)
            server = psutil.Process(demo.process.pid)
            peak_mb = _peak_mb(server.pid)
            resident_mb = server.memory_info().rss / 1e6
            engine_mb = sum(
                _peak_mb(p.pid) for p in psutil.process_iter(["cmdline"]) if _is_engine(p, folder)
            )
    print(
        f"after {asked} questions over the demo company, on {sys.platform}, Python {sys.version.split()[0]}"
    )
    print(
        f"serving process   peak {peak_mb:6.0f} MB, now {resident_mb:6.0f} MB, target at most {TARGET_MB} MB"
    )
    print(f"engine process    peak {engine_mb:6.0f} MB")
    if as_json:
        print(
            json.dumps(
                {"serving_peak_mb": peak_mb, "serving_now_mb": resident_mb, "engine_peak_mb": engine_mb}
            )
        )


def _ask(demo: running_demo) -> int:
    questions = load_questions()
    with httpx.Client(base_url=demo.address, follow_redirects=True, timeout=60) as client:
        client.get(demo.links[-1])
        for question in questions:
            answer = client.post(
                "/api/v1/ask", json={"question": question.question}, headers={"origin": demo.address}
            )
            answer.raise_for_status()
    return len(questions)


def _peak_mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise RuntimeError("this system reports no peak memory")


def _is_engine(process: psutil.Process, data_dir: str) -> bool:
    command = " ".join(process.info["cmdline"] or [])
    return "retrieval.index.engine" in command and data_dir in command
