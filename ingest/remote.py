"""Calls to the machines that sources live on: at the pace each host allows, and again where that may help."""

import random
import time
from collections.abc import Callable
from typing import Protocol, TypeVar

from app.core.errors import UnavailableError

T = TypeVar("T")
FIRST_PAUSE_SECONDS = 0.5


class TryAgainError(Exception):
    """Raised by a call that failed in a way which may pass: too many requests, a broken connection, a 5xx.

    Args:
        reason: what happened, in words for the admin.
        code: stable, such as `rate_limited` or `source_unreachable`.
        after_seconds: how long the host asked to be left alone (Retry-After), where it said so.
    """

    def __init__(self, reason: str, *, code: str, after_seconds: float | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.code = code
        self.after_seconds = after_seconds


class SourceWaitError(UnavailableError):
    """The source cannot be read for a while; the run waits and goes on by itself.

    Args:
        retry_after_seconds: how long to wait before trying again.
    """

    default_code = "rate_limited"

    def __init__(self, message: str, *, code: str | None = None, retry_after_seconds: float) -> None:
        super().__init__(message, code=code)
        self.retry_after_seconds = retry_after_seconds


RATE_LIMITED = SourceWaitError.default_code


class Pace(Protocol):
    """How often a host may be asked. See `ingest.pace.SharedPace`."""

    def __call__(self, host: str) -> None:
        """Waits until the host may be asked again. Raises SourceWaitError where that takes too long."""

    def block(self, host: str, seconds: float) -> None:
        """Leaves the host alone for so long: it asked for that."""


class NoPace:
    """For hosts that take any number of calls."""

    def __call__(self, host: str) -> None:
        pass

    def block(self, host: str, seconds: float) -> None:
        pass


no_pace = NoPace()


class RemoteCalls:
    """Makes calls to other machines.

    Args:
        pace: waits until a host may be asked again, and is told when one asks to be left alone.
        tries: how often a call is made at most.
        longest_wait_seconds: a longer wait ends the reading with `SourceWaitError`; the run waits instead.
        sleep: for tests.
    """

    def __init__(
        self,
        pace: Pace = no_pace,
        *,
        tries: int = 4,
        longest_wait_seconds: float = 30.0,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._pace = pace
        self._tries = tries
        self._longest_wait_seconds = longest_wait_seconds
        self._sleep = sleep

    def run(self, host: str, call: Callable[[], T]) -> T:
        """What `call` gives, after as many tries as it takes.

        Raises:
            SourceWaitError: after the last try, or when the host asks for a longer wait than is waited here.
        """
        pause = FIRST_PAUSE_SECONDS
        for number in range(1, self._tries + 1):
            self._pace(host)
            try:
                return call()
            except TryAgainError as error:
                wait = error.after_seconds
                if wait is None:
                    wait = pause * random.uniform(1, 1.5)  # noqa: S311 - so that many do not come back at once
                if error.after_seconds is not None or error.code == RATE_LIMITED:
                    self._pace.block(host, wait)
                if number == self._tries or wait > self._longest_wait_seconds:
                    raise SourceWaitError(error.reason, code=error.code, retry_after_seconds=wait) from error
            self._sleep(wait)
            pause *= 2
        raise AssertionError("unreachable")
