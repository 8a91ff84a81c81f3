"""Parsing in a process of its own, with limits on time and memory, restarted when it dies of a document."""

import math
import os
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
from types import TracebackType
from typing import IO, Protocol, Self

from app.core.config import PROJECT_DIR
from ingest.parsing.document import ParsedDocument, ParseError
from ingest.parsing.formats import supports, unsupported
from ingest.parsing.wire import LENGTH_BYTES, document_of, frame, unframe

_READ_BYTES = 1 << 20
_PASSED_ON = ("PATH", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")


class Parser(Protocol):
    """Turns the bytes of a document into text."""

    def parse(self, file_name: str, media_type: str | None, content: bytes) -> ParsedDocument:
        """Raises `ParseError`, which names what is wrong with the document."""
        ...

    def close(self) -> None: ...


class ParserProcess:
    """A long-lived parsing process, used by one thread at a time.

    Args:
        timeout_seconds: the longest that one document may take.
        memory_bytes: the most memory the process may use.
    """

    def __init__(self, *, timeout_seconds: float = 60.0, memory_bytes: int = 1_500_000_000) -> None:
        self._timeout_seconds = timeout_seconds
        self._memory_bytes = memory_bytes
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._complaints: IO[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The process id, or nothing while none runs."""
        return self._process.pid if self._process is not None else None

    def parse(self, file_name: str, media_type: str | None, content: bytes) -> ParsedDocument:
        """The text of a document.

        Raises:
            ParseError: what is wrong with it, also when it took too long or brought the process down.
        """
        if not supports(file_name, media_type):
            raise unsupported(file_name)
        question = {"file_name": file_name, "media_type": media_type, "content": content}
        with self._lock:
            process = self._running()
            try:
                answer = self._ask(process, frame(question))
            except (EOFError, BrokenPipeError, ConnectionResetError):
                raise self._why_it_died(process) from None
            except BaseException:
                self._stop()
                raise
            message = unframe(answer)
            if message.get("code") == "too_much_memory":
                self._stop()
        return document_of(message)

    def close(self) -> None:
        """Ends the process."""
        with self._lock:
            self._stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is not None and self._process.poll() is None:
            return self._process
        self._stop()
        # Errors go to a file: a pipe that nobody reads would fill up and block the process.
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        self._process = subprocess.Popen(  # noqa: S603 - our own module, fixed arguments
            [
                sys.executable,
                "-m",
                "ingest.parsing.worker",
                str(self._memory_bytes),
                str(math.ceil(self._timeout_seconds)),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._complaints,
            cwd=PROJECT_DIR,
            env=environment,
            bufsize=0,
        )
        return self._process

    def _ask(self, process: subprocess.Popen[bytes], question: bytes) -> bytes:
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("the parsing process was started without pipes")
        deadline = time.monotonic() + self._timeout_seconds
        self._write(process.stdin, question, deadline)
        length = int.from_bytes(self._read(process.stdout, LENGTH_BYTES, deadline), "big")
        return self._read(process.stdout, length, deadline)

    def _write(self, pipe: IO[bytes], data: bytes, deadline: float) -> None:
        view = memoryview(data)
        os.set_blocking(pipe.fileno(), False)
        while view:
            self._wait([], [pipe.fileno()], deadline)
            try:
                view = view[os.write(pipe.fileno(), view[:_READ_BYTES]) :]
            except BlockingIOError:
                continue

    def _read(self, pipe: IO[bytes], length: int, deadline: float) -> bytes:
        found = bytearray()
        while len(found) < length:
            self._wait([pipe.fileno()], [], deadline)
            data = os.read(pipe.fileno(), min(_READ_BYTES, length - len(found)))
            if not data:
                raise EOFError
            found += data
        return bytes(found)

    def _wait(self, readable: list[int], writable: list[int], deadline: float) -> None:
        left = deadline - time.monotonic()
        if left <= 0 or not any(select.select(readable, writable, [], left)):
            raise self._too_slow()

    def _too_slow(self) -> ParseError:
        return ParseError(
            "too_slow",
            f"Parsing it took longer than {self._timeout_seconds:g} s; split it, or raise "
            "RUNG_PARSE_TIMEOUT_SECONDS.",
        )

    def _why_it_died(self, process: subprocess.Popen[bytes]) -> ParseError:
        try:
            status = process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            process.kill()
            status = process.wait()
        said = self._last_words()
        self._stop()
        if status == -signal.SIGXCPU:
            return self._too_slow()
        if "MemoryError" in said or "bad_alloc" in said or "memory allocation" in said:
            return ParseError("too_much_memory", "Parsing it took more memory than is allowed.")
        how = f"was ended by signal {-status}" if status < 0 else f"ended with status {status}"
        return ParseError("parser_crashed", f"The parser {how}. {said}".strip())

    def _last_words(self) -> str:
        if self._complaints is None:
            return ""
        self._complaints.seek(0)
        lines = self._complaints.read().decode(errors="replace").strip().splitlines()
        return lines[-1][:300] if lines else ""

    def _stop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()
        if self._complaints is not None:
            self._complaints.close()
            self._complaints = None
