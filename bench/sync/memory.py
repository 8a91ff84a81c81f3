"""The memory of a process with all that it started, looked at while it works."""

import threading
from types import TracebackType
from typing import Self

import psutil

_EVERY_SECONDS = 0.25


class PeakMemory:
    """Adds up the resident memory of a process tree every so often; shared pages count each time."""

    def __init__(self, pid: int, *, engine_folder: str) -> None:
        self._process = psutil.Process(pid)
        self._engine_folder = engine_folder
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.peak_mb = 0.0
        self.parts_mb: dict[str, float] = {}

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(_EVERY_SECONDS):
            parts = {"worker": self._process.memory_info().rss / 1e6}
            for child in self._tree():
                try:
                    command = " ".join(child.cmdline())
                    name = "engine" if "retrieval.index.engine" in command else "parsing"
                    parts[name] = parts.get(name, 0.0) + child.memory_info().rss / 1e6
                except psutil.NoSuchProcess:
                    continue
            total = sum(parts.values())
            if total > self.peak_mb:
                self.peak_mb, self.parts_mb = total, parts

    def _tree(self) -> list[psutil.Process]:
        children = self._process.children(recursive=True)
        known = {child.pid for child in children}
        engines = [
            process
            for process in psutil.process_iter(["cmdline"])
            if process.pid not in known
            and f"--data-dir={self._engine_folder}" in (process.info["cmdline"] or [])
        ]
        return [*children, *engines]
