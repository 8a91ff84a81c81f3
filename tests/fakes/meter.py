"""A meter in memory, for tests of whatever asks: fixed prices, the same promises as the ledger.

It passes the same contract (tests/contracts/test_meter_contract.py), a rolled-back transaction included.
"""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import event
from sqlmodel import Session

from app.core.clock import new_id
from app.core.errors import BudgetExceededError, ConfigurationError, InputError, NotFoundError
from app.core.identity import Caller
from app.core.usage import BaselineMethod, Receipt, Reservation, UsageEvent, Work

PRICES_NANO: Mapping[str, int] = {"cached": 0, "reader": 1_000_000, "local": 2_000_000, "premium": 5_000_000}
"""Price of one answer by rung."""

PRICE_BOOK = "fake.2026-01"


@dataclass
class MemoryMeter:
    """Implements `app.core.usage.Meter`. Tests read `held_nano`, `spent_nano`, `events`, `released`."""

    cap_nano: int | None = None
    prices_nano: Mapping[str, int] = field(default_factory=lambda: dict(PRICES_NANO))
    currency: str = "EUR"
    spent_nano: int = 0
    holds: dict[str, int] = field(default_factory=dict)
    events: list[UsageEvent] = field(default_factory=list)
    receipts: dict[str, Receipt] = field(default_factory=dict)
    """By query id."""
    released: dict[str, str] = field(default_factory=dict)
    """Reason by reservation id."""
    _known: set[str] = field(default_factory=set)
    _committed: dict[str, Receipt] = field(default_factory=dict)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    @property
    def held_nano(self) -> int:
        return sum(self.holds.values())

    def reserve(self, caller: Caller, query_id: str, at_most: Sequence[Work]) -> Reservation:
        if not at_most:
            raise InputError("A reservation needs at least one estimate.", code="no_estimate")
        estimate = max(self._price(work) for work in at_most)
        with self._lock:
            left = None if self.cap_nano is None else self.cap_nano - self.spent_nano - self.held_nano
            if left is not None and estimate > max(left, 0):
                raise BudgetExceededError(f"{estimate} nano do not fit into the {left} that are left.")
            reservation = Reservation(
                id=new_id(),
                query_id=query_id,
                workspace_id=caller.workspace_id,
                team=caller.team,
                user_id=caller.user_id,
                held_nano=estimate,
                currency=self.currency,
            )
            self.holds[reservation.id] = estimate
            self._known.add(reservation.id)
            return reservation

    def commit(
        self, session: Session, reservation: Reservation, attempts: Sequence[Work], baseline: Work
    ) -> Receipt:
        if not attempts:
            raise InputError("A commit needs at least one attempt; release it instead.", code="no_attempts")
        if reservation.id not in self._known:
            raise NotFoundError(f"There is no reservation {reservation.id}.", code="no_such_reservation")
        with self._lock:
            if (done := self._committed.get(reservation.id)) is not None:
                return done
            events = self._rate(reservation, attempts, baseline)
            receipt = _receipt(events)
            self._committed[reservation.id] = receipt
        self._apply_with(session, reservation, events, receipt)
        return receipt

    def release(self, reservation: Reservation, reason: str) -> None:
        with self._lock:
            if self.holds.pop(reservation.id, None) is not None:
                self.released[reservation.id] = reason

    def price_of(self, work: Work) -> int:
        return self._price(work)

    def receipt(self, query_id: str) -> Receipt | None:
        return self.receipts.get(query_id)

    def _price(self, work: Work) -> int:
        if min(work.input_tokens, work.output_tokens, work.cost_nano, work.duration_ms) < 0:
            raise InputError("Quantities of work cannot be negative.", code="negative_quantity")
        if work.tier not in self.prices_nano:
            raise ConfigurationError(f"The plan has no price for rung {work.tier}.", code="unpriced_tier")
        return self.prices_nano[work.tier]

    def _rate(
        self, reservation: Reservation, attempts: Sequence[Work], baseline: Work
    ) -> tuple[UsageEvent, ...]:
        prices = [self._price(work) if work.outcome == "answered" else 0 for work in attempts]
        observed = any(work.tier == baseline.tier and work.outcome == "answered" for work in attempts)
        method: BaselineMethod = "observed" if observed else "modelled"
        last = len(attempts) - 1
        return tuple(
            UsageEvent(
                id=f"{reservation.id}:commit:{number}",
                query_id=reservation.query_id,
                work=work,
                price_nano=prices[number],
                baseline_nano=self._price(baseline) if number == last else 0,
                baseline_method=method,
                currency=self.currency,
                price_book=PRICE_BOOK,
            )
            for number, work in enumerate(attempts)
        )

    def _apply_with(
        self, session: Session, reservation: Reservation, events: tuple[UsageEvent, ...], receipt: Receipt
    ) -> None:
        ended = threading.Event()

        def keep(_session: object) -> None:
            if not ended.is_set():
                ended.set()
                with self._lock:
                    self.holds.pop(reservation.id, None)
                    self.spent_nano += receipt.price_nano
                    self.events.extend(events)
                    self.receipts[reservation.query_id] = receipt

        def forget(_session: object) -> None:
            if not ended.is_set():
                ended.set()
                with self._lock:
                    self._committed.pop(reservation.id, None)

        event.listen(session, "after_commit", keep)
        event.listen(session, "after_rollback", forget)


def _receipt(events: tuple[UsageEvent, ...]) -> Receipt:
    answered = next((e for e in events if e.work.outcome == "answered"), events[-1])
    return Receipt(
        query_id=answered.query_id,
        tier=answered.work.tier,
        price_nano=sum(e.price_nano for e in events),
        cost_nano=sum(e.work.cost_nano for e in events),
        baseline_nano=sum(e.baseline_nano for e in events),
        baseline_method=answered.baseline_method,
        currency=answered.currency,
        price_book=answered.price_book,
        input_tokens=sum(e.work.input_tokens for e in events),
        output_tokens=sum(e.work.output_tokens for e in events),
        duration_ms=sum(e.work.duration_ms for e in events),
    )
