"""Budgets as plain values."""

from dataclasses import dataclass
from datetime import datetime

from app.core.errors import BudgetScope


@dataclass(frozen=True, slots=True)
class Target:
    """Whose budget. `id` is a team's name, a person's id, or empty for the workspace; people read `name`."""

    scope: BudgetScope
    id: str
    name: str


@dataclass(frozen=True, slots=True)
class BudgetEntry:
    """One decision. `cap_nano` is nothing where the budget was removed; `set_by` is a person's id."""

    target: Target
    cap_nano: int | None
    currency: str
    set_by: str
    since: datetime


@dataclass(frozen=True, slots=True)
class Budget:
    """A budget and what this month has used of it.

    `forecast_nano` is what the month ends at if it goes on as it began; nothing on its first day. `left_nano`
    is nothing where there is no limit, and never below 0. `from_setting` says that the setting is the limit.
    `currency` is the cap's. Where `other_currency` is true it is no longer the price plan's: what is spent is
    in the plan's, and nothing can be said of what is left.
    """

    target: Target
    cap_nano: int | None
    currency: str
    spent_nano: int
    held_nano: int
    left_nano: int | None
    forecast_nano: int | None
    set_by: str | None = None
    since: datetime | None = None
    from_setting: bool = False
    other_currency: bool = False
