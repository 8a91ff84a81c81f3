"""The deployments of the premium model: each with its prices and a circuit breaker, the first choice first.

A breaker is *closed* while calls go well. After some failures in a row it *opens*: no call is made for a
while. Then it is *half-open*: one call may try; if that goes well it closes, else it opens for longer.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, Protocol, runtime_checkable
from urllib.parse import urlsplit

from app.core.clock import Clock, utc_now
from routing.llm.call import ChatCallError, ChatModel
from routing.llm.prices import Prices

BreakerState = Literal["closed", "open", "half-open"]

FAILURES_TO_OPEN = 3
OPEN_SECONDS = 20.0
LONGEST_OPEN_SECONDS = 300.0
COUNTED_MINUTES = 15
"""Calls and failures are counted over so many minutes."""

_MOST_COUNTED = 10_000


@dataclass(frozen=True, slots=True)
class DeploymentState:
    """How a deployment does, for admins. `since` is when its state began; `last_error` is the latest failure
    in the provider's words, with no key in it, also where it did not open the breaker. `calls` and `failures`
    are of the last `minutes`, in this process."""

    name: str
    state: BreakerState
    last_error: str | None
    since: datetime
    calls: int
    failures: int
    minutes: int


@runtime_checkable
class HasDeployments(Protocol):
    """A rung that can be answered by several deployments."""

    def deployments(self) -> tuple[DeploymentState, ...]: ...


class Breaker:
    """Counts how the calls of one deployment went. Safe between threads."""

    def __init__(
        self,
        name: str,
        *,
        clock: Clock = utc_now,
        timer: Callable[[], float] = time.monotonic,
        failures_to_open: int = FAILURES_TO_OPEN,
        open_seconds: float = OPEN_SECONDS,
    ) -> None:
        self.name = name
        self._clock = clock
        self._timer = timer
        self._failures_to_open = failures_to_open
        self._open_seconds = open_seconds
        self._lock = threading.Lock()
        self._since = clock()
        self._last_error: str | None = None
        self._in_a_row = 0
        self._opened = 0
        self._open_until: float | None = None
        self._trying = False
        self._calls: deque[tuple[datetime, bool]] = deque(maxlen=_MOST_COUNTED)

    def admits(self) -> bool:
        """Whether a call may be made now. While it is half-open that is true once, until the call ends."""
        with self._lock:
            if self._open_until is None:
                return True
            if self._trying or self._timer() < self._open_until:
                return False
            self._trying = True
            return True

    def went_well(self) -> None:
        with self._lock:
            self._count(failed=False)
            if self._open_until is not None:
                self._since = self._clock()
            self._in_a_row = self._opened = 0
            self._open_until = None
            self._trying = False

    def failed(self, error: ChatCallError) -> None:
        """Counts a failure. One that another deployment could not help with opens nothing: the deployment is
        there, and turned the request or the key down."""
        with self._lock:
            self._count(failed=True)
            self._last_error = f"{error.code}: {error.detail or error.message}"
            was_trying, self._trying = self._trying, False
            if not error.elsewhere:
                return
            self._in_a_row += 1
            if was_trying or self._in_a_row >= self._failures_to_open:
                self._open(error.retry_after_seconds or 0.0)

    def let_go(self) -> None:
        """The call was given up on our side: it says nothing about the deployment."""
        with self._lock:
            self._trying = False

    @property
    def seconds_left(self) -> float:
        """How long no call is made; 0 where one may be."""
        with self._lock:
            return 0.0 if self._open_until is None else max(0.0, self._open_until - self._timer())

    def state(self) -> DeploymentState:
        with self._lock:
            since = self._clock() - timedelta(minutes=COUNTED_MINUTES)
            counted = [failed for when, failed in self._calls if when >= since]
            return DeploymentState(
                self.name,
                self._state(),
                self._last_error,
                self._since,
                len(counted),
                sum(counted),
                COUNTED_MINUTES,
            )

    def _state(self) -> BreakerState:
        if self._open_until is None:
            return "closed"
        return "open" if self._timer() < self._open_until else "half-open"

    def _open(self, at_least_seconds: float) -> None:
        seconds = min(self._open_seconds * 2**self._opened, LONGEST_OPEN_SECONDS)
        if self._open_until is None:
            self._since = self._clock()
        self._opened += 1
        self._open_until = self._timer() + max(seconds, min(at_least_seconds, LONGEST_OPEN_SECONDS))

    def _count(self, *, failed: bool) -> None:
        self._calls.append((self._clock(), failed))


@dataclass(frozen=True, slots=True)
class Deployment:
    """A model that can be called, what its tokens cost, and how it does."""

    model: ChatModel
    prices: Prices
    breaker: Breaker


class Deployments:
    """All of one rung's, the first choice first. At least one."""

    def __init__(self, deployments: Sequence[Deployment]) -> None:
        self.all = tuple(deployments)

    @property
    def first(self) -> Deployment:
        return self.all[0]

    def next(self, failed: Sequence[Deployment] = ()) -> Deployment | None:
        """The first that may be called and has not failed yet; the caller tells its breaker how it went."""
        return next((d for d in self.all if d not in failed and d.breaker.admits()), None)

    @property
    def seconds_left(self) -> float:
        """How long none may be called; 0 where one may be."""
        return min(d.breaker.seconds_left for d in self.all)

    def cost_nano(self, input_tokens: int, output_tokens: int) -> int:
        """What a call would cost at the dearest of them."""
        return max(d.prices.cost_nano(input_tokens, output_tokens) for d in self.all)

    def states(self) -> tuple[DeploymentState, ...]:
        return tuple(d.breaker.state() for d in self.all)


def deployment_name(model: str, base_url: str | None) -> str:
    """What people call a deployment: the model, and its host where that is not the provider's own."""
    host = urlsplit(base_url).netloc.rpartition("@")[2] if base_url else ""
    return f"{model} at {host}" if host else model
