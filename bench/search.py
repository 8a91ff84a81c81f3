"""Search over 100,000 chunks: the path of a real query, from the client through the socket to the engine.

The texts are real (or generated); the vectors of the chunks are random, because encoding 100,000 chunks takes
an hour on two cores and an exact scan costs the same whatever the numbers are. So this measures time, and
says nothing of how good the results are.
"""

import gzip
import json
import random
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from itertools import accumulate, islice
from pathlib import Path
from uuid import UUID

import numpy as np
import psutil

from app.core.identity import AccessList, Principal
from retrieval.embedder import MiniLmEmbedder
from retrieval.index.edge import EdgeIndex
from retrieval.index.protocol import AccessFilter, IndexQuery, Point, Vector

CHUNKS = 100_000
TARGET_P95_MS = 50.0
_GROUPS = 140
_PRINCIPALS = 20
_QUERIES = 300
_CHUNK_CHARACTERS = 700
_WORKSPACE = "bench"
_ALL = Principal("everyone")


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Milliseconds."""

    p50_ms: float
    p95_ms: float
    p99_ms: float

    def __str__(self) -> str:
        return f"p50 {self.p50_ms:6.1f}   p95 {self.p95_ms:6.1f}   p99 {self.p99_ms:6.1f} ms"


def run(data: Path | None, as_json: bool) -> None:
    """Prints the latency of filtered and unfiltered queries, of the embedding, and what the index takes."""
    chooser = random.Random(7)
    texts, questions = _texts(data, chooser), _questions(data, chooser)
    embedder = MiniLmEmbedder()
    embedder.warm_up()
    with tempfile.TemporaryDirectory(prefix="rung-bench-") as folder:
        index = _open(folder)
        points_per_second = _fill(index, texts, chooser)
        disk_bytes = index.stats().disk_bytes or 0
        index.close()
        _wait_for_end(folder)
        started = time.perf_counter()
        index = _open(folder)
        index.stats()
        open_seconds = time.perf_counter() - started
        vectors, embedding = _embed(embedder, questions)
        groups = [Principal("group", f"g{number}") for number in range(_GROUPS)]
        share = _PRINCIPALS / _GROUPS
        filtered = _query(index, questions, vectors, [chooser.sample(groups, _PRINCIPALS) for _ in questions])
        everything = _query(index, questions, vectors, [[_ALL]] * len(questions))
        rss_mb = _engine(folder).memory_info().rss / 1e6
        index.close()
        _wait_for_end(folder)
    origin = f"texts of {data}" if data else "generated texts"
    print(
        f"{CHUNKS:,} chunks ({origin}; random vectors of 384 numbers), {len(questions)} questions, one client"
    )
    print(
        f"hybrid, {_PRINCIPALS} principals ({share:.0%} of chunks)  {filtered}, "
        f"target p95 {TARGET_P95_MS:.0f}"
    )
    print(f"hybrid, a filter all chunks pass     {everything}")
    print(f"the question's embedding, beside it  {embedding}")
    print(
        f"written at {points_per_second:,.0f} chunks/s; cold open {open_seconds:.2f} s; "
        f"on disk {disk_bytes / 1e6:.0f} MB; engine's memory {rss_mb:.0f} MB"
    )
    if as_json:
        print(
            json.dumps(
                {
                    "chunks": CHUNKS,
                    "filtered": asdict(filtered),
                    "unfiltered": asdict(everything),
                    "embedding": asdict(embedding),
                    "matching_share": round(share, 4),
                    "open_seconds": round(open_seconds, 3),
                    "disk_mb": round(disk_bytes / 1e6, 1),
                    "engine_rss_mb": round(rss_mb, 1),
                    "points_per_second": round(points_per_second),
                    "target_p95_ms": TARGET_P95_MS,
                    "met": filtered.p95_ms <= TARGET_P95_MS,
                }
            )
        )


def _open(folder: str) -> EdgeIndex:
    return EdgeIndex(Path(folder), embedder="random", dimensions=384, idle_seconds=1)


def _fill(index: EdgeIndex, texts: Iterator[str], chooser: random.Random) -> float:
    numbers = np.random.default_rng(7)
    started, written = time.perf_counter(), 0
    while batch := list(islice(texts, 1024)):
        vectors = numbers.standard_normal((len(batch), 384), dtype=np.float32)
        index.upsert([_point(written + i, text, vectors[i], chooser) for i, text in enumerate(batch)])
        written += len(batch)
    index.flush()
    if written != CHUNKS:
        raise RuntimeError(f"{written} chunks could be made of the texts, not {CHUNKS}")
    return written / (time.perf_counter() - started)


def _point(number: int, text: str, vector: Vector, chooser: random.Random) -> Point:
    access: AccessList = frozenset({Principal("group", f"g{chooser.randrange(_GROUPS)}"), _ALL})
    return Point(
        id=str(UUID(int=chooser.getrandbits(128))),
        workspace_id=_WORKSPACE,
        document_id=f"d{number // 5}",
        source=f"s{number % 6}",
        title=f"Document {number // 5}",
        heading_path=("Section",),
        text=text,
        embedded_text=text,
        start=0,
        end=len(text),
        url=None,
        author=None,
        updated_at=datetime(2026, 1, 1, tzinfo=UTC) - timedelta(hours=number % 20_000),
        access=access,
        vector=vector,
    )


def _embed(embedder: MiniLmEmbedder, questions: list[str]) -> tuple[list[Vector], Percentiles]:
    vectors, times = [], []
    for question in questions:
        started = time.perf_counter()
        vectors.append(embedder.embed([question])[0])
        times.append(time.perf_counter() - started)
    return vectors, _percentiles(times)


def _query(
    index: EdgeIndex, questions: list[str], vectors: list[Vector], principals: list[list[Principal]]
) -> Percentiles:
    """How long the queries took, without the first ten, which warm caches."""
    times = []
    for text, vector, allowed in zip(questions, vectors, principals, strict=True):
        access = AccessFilter(_WORKSPACE, tuple(sorted(str(principal) for principal in allowed)))
        started = time.perf_counter()
        hits = index.search(IndexQuery(text, vector, access))
        times.append(time.perf_counter() - started)
        if len(hits) != 20:
            raise RuntimeError(f"a query found {len(hits)} chunks, not 20")
    return _percentiles(times[10:])


def _percentiles(seconds: list[float]) -> Percentiles:
    p50, p95, p99 = (float(x) for x in np.percentile(np.array(seconds) * 1000, [50, 95, 99]))
    return Percentiles(round(p50, 2), round(p95, 2), round(p99, 2))


def _engine(folder: str) -> psutil.Process:
    wanted = f"--data-dir={Path(folder).resolve()}"
    for process in psutil.process_iter(["cmdline"]):
        if wanted in (process.info["cmdline"] or []):
            return process
    raise psutil.NoSuchProcess(0, msg=f"no engine serves {folder}")


def _wait_for_end(folder: str) -> None:
    try:
        _engine(folder).wait(timeout=120)
    except psutil.NoSuchProcess:
        return


def _texts(data: Path | None, chooser: random.Random) -> Iterator[str]:
    if data is None:
        words, weights = _vocabulary(chooser)
        return (" ".join(chooser.choices(words, cum_weights=weights, k=110)) for _ in range(CHUNKS))
    return islice(_pieces(data), CHUNKS)


def _pieces(data: Path) -> Iterator[str]:
    """Pieces of 700 characters of every corpus, small corpora first, the last one again if need be."""
    files = sorted((data / "corpora").glob("*.jsonl.gz"), key=lambda path: path.stat().st_size)
    while files:
        for path in files:
            with gzip.open(path, "rt", encoding="utf-8") as lines:
                for line in lines:
                    text = json.loads(line)["text"]
                    for start in range(0, len(text), _CHUNK_CHARACTERS):
                        yield text[start : start + _CHUNK_CHARACTERS]


def _questions(data: Path | None, chooser: random.Random) -> list[str]:
    if data is None:
        words, weights = _vocabulary(chooser)
        return [" ".join(chooser.choices(words, cum_weights=weights, k=10)) for _ in range(_QUERIES)]
    found = []
    for path in sorted((data / "qa").glob("*.jsonl.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            found += [row["question"] for row in map(json.loads, lines) if row.get("split") == "dev"]
    return chooser.sample(sorted(set(found)), _QUERIES)


def _vocabulary(chooser: random.Random) -> tuple[list[str], list[float]]:
    """Words and their cumulative frequencies, which fall as those of a language do (Zipf)."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = ["".join(chooser.choices(letters, k=chooser.randint(3, 9))) for _ in range(30_000)]
    return words, list(accumulate(1 / rank for rank in range(1, len(words) + 1)))
