"""Answers questions in worker threads and keeps their updates a while, so that readers may come, go and
return."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import structlog

from app.core.errors import NotFoundError, UnavailableError
from app.core.identity import Caller
from routing.answer import Answerer
from routing.history import History
from routing.question import Asking, AskRequest
from routing.updates import ProblemUpdate, Update

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class StartedAsk:
    """A question that is being answered."""

    query_id: str
    conversation_id: str


@dataclass(slots=True)
class _Running:
    """A question's updates so far; `done` ends them."""

    caller: Caller
    updates: list[Update] = field(default_factory=list)
    done: bool = False
    ended_at: float = 0.0
    changed: threading.Condition = field(default_factory=threading.Condition)

    def add(self, update: Update) -> None:
        with self.changed:
            self.updates.append(update)
            self.changed.notify_all()

    def finish(self) -> None:
        with self.changed:
            self.done, self.ended_at = True, time.monotonic()
            self.changed.notify_all()

    def after(self, position: int, wait_seconds: float) -> tuple[list[Update], bool]:
        """The updates beyond a position, once there are any or the question has ended; and whether it has.

        Raises:
            UnavailableError: `answer_timeout` when nothing came for so long.
        """
        with self.changed:
            if not self.changed.wait_for(lambda: len(self.updates) > position or self.done, wait_seconds):
                raise UnavailableError(
                    "The answer takes unusually long. Open this page again later.", code="answer_timeout"
                )
            return self.updates[position:], self.done


class AskRunner:
    """Runs questions to their end whoever reads along.

    Args:
        threads: how many questions are answered at once; as many again times four may wait.
        keep_seconds: how long the updates of an ended question stay in memory; later they come from the
        database.
    """

    def __init__(
        self, answerer: Answerer, history: History, *, threads: int = 16, keep_seconds: float = 300.0
    ) -> None:
        self._answerer = answerer
        self._history = history
        self._keep_seconds = keep_seconds
        self._most = threads * 5
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="ask")
        self._lock = threading.Lock()
        self._running: dict[str, _Running] = {}

    @property
    def answerer(self) -> Answerer:
        return self._answerer

    def start(self, caller: Caller, request: AskRequest) -> StartedAsk:
        """Checks a question and begins to answer it. Raises as `Answerer.ask` does, and UnavailableError
        `busy`."""
        self._check_room()
        return self._begin(caller, self._answerer.prepare(caller, request))

    def escalate(self, caller: Caller, query_id: str) -> StartedAsk:
        """Begins the same question one rung up. Raises as `Answerer.escalate` does, and UnavailableError
        `busy`."""
        self._check_room()
        return self._begin(caller, self._answerer.prepare_escalation(caller, query_id))

    def follow(
        self, query_id: str, caller: Caller, after: int = 0, *, wait_seconds: float = 330.0
    ) -> Iterator[tuple[int, Update]]:
        """The updates of a question with their positions, counted from 1, as they come; from `after` on.

        Ends after the receipt or a problem. A question that this process no longer holds comes from the
        database.

        Raises:
            NotFoundError: `no_such_query`, at once, also for another person's.
            UnavailableError: `answer_timeout` while reading.
        """
        with self._lock:
            running = self._running.get(query_id)
        if running is None:
            return self._numbered(self.stored(caller, query_id), after)
        owner = running.caller
        if (owner.workspace_id, owner.user_id) != (caller.workspace_id, caller.user_id):
            raise NotFoundError("There is no such question.", code="no_such_query")
        return self._live(running, after, wait_seconds)

    def stored(self, caller: Caller, query_id: str) -> Iterator[Update]:
        """The updates of an ended question, from the database. Raises NotFoundError `no_such_query`."""
        return self._history.updates(caller, query_id)

    def close(self) -> None:
        """Waits for the questions that are being answered and stops."""
        self._pool.shutdown(wait=True)

    def _check_room(self) -> None:
        now = time.monotonic()
        with self._lock:
            for query_id in [
                i for i, r in self._running.items() if r.done and now - r.ended_at > self._keep_seconds
            ]:
                del self._running[query_id]
            active = sum(not running.done for running in self._running.values())
        if active >= self._most:
            raise UnavailableError(
                "Too many questions are being answered right now. Ask again in a moment.", code="busy"
            )

    def _begin(self, caller: Caller, asking: Asking) -> StartedAsk:
        running = _Running(caller)
        with self._lock:
            self._running[asking.query_id] = running
        self._pool.submit(self._run, asking, running)
        return StartedAsk(asking.query_id, asking.conversation_id)

    def _run(self, asking: Asking, running: _Running) -> None:
        try:
            for update in self._answerer.answer(asking):
                running.add(update)
        except Exception:  # noqa: BLE001 - logged with its traceback, and told to whoever follows
            _log.exception("an answer broke off", query_id=asking.query_id)
            message = f"Something went wrong inside Rung. An admin finds {asking.query_id} in the log."
            running.add(ProblemUpdate(asking.query_id, "internal_error", message))
        finally:
            running.finish()

    @staticmethod
    def _live(running: _Running, after: int, wait_seconds: float) -> Iterator[tuple[int, Update]]:
        position = after
        while True:
            updates, done = running.after(position, wait_seconds)
            for update in updates:
                position += 1
                yield position, update
            if done:
                return

    @staticmethod
    def _numbered(updates: Iterator[Update], after: int) -> Iterator[tuple[int, Update]]:
        return ((n, update) for n, update in enumerate(updates, 1) if n > after)
