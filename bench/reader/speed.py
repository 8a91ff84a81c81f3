"""How long the reader takes: eight passages of 256 tokens and a question of twelve, each way in turn."""

import gc
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from retrieval.embedder import bundled_folder, load_bundled
from routing.reading.artefact import About, load_adapter, save_adapter
from routing.reading.corpus import load_pages, load_rows
from routing.reading.engine import ReadingEngine
from routing.reading.pairs import Pair, make_pairs, tokens_of
from routing.reading.reading import TEXT_TOKENS

if TYPE_CHECKING:
    from routing.reading.network import ReadingNetwork

PASSAGES = 8
QUESTION_TOKENS = 12
ROUNDS = 9
TARGET_MS = 250

UNMERGED = "peft, unmerged, float32"
PLAIN = "merged, float32, padded batch"
PACKED = "merged, float32, packed"
KEPT = "merged, int8, packed"

_SET = "squad_v2"


def run_speed(data: Path, adapter: Path | None = None, *, rounds: int = ROUNDS) -> dict[str, float]:
    """Prints p50 and p95 of each way in ms, round by round in turn, and what the kept way gains.

    Args:
        data: holds the paragraphs to read; several are joined until a row is full.
        adapter: the one to read with; one of random numbers takes as long, and is what peft runs in any case.
    """
    warnings.filterwarnings("ignore", category=UserWarning)
    with tempfile.TemporaryDirectory(prefix="rung-bench-") as folder:
        network, merged = _network(adapter), _merged(_network(adapter))
        path = adapter or _random_adapter(network, Path(folder))
        before = _anonymous_mb()
        kept = ReadingEngine(path, precision="int8")
        started = time.perf_counter()
        kept.warm_up()
        load_seconds = time.perf_counter() - started
        gc.collect()
        memory_mb = _anonymous_mb() - before
        packed = ReadingEngine(path, precision="float32")
        ways: dict[str, Callable[[Sequence[Pair]], object]] = {
            UNMERGED: lambda pairs: _padded(network, pairs),
            PLAIN: lambda pairs: _padded(merged, pairs),
            PACKED: packed.scores,
            KEPT: kept.scores,
        }
        wall, busy = _measure(ways, _questions(data), rounds)
        kept.close()
        packed.close()
    return _show(wall, busy, load_seconds, memory_mb)


def _measure(
    ways: Mapping[str, Callable[[Sequence[Pair]], object]], questions: Sequence[Sequence[Pair]], rounds: int
) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """Wall and processor time of each way in ms; the first round only warms up."""
    wall: dict[str, list[float]] = {name: [] for name in ways}
    busy: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        for name, way in ways.items():
            began, worked = time.perf_counter(), time.process_time()
            way(questions[number % len(questions)])
            if number:
                wall[name].append((time.perf_counter() - began) * 1000)
                busy[name].append((time.process_time() - worked) * 1000)
    return wall, busy


def _show(
    wall: Mapping[str, Sequence[float]],
    busy: Mapping[str, Sequence[float]],
    load_seconds: float,
    memory_mb: float,
) -> dict[str, float]:
    cores = len(psutil.Process().cpu_affinity() or [0])
    print(
        f"reading {PASSAGES} passages of {TEXT_TOKENS} tokens, {len(wall[KEPT])} rounds in turn, "
        f"on {cores} cores, load {psutil.getloadavg()[0]:.1f}; target: p50 at most {TARGET_MS} ms"
    )
    print(f"{'':32}{'p50 ms':>9}{'p95 ms':>9}{'fastest':>9}{'processor ms':>14}{'fastest':>9}")
    for name, times in wall.items():
        worked = statistics.median(busy[name])
        print(
            f"{name:32}{statistics.median(times):9.0f}{_p95(times):9.0f}{min(times):9.0f}{worked:14.0f}"
            f"{min(busy[name]):9.0f}"
        )
    gains = {name: _gain(wall[name], wall[KEPT]) for name in (UNMERGED, PLAIN, PACKED)}
    work = {name: _gain(busy[name], busy[KEPT]) for name in gains}
    for name, gain in gains.items():
        print(f"kept against {name}: {gain:.2f} times as fast, {work[name]:.2f} times less processor time")
    print(
        f"loading takes {load_seconds:.1f} s and adds {memory_mb:.0f} MB beside the encoder's weights, "
        "which are mapped once"
    )
    return {
        "p50_ms": round(statistics.median(wall[KEPT]), 1),
        "p95_ms": round(_p95(wall[KEPT]), 1),
        "fastest_ms": round(min(wall[KEPT]), 1),
        "processor_ms": round(statistics.median(busy[KEPT]), 1),
        "fastest_processor_ms": round(min(busy[KEPT]), 1),
        "float32_p50_ms": round(statistics.median(wall[PLAIN]), 1),
        "unmerged_p50_ms": round(statistics.median(wall[UNMERGED]), 1),
        "ratio_to_float32": round(gains[PLAIN], 2),
        "ratio_to_unmerged": round(gains[UNMERGED], 2),
        "processor_ratio_to_float32": round(work[PLAIN], 2),
        "load_seconds": round(load_seconds, 2),
        "memory_mb": round(memory_mb, 1),
    }


