"""Several parsing processes: documents are parsed side by side, and come back in their order."""

import os
import queue
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self

from ingest.parsing.document import ParsedDocument
from ingest.parsing.process import ParserProcess


def default_processes() -> int:
    """One fewer than there are cores, since encoding needs one too; at least one."""
    return max(1, (os.cpu_count() or 1) - 1)


class ParserPool:
    """Implements `Parser` with up to `processes` processes, each with its own limits, started when needed.

    A document that brings its process down costs one failure; the others are parsed elsewhere meanwhile.

    Args:
        processes: 0 means one fewer than there are cores.
        timeout_seconds: the longest that one document may take.
        memory_bytes: the most memory one process may use.
    """

    def __init__(
        self, *, processes: int = 0, timeout_seconds: float = 60.0, memory_bytes: int = 1_500_000_000
    ) -> None:
        self.processes = processes or default_processes()
        self._parsers = [
            ParserProcess(timeout_seconds=timeout_seconds, memory_bytes=memory_bytes)
            for _ in range(self.processes)
        ]
        self._idle: queue.LifoQueue[ParserProcess] = queue.LifoQueue()
        for parser in self._parsers:
            self._idle.put(parser)
        self._executor = ThreadPoolExecutor(self.processes, thread_name_prefix="parse")

    @property
    def ahead(self) -> int:
        """How many documents to have begun at once, so that no process waits."""
        return 2 * self.processes

    def start(self, file_name: str, media_type: str | None, content: bytes) -> Callable[[], ParsedDocument]:
        """Begins to parse a document. What is returned waits for its text, and raises as `parse` does."""
        future: Future[ParsedDocument] = self._executor.submit(self._parse, file_name, media_type, content)
        return future.result

    def parse(self, file_name: str, media_type: str | None, content: bytes) -> ParsedDocument:
        """Raises `ParseError`, which names what is wrong with the document."""
        return self._parse(file_name, media_type, content)

    def close(self) -> None:
        """Ends the processes; what is not begun yet is dropped."""
        self._executor.shutdown(wait=False, cancel_futures=True)
        for parser in self._parsers:
            parser.close()
        self._executor.shutdown()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _parse(self, file_name: str, media_type: str | None, content: bytes) -> ParsedDocument:
        parser = self._idle.get()
        try:
            return parser.parse(file_name, media_type, content)
        finally:
            self._idle.put(parser)
