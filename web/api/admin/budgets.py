"""`/api/v1/budgets`: what the company, its teams and its people may spend in a month, for admins."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from app.core.errors import InputError
from billing.budgets.amounts import other_currency, parse_cap
from billing.budgets.values import Budget, Target
from web.api.shapes import PROBLEMS, decimal_text
from web.auth import Admin
from web.deps import Given, Services

api = APIRouter(prefix="/api/v1", tags=["budgets"], responses=PROBLEMS)

Scope = Literal["workspace", "team", "user"]
Name = Annotated[str | None, Query(max_length=254)]


class BudgetIn(BaseModel):
    """A budget to set. `cap` is a decimal as text, such as `50.00`, in the price plan's currency."""

    model_config = ConfigDict(extra="forbid", strict=True)

    scope: Scope
    team: str | None = Field(None, max_length=254)
    user: str | None = Field(None, max_length=254, description="A person's e-mail address.")
    cap: str = Field(max_length=400)
    currency: str | None = Field(None, max_length=3, description="Refused unless it is the price plan's.")


class BudgetOut(BaseModel):
    """A budget and what this month has used of it.

    `cap` and `left` are nothing where there is no limit, `forecast` on the first day of a month. `problem` is
    set where the budget has to be set anew.
    """

    scope: Scope
    team: str | None
    user: str | None
    name: str
    currency: str
    cap: str | None
    cap_nano: int | None
    spent: str
    spent_nano: int
    held: str
    held_nano: int
    left: str | None
    left_nano: int | None
    forecast: str | None
    forecast_nano: int | None
    set_by: str | None
    since: datetime | None
    problem: str | None


class BudgetsOut(BaseModel):
    """The company's budget first, then teams' and people's. Amounts spent are of `currency`."""

    month: str
    currency: str
    budgets: list[BudgetOut]


@api.get("/budgets")
def budgets(caller: Admin, services: Given) -> BudgetsOut:
    """Every budget of the running month."""
    found, emails = services.budgets, _emails(services)
    return BudgetsOut(
        month=found.period,
        currency=found.currency,
        budgets=[_out(budget, emails) for budget in found.list(caller.workspace_id)],
    )


@api.put("/budgets")
def set_budget(body: BudgetIn, caller: Admin, services: Given) -> BudgetOut:
    """Sets a budget from now on, in place of the one before, which stays on record."""
    found = services.budgets
    if body.currency is not None and body.currency.upper() != found.currency:
        raise other_currency(body.currency, found.currency)
    cap_nano = parse_cap(body.cap, found.currency)
    target = _target(services, caller.workspace_id, body.scope, body.team, body.user)
    return _out(found.set(caller, target, cap_nano), _emails(services))


@api.delete("/budgets", status_code=204)
def remove(caller: Admin, services: Given, scope: Scope, team: Name = None, user: Name = None) -> None:
    """Takes a budget away from now on; `no_such_budget` where there is none."""
    services.budgets.remove(caller, _target(services, caller.workspace_id, scope, team, user))


def _target(
    services: Services, workspace_id: str, scope: Scope, team: str | None, user: str | None
) -> Target:
    given = {name for name, value in (("team", team), ("user", user)) if value is not None}
    if given - {scope}:
        raise InputError(
            f"A budget of a {scope} names no {' and no '.join(sorted(given - {scope}))}.", code="bad_scope"
        )
    return services.budgets.target(workspace_id, scope, team or user or "")


def _emails(services: Services) -> dict[str, str]:
    return {person.id: person.email for person in services.directory.list()}


def _out(budget: Budget, emails: dict[str, str]) -> BudgetOut:
    problem = "It is not in the price plan's currency; set it anew." if budget.other_currency else None
    return BudgetOut(
        scope=budget.target.scope,
        team=budget.target.id if budget.target.scope == "team" else None,
        user=emails.get(budget.target.id) if budget.target.scope == "user" else None,
        name=budget.target.name,
        currency=budget.currency,
        cap=_text(budget.cap_nano),
        cap_nano=budget.cap_nano,
        spent=decimal_text(budget.spent_nano),
        spent_nano=budget.spent_nano,
        held=decimal_text(budget.held_nano),
        held_nano=budget.held_nano,
        left=_text(budget.left_nano),
        left_nano=budget.left_nano,
        forecast=_text(budget.forecast_nano),
        forecast_nano=budget.forecast_nano,
        set_by=emails.get(budget.set_by or "", budget.set_by),
        since=budget.since,
        problem=problem,
    )


def _text(nano: int | None) -> str | None:
    return None if nano is None else decimal_text(nano)