def _anonymous_mb() -> float:
    """Memory of this process that no file stands behind; a system that does not say so counts all."""
    status = Path("/proc/self/status")
    if status.is_file():
        for line in status.read_text().splitlines():
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) * 1024 / 1e6
    return psutil.Process().memory_info().rss / 1e6


def _gain(slow: Sequence[float], fast: Sequence[float]) -> float:
    """Median over the rounds of one time over the other, so that a busy moment counts for both."""
    return statistics.median(a / b for a, b in zip(slow, fast, strict=True))


def _p95(times: Sequence[float]) -> float:
    return sorted(times)[min(len(times) - 1, round(0.95 * len(times)))]


def _questions(data: Path) -> list[list[Pair]]:
    """Rows that are full: a question of twelve tokens beside paragraphs joined up to 256 tokens."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(bundled_folder() / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    asked = tokens_of(tokenizer, [row.question for row in load_rows(data, _SET, training=False)])
    asked = [text for text in asked if len(text.ids) == QUESTION_TOKENS][:4]
    texts = [page.text for page in load_pages(data, _SET).values()]
    (no_title,) = tokens_of(tokenizer, [""])
    questions = []
    for number, question in enumerate(asked):
        first = number * PASSAGES * 5
        joined = [" ".join(texts[first + 5 * i : first + 5 * i + 5]) for i in range(PASSAGES)]
        bodies = tokens_of(tokenizer, joined)
        rows = [make_pairs(question, no_title, b, at_most=TEXT_TOKENS, stride=64)[0] for b in bodies]
        questions.append(rows)
    if not questions or any(len(row.starts) < TEXT_TOKENS for rows in questions for row in rows):
        raise SystemExit(f"{data} holds too little of {_SET} to measure with.")
    return questions


def _network(adapter: Path | None) -> "ReadingNetwork":
    import torch

    from routing.reading.network import ReadingNetwork

    load_bundled()
    about = load_adapter(adapter).about if adapter else None
    rank, alpha = (about.rank, about.alpha) if about else (48, 96)
    torch.manual_seed(1)
    network = ReadingNetwork(bundled_folder(), rank=rank, alpha=alpha).eval()
    with torch.no_grad():
        for name, value in network.learned().items():
            if "lora_B" in name:
                value.normal_(0, 0.02)
    return network


def _random_adapter(network: "ReadingNetwork", folder: Path) -> Path:
    path = folder / "random.safetensors"
    about = About(name="random", rank=48, alpha=96, head_inner=192, trained_at=datetime.now(UTC))
    save_adapter(path, dict(network.learned()), about)
    return path


def _padded(network: "ReadingNetwork", pairs: Sequence[Pair]) -> object:
    """As one padded batch, all threads together in each matrix product."""
    import torch

    from routing.reading.training import collate

    torch.set_num_threads(len(psutil.Process().cpu_affinity() or [0]))
    with torch.inference_mode():
        return network(*collate(pairs))


def _merged(network: "ReadingNetwork") -> "ReadingNetwork":
    """The adapter's numbers added to the weights, in place: the plain path of torch."""
    for module in network.bert.modules():
        if hasattr(module, "merge"):
            module.merge()
    return network
