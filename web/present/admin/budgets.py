"""Budgets as their page shows them: amounts and states in words, and what setting one would change."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from app.core.errors import RungError
from billing.budgets.values import Budget, BudgetEntry, Target
from billing.money import format_money
from web.present.admin.views import ConfirmView, OptionGroup
from web.present.views import Tone, When, when

_NEARLY_PERCENT = 90
_AMOUNT_CODES = ("no_amount", "invalid_amount", "negative_amount", "amount_too_large", "other_currency")

COMPANY_TARGET = "workspace:"


@dataclass(frozen=True, slots=True)
class BudgetView:
    """One line of the table. `percent` is of the cap, nothing where there is none or none can be said."""

    name: str
    kind: str
    cap: str
    spent: str
    held: str
    left: str
    forecast: str
    percent: int | None
    state: str
    tone: Tone
    note: str
    set_by: str
    since: When | None
    remove_href: str | None


@dataclass(frozen=True, slots=True)
class BudgetEventView:
    at: When | None
    by: str
    words: str


@dataclass(frozen=True, slots=True)
class BudgetFormView:
    """The form with what was written, and what is wrong with it. `field` is the one at fault."""

    targets: tuple[OptionGroup, ...]
    currency: str
    target: str = ""
    cap: str = ""
    error: str | None = None
    code: str = ""

    @property
    def field(self) -> str:
        return "cap" if self.code in _AMOUNT_CODES else "target"


def budget_view(
    budget: Budget, names: Mapping[str, str], emails: Mapping[str, str], plan_currency: str, now: datetime
) -> BudgetView:
    """
    Args:
        names: people's names by id, to say who set it.
        emails: people's addresses by id, to name them in links.
    """
    used = budget.spent_nano + budget.held_nano
    percent = _percent(budget, used)
    state, tone = _state(budget, percent)
    target = target_text(budget.target, emails)
    is_set = budget.since is not None
    forecast = budget.forecast_nano
    return BudgetView(
        name=budget.target.name,
        kind={"workspace": "Company", "team": "Team", "user": "Person"}[budget.target.scope],
        cap="no limit" if budget.cap_nano is None else format_money(budget.cap_nano, budget.currency),
        spent=format_money(budget.spent_nano, plan_currency),
        held=format_money(budget.held_nano, plan_currency),
        left="" if budget.left_nano is None else format_money(budget.left_nano, budget.currency),
        forecast="" if forecast is None else format_money(forecast, plan_currency),
        percent=percent,
        state=state,
        tone=tone,
        note=_note(budget, plan_currency),
        set_by=names.get(budget.set_by or "", "somebody who left") if is_set else "",
        since=when(budget.since, now),
        remove_href=f"/budgets/remove?{urlencode({'target': target})}" if is_set and target else None,
    )


def _percent(budget: Budget, used: int) -> int | None:
    if not budget.cap_nano or budget.other_currency:
        return None
    return min(100 * used // budget.cap_nano, 100)


def _state(budget: Budget, percent: int | None) -> tuple[str, Tone]:
    if budget.cap_nano is None:
        return "no limit", "quiet"
    if budget.other_currency:
        return "in another currency", "bad"
    if budget.left_nano == 0:
        return "used up", "bad"
    if percent is not None and percent >= _NEARLY_PERCENT:
        return "nearly used up", "warn"
    if budget.forecast_nano is not None and budget.forecast_nano > budget.cap_nano:
        return "will not last the month", "warn"
    return "within budget", "good"


def _note(budget: Budget, plan_currency: str) -> str:
    if budget.other_currency:
        return (
            f"The price plan is in {plan_currency}: set it anew, until then nothing that costs is answered."
        )
    if budget.from_setting:
        return "From RUNG_BUDGET_MONTHLY, which no budget set here can raise."
    return ""


def event_view(entry: BudgetEntry, names: Mapping[str, str], now: datetime) -> BudgetEventView:
    if entry.cap_nano is None:
        words = f"{entry.target.name}: budget removed"
    else:
        words = f"{entry.target.name}: {format_money(entry.cap_nano, entry.currency)} a month"
    return BudgetEventView(when(entry.since, now), names.get(entry.set_by, "somebody who left"), words)


def target_text(target: Target, emails: Mapping[str, str]) -> str | None:
    """Whose budget, as forms and links write it; nothing for a person who is no longer known."""
    if target.scope == "user":
        email = emails.get(target.id)
        return f"user:{email}" if email else None
    return f"{target.scope}:{target.id}"


def confirm_set(
    budget: Budget, written: tuple[str, str], cap_nano: int, currency: str, error: RungError | None = None
) -> ConfirmView:
    """What setting this budget would change."""
    name, cap = budget.target.name, format_money(cap_nano, currency)
    before = "no limit" if budget.cap_nano is None else format_money(budget.cap_nano, budget.currency)
    used = budget.spent_nano + budget.held_nano
    changes = [
        f"From the next question on, {name} may spend {cap} in a calendar month (UTC); until now {before}.",
        _left_words(used, cap_nano, currency),
        "Once it is used up, cheaper rungs answer and say so. What costs nothing is never refused.",
    ]
    return ConfirmView(
        title=f"Set the budget of {name} to {cap} a month?",
        changes=tuple(changes),
        button="Set the budget",
        action="/budgets/set",
        back_href="/budgets",
        fields=(("target", written[0]), ("cap", written[1])),
        error=error.message if error else None,
        code=error.code if error else "",
    )


def _left_words(used: int, cap_nano: int, currency: str) -> str:
    spent = f"{format_money(used, currency)} of it are spent or held this month"
    if used >= cap_nano:
        return f"{spent}: it would be used up at once."
    return f"{spent}: {format_money(cap_nano - used, currency)} would be left."


def confirm_remove(budget: Budget, written: str, error: RungError | None = None) -> ConfirmView:
    """What removing this budget would change."""
    name = budget.target.name
    others = {
        "workspace": "The budgets of teams and people stay as they are.",
        "team": "The company's budget and those of its people still count.",
        "user": "The team's budget and the company's still count.",
    }[budget.target.scope]
    return ConfirmView(
        title=f"Remove the budget of {name}?",
        changes=(
            f"From the next question on, {name} has no budget of its own.",
            others,
            "What was set, by whom and when, stays in the list of changes.",
        ),
        button="Remove the budget",
        action="/budgets/remove",
        back_href="/budgets",
        fields=(("target", written),),
        error=error.message if error else None,
        code=error.code if error else "",
    )


def own_words(budget: Budget | None, plan_currency: str) -> str | None:
    """How much of their own budget a person has used, in a sentence."""
    if budget is None or budget.cap_nano is None:
        return None
    cap = format_money(budget.cap_nano, budget.currency)
    if budget.other_currency:
        return f"Your budget of {cap} is not in {plan_currency}, as prices are; an admin has to set it anew."
    return f"You have used {format_money(budget.spent_nano, budget.currency)} of {cap} this month."
