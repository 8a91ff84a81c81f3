"""What work was done and what it cost: the plain values by which answering and billing meet.

Routing says how much work each attempt was (`Work`); billing turns it into money through the `Meter` that
`app.wiring` hands to routing. Amounts are integers of nano-units (10⁻⁹ of the currency).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from sqlmodel import Session

from app.core.identity import Caller

Outcome = Literal["answered", "abstained", "escalated", "failed", "step", "shadow"]
"""How one attempt ended. Only an answered attempt has a price; every attempt has its cost.

A step is a call on the way to an answer that is made in several: the price of that answer covers it. A shadow
is work that nobody asked for and nobody was shown: it checks an answer that was given, at our own cost.
"""

BaselineMethod = Literal["observed", "modelled", "modelled_steps"]
"""Observed: the premium rung did answer. Modelled: its price was worked out from the expected tokens of one
call. Modelled_steps: of as many calls as such questions took it before."""


@dataclass(frozen=True, slots=True)
class Work:
    """One attempt at one rung: quantities as the provider reported them, and what they cost us.

    For an estimate (a reservation, the modelled baseline) the same value holds the most, or the expected,
    quantities.
    """

    tier: str
    model: str
    outcome: Outcome
    input_tokens: int = 0
    output_tokens: int = 0
    cost_nano: int = 0
    duration_ms: int = 0
    provider_request_id: str | None = None
    estimated: bool = False
    """True where the provider reported no usage and the quantities are our own count."""
    steps_cost_nano: int = 0
    """What the steps before this answer cost us. Each is a row of its own; the answer's price covers them."""


@dataclass(frozen=True, slots=True)
class Reservation:
    """Money held for one question until it is committed or released."""

    id: str
    query_id: str
    workspace_id: str
    team: str
    user_id: str
    held_nano: int
    currency: str


@dataclass(frozen=True, slots=True)
class UsageEvent:
    """An immutable record of one attempt, with its price under the price book in force.

    `id` is unique for ever: writing the same event again changes nothing.
    """

    id: str
    query_id: str
    work: Work
    price_nano: int
    baseline_nano: int
    baseline_method: BaselineMethod
    currency: str
    price_book: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """What one answer cost and why: the sums over its attempts.

    `baseline_nano` is what the premium rung would have charged for the same question.
    """

    query_id: str
    tier: str
    price_nano: int
    cost_nano: int
    baseline_nano: int
    baseline_method: BaselineMethod
    currency: str
    price_book: str
    input_tokens: int = 0
    output_tokens: int = 0
    duration_ms: int = 0
    notes: tuple[str, ...] = field(default=())

    @property
    def saved_nano(self) -> int:
        """What answering below premium saved; negative when it cost more."""
        return self.baseline_nano - self.price_nano


class Meter(Protocol):
    """Holds, charges and releases money for a question. Implemented by billing."""

    def price_of(self, work: Work) -> int:
        """Nano-units that this work would be charged if it answered a question now."""
        ...

    def reserve(self, caller: Caller, query_id: str, at_most: Sequence[Work]) -> Reservation:
        """Holds the highest price among `at_most`, in a transaction of its own, before any model runs.

        Raises:
            BudgetExceededError: when the budget has no room for it; nothing is held then.
        """
        ...

    def commit(
        self, session: Session, reservation: Reservation, attempts: Sequence[Work], baseline: Work
    ) -> Receipt:
        """Writes one usage event an attempt and frees the hold, in the caller's transaction.

        Args:
            baseline: what the premium rung would have done (or did) for this question.

        Committing the same reservation again returns the same receipt and writes nothing.
        """
        ...

    def release(self, reservation: Reservation, reason: str) -> None:
        """Frees the hold of a question that got no answer. Releasing it again does nothing."""
        ...
