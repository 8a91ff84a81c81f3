"""Runs the reading model over rows, on all cores and from any thread.

Each core computes its own share of the rows on one thread. Threads that share one matrix product wait for
each other at every layer, which costs most when the cores have other work too.
"""

import os
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from app.core.errors import InputError
from retrieval.embedder import load_bundled
from routing.reading.artefact import About, ReadingAdapter, load_adapter
from routing.reading.pairs import CLS_ID, SEP_ID, Pair
from routing.reading.scores import PairScores

if TYPE_CHECKING:
    from routing.reading.merged import MergedReader, Precision

_PART_TOKENS = 300
"""Tokens of one share: a long row. More of them at once leave the cache and take 3 to 15% longer."""

_MOST_THREADS = 8


class ReadingEngine:
    """The base model with its reading adapter. Nothing is loaded before the first use or `warm_up`.

    Args:
        path: the adapter.
        threads: at most so many at once; 0 means one per core, at most eight.
        precision: of the linear layers; by itself the fastest that was measured to pay on this machine.
    """

    def __init__(self, path: Path, *, threads: int = 0, precision: "Precision | None" = None) -> None:
        self._path = path
        self._threads = threads or min(_MOST_THREADS, _cores())
        self._precision = precision
        self._lock = threading.Lock()
        self._adapter: ReadingAdapter | None = None
        self._reader: MergedReader | None = None
        self._pool: ThreadPoolExecutor | None = None

    @property
    def about(self) -> About:
        """What the adapter says of itself; reads the file, not torch.

        Raises:
            IntegrityError: see `load_adapter`.
        """
        return self._described().about

    @property
    def sha256(self) -> str:
        """The adapter's hash."""
        return self._described().sha256

    def warm_up(self) -> None:
        """Loads and runs everything once.

        Raises:
            IntegrityError: the adapter (see `load_adapter`) or the base's weights are not what they should
            be.
        """
        self.scores([Pair((CLS_ID, 2054, SEP_ID, 2023, SEP_ID), (0, 0, 0, 1, 1), 3, (0,), (4,))])

    def scores(self, pairs: Sequence[Pair]) -> list[PairScores]:
        """The scores of each row, in their order.

        Raises:
            InputError: `row_too_long` when a row is longer than the model reads.
        """
        reader, pool = self._loaded()
        for pair in pairs:
            if len(pair.ids) > reader.most_tokens:
                raise InputError(
                    f"A row of {len(pair.ids)} tokens is too long; at most {reader.most_tokens} are read.",
                    code="row_too_long",
                )
        found: dict[int, PairScores] = {}
        parts = _parts([len(pair.ids) for pair in pairs], self._threads)
        for part, scores in zip(
            parts, pool.map(lambda part: reader.scores([pairs[i] for i in part]), parts), strict=True
        ):
            found.update(zip(part, scores, strict=True))
        return [found[number] for number in range(len(pairs))]

    def close(self) -> None:
        """Ends its threads; a later use starts them again."""
        with self._lock:
            if self._pool is not None:
                self._pool.shutdown()
            self._pool = self._reader = None

    def _described(self) -> ReadingAdapter:
        with self._lock:
            if self._adapter is None:
                self._adapter = load_adapter(self._path)
            return self._adapter

    def _loaded(self) -> "tuple[MergedReader, ThreadPoolExecutor]":
        adapter = self._described()
        with self._lock:
            if self._reader is None or self._pool is None:
                base = load_bundled()
                import torch

                from routing.reading.merged import MergedReader, best_precision

                self._reader = MergedReader(base, adapter, self._precision or best_precision())
                # The number of threads counts for the thread that sets it.
                self._pool = ThreadPoolExecutor(
                    self._threads, "reading", initializer=torch.set_num_threads, initargs=(1,)
                )
            return self._reader, self._pool


def _cores() -> int:
    """Cores that this process may use, where the system says so."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _parts(sizes: Sequence[int], workers: int) -> list[list[int]]:
    """Shares of about equal size, a multiple of the workers where there is enough to share."""
    count = -(-sum(sizes) // _PART_TOKENS)
    count = min(len(sizes), -(-count // workers) * workers)
    parts: list[list[int]] = [[] for _ in range(count)]
    tokens = [0] * count
    for number in sorted(range(len(sizes)), key=lambda i: -sizes[i]):
        smallest = tokens.index(min(tokens))
        parts[smallest].append(number)
        tokens[smallest] += sizes[number]
    return parts
