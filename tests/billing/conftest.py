"""A ledger with a clock that tests set, and the steps most tests take with it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from app.core.db import Database
from app.core.identity import DEFAULT_WORKSPACE_ID, Caller
from app.core.usage import Outcome, Receipt, Reservation, Work
from billing.ledger import Ledger
from tests.billing.plans import flat_book

PRICES_NANO = {"cached": 0, "reader": 1_000_000, "premium": 5_000_000}


@dataclass
class SetClock:
    """A clock that stands still until a test moves it."""

    now: datetime = datetime(2026, 11, 10, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


def caller(user_id: str = "ana", workspace_id: str = DEFAULT_WORKSPACE_ID) -> Caller:
    return Caller(workspace_id, user_id, f"{user_id}@example.com", user_id, "finance", frozenset())


def work(tier: str = "reader", outcome: Outcome = "answered", cost_nano: int = 0) -> Work:
    return Work(tier, f"{tier}-model", outcome, 100, 20, cost_nano, 7)


@dataclass
class Books:
    """A ledger, its database and its clock."""

    database: Database
    clock: SetClock = field(default_factory=SetClock)
    cap_nano: int | None = None

    def __post_init__(self) -> None:
        book = flat_book(PRICES_NANO)
        self.ledger = Ledger(
            self.database, book, "flat.2026-01", clock=self.clock, budget_cap_nano=self.cap_nano
        )

    def reserve(self, query_id: str = "q1", *at_most: Work, who: Caller | None = None) -> Reservation:
        return self.ledger.reserve(who or caller(), query_id, at_most or (work("premium"),))

    def commit(self, reservation: Reservation, attempts: Sequence[Work] | None = None) -> Receipt:
        with self.database.write() as session:
            return self.ledger.commit(session, reservation, attempts or [work()], work("premium"))

    def ask(self, query_id: str, *attempts: Work, who: Caller | None = None) -> Receipt:
        return self.commit(self.reserve(query_id, who=who), attempts)


@pytest.fixture
def books(database: Database) -> Books:
    """A ledger on each database."""
    return Books(database)
