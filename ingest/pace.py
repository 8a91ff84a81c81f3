"""The pace at which a host is asked, kept by all workers of an installation together."""

import math
import time
from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, func, select

from app.core.clock import Clock, utc_now
from app.core.db import Database
from ingest.remote import SourceWaitError
from ingest.tables import PaceRow

_SHARE_SECONDS = 0.5
"""Calls are taken from the shared pace for so long at once: one write for several calls."""

_LATE_SECONDS = 1.0
"""What was taken is given up when it was not used by then, so that it cannot be saved up."""

_LONGEST_BLOCK = timedelta(days=1)
_BLOCK_LOOK_SECONDS = 1.0
_MOST_SHARES_AHEAD = 50
"""So far ahead nobody has taken calls: a clock was set back, and what stands there counts no more."""


class SharedPace:
    """A `Pace` for one run, at most `requests_per_second` to a host over all runs and workers.

    Args:
        requests_per_second: nothing for a host that takes any number; one that asks to be left alone is left
            alone then too.
        longest_wait_seconds: a longer rest that a host asked for is not waited for here; the run waits.
        sleep, clock: for tests.
    """

    def __init__(
        self,
        database: Database,
        requests_per_second: float | None = None,
        *,
        longest_wait_seconds: float = 30.0,
        sleep: Callable[[float], None] = time.sleep,
        clock: Clock = utc_now,
    ) -> None:
        self._database = database
        self._apart = 1 / requests_per_second if requests_per_second else 0.0
        self._at_once = max(1, math.floor(_SHARE_SECONDS / self._apart)) if self._apart else 0
        self._longest_wait_seconds = longest_wait_seconds
        self._sleep = sleep
        self._clock = clock
        self._left: dict[str, int] = {}
        self._next: dict[str, float] = {}
        self._until: dict[str, float] = {}
        self._looked: dict[str, float] = {}

    def __call__(self, host: str) -> None:
        """Waits until the host may be asked again.

        Raises:
            SourceWaitError: `rate_limited`, where it asked for a longer rest than is waited here.
            UnavailableError: the database does not answer.
        """
        host = host.lower()
        self._wait_for_rest(host)
        if not self._apart:
            return
        if not self._left.get(host) or time.monotonic() > self._until[host]:
            self._next[host] = time.monotonic() + self._take_share(host)
            self._left[host] = self._at_once
            self._until[host] = self._next[host] + self._at_once * self._apart + _LATE_SECONDS
        wait = self._next[host] - time.monotonic()
        if wait > 0:
            self._sleep(wait)
        self._left[host] -= 1
        self._next[host] = max(self._next[host], time.monotonic() - self._apart) + self._apart

    def block(self, host: str, seconds: float) -> None:
        """Has every worker leave the host alone for so long, a day at most."""
        host, rest = host.lower(), min(timedelta(seconds=max(0.0, seconds)), _LONGEST_BLOCK)
        with self._database.write() as session:
            row, now = self._row(session, host), self._now(session)
            row.blocked_until = max(row.blocked_until or now, now + rest)
            session.add(row)
        self._looked.pop(host, None)

    def _wait_for_rest(self, host: str) -> None:
        looked = self._looked.get(host)
        if looked is not None and time.monotonic() - looked < _BLOCK_LOOK_SECONDS:
            return
        while (rest := self._rest(host)) > 0:
            if rest > self._longest_wait_seconds:
                raise SourceWaitError(f"{host} asked to be left alone for a while.", retry_after_seconds=rest)
            self._sleep(rest)
        self._looked[host] = time.monotonic()

    def _rest(self, host: str) -> float:
        with self._database.read() as session:
            row = session.get(PaceRow, host)
            if row is None or row.blocked_until is None:
                return 0.0
            seconds = (row.blocked_until - self._now(session)).total_seconds()
        # Longer than anybody may ask for: a clock was set back.
        return seconds if seconds <= _LONGEST_BLOCK.total_seconds() else 0.0

    def _take_share(self, host: str) -> float:
        """Takes the next calls to the host; tells in how many seconds the first may be made."""
        share = timedelta(seconds=self._at_once * self._apart)
        with self._database.write() as session:
            row, now = self._row(session, host), self._now(session)
            start = max(row.next_at, now)
            if start - now > share * _MOST_SHARES_AHEAD:
                start = now
            row.next_at = start + share
            session.add(row)
            return (start - now).total_seconds()

    def _row(self, session: Session, host: str) -> PaceRow:
        """The host's row, for this transaction alone."""
        wanted = select(PaceRow).where(PaceRow.host == host).with_for_update()
        row = session.exec(wanted).first()
        if row is not None:
            return row
        row = PaceRow(host=host, next_at=self._now(session))
        try:
            with session.begin_nested():
                session.add(row)
        except IntegrityError:
            # Another worker has just made it.
            return session.exec(wanted).one()
        return row

    def _now(self, session: Session) -> datetime:
        """One clock for all: that of the database, where workers may be on several machines."""
        if self._database.is_sqlite:
            return self._clock()
        found: datetime = session.exec(select(func.clock_timestamp())).one()
        return found
