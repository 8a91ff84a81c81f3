"""The two threads beside the one that embeds: one makes items ahead of it, one writes behind it."""

import queue
import threading
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


class InOrder:
    """Runs calls one after the other in one thread, at most a few ahead of it; the first error stops all."""

    def __init__(self, ahead: int = 4) -> None:
        self._ahead = ahead
        self._waiting: list[Future[None]] = []
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="sync-write")
        self._failed = threading.Event()

    def __enter__(self) -> "InOrder":
        return self

    def __exit__(self, *_: object) -> None:
        self._failed.set()
        self._executor.shutdown(cancel_futures=True)

    def submit(self, call: Callable[..., None], *arguments: object) -> None:
        while len(self._waiting) >= self._ahead:
            self._waiting.pop(0).result()
        self._waiting.append(self._executor.submit(self._guarded, call, arguments))

    def wait(self) -> None:
        while self._waiting:
            self._waiting.pop(0).result()

    def _guarded(self, call: Callable[..., None], arguments: Sequence[object]) -> None:
        if self._failed.is_set():
            return
        try:
            call(*arguments)
        except BaseException:
            self._failed.set()
            raise


_END = object()


def prefetch(items: Iterable[T], size: int) -> Generator[T]:
    """The same items, made in a thread of their own, at most `size` ahead; an error there is raised here."""
    ready: queue.Queue[object] = queue.Queue(size)
    stop = threading.Event()
    errors: list[BaseException] = []

    def put(item: object) -> bool:
        while not stop.is_set():
            try:
                ready.put(item, timeout=0.1)
            except queue.Full:
                continue
            return True
        return False

    def make() -> None:
        try:
            for item in items:
                if not put(item):
                    return
        except BaseException as error:  # noqa: BLE001 - raised in the thread that reads
            errors.append(error)
        put(_END)

    thread = threading.Thread(target=make, name="sync-prepare", daemon=True)
    thread.start()
    try:
        while (item := ready.get()) is not _END:
            yield item  # type: ignore[misc]
        if errors:
            raise errors[0]
    finally:
        stop.set()
        thread.join()
