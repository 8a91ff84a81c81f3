"""What was spent and saved in a month: one's own, and for admins the workspace's."""

from contextlib import suppress
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from app.core.errors import ForbiddenError, NotFoundError
from app.core.identity import Caller
from billing.budgets.values import Target
from billing.money import format_money
from billing.statement import EntryFilter, LedgerEntry, TierUse, UsageSummary
from web.auth import SignedIn
from web.contexts import UsagePage
from web.deps import Given, Services, Show
from web.present.admin.budgets import own_words
from web.present.asking.answers import outcome_words, tier_height, tier_label
from web.present.frame import frame_for
from web.present.months import month_after, month_before, month_name, this_month
from web.present.record_views import ReceiptRowView, TierUseView
from web.present.views import when

pages = APIRouter(include_in_schema=False)

_LATEST = 25
Scope = Literal["mine", "workspace"]
Month = Annotated[str | None, Query(pattern=r"^20\d{2}-(0[1-9]|1[0-2])$")]


@pages.get("/usage")
def usage(
    request: Request,
    caller: SignedIn,
    services: Given,
    show: Show,
    month: Month = None,
    scope: Scope = "mine",
) -> Response:
    if scope == "workspace" and not caller.is_admin:
        raise ForbiddenError("Only an admin may see the whole workspace's usage.", code="admin_only")
    now = this_month(services.clock())
    period = min(month or now, now)
    user_id = caller.user_id if scope == "mine" else None
    summary = services.usage.summary(period, workspace_id=caller.workspace_id, user_id=user_id)
    return show.page(
        UsagePage(
            frame=frame_for(request, "Usage", "usage"),
            scope_links=_scope_links(caller, scope, period),
            month=month_name(period),
            earlier_href=_href(month_before(period), scope),
            later_href=_href(month_after(period), scope) if period < now else None,
            spent=format_money(summary.spent_nano, summary.currency),
            saved=format_money(summary.saved_nano, summary.currency),
            questions=summary.answered,
            budget=_budget(services, caller, scope) if period == now else None,
            own_budget=_own_budget(services, caller) if scope == "mine" and period == now else None,
            budgets_href="/budgets" if scope == "workspace" else None,
            tiers=tuple(_tier(tier, summary) for tier in _in_order(summary.tiers)),
            receipts=_receipts(services, caller, period, user_id),
        )
    )


def _href(period: str, scope: Scope) -> str:
    return f"/usage?month={period}" + ("&scope=workspace" if scope == "workspace" else "")


def _scope_links(caller: Caller, scope: Scope, period: str) -> tuple[tuple[str, str, bool], ...]:
    if not caller.is_admin:
        return ()
    return (
        ("Mine", _href(period, "mine"), scope == "mine"),
        ("Everyone's", _href(period, "workspace"), scope == "workspace"),
    )


def _budget(services: Services, caller: Caller, scope: Scope) -> str | None:
    """The company's budget, on its own page."""
    if scope != "workspace":
        return None
    found = services.budgets.of(caller.workspace_id, Target("workspace", "", ""))
    return (
        None if found.cap_nano is None else f"of a budget of {format_money(found.cap_nano, found.currency)}"
    )


def _own_budget(services: Services, caller: Caller) -> str | None:
    return own_words(services.budgets.own(caller), services.budgets.currency)


def _in_order(tiers: tuple[TierUse, ...]) -> list[TierUse]:
    return sorted(tiers, key=lambda tier: tier_height(tier.tier)[0])


def _tier(use: TierUse, summary: UsageSummary) -> TierUseView:
    height, rungs = tier_height(use.tier)
    share = round(100 * use.answers / summary.answered) if summary.answered else 0
    return TierUseView(
        tier=tier_label(use.tier),
        height=height,
        rungs=rungs,
        questions=use.answers,
        share_percent=share,
        price=format_money(use.price_nano, summary.currency),
        saved=format_money(use.saved_nano, summary.currency),
    )


def _receipts(
    services: Services, caller: Caller, period: str, user_id: str | None
) -> tuple[ReceiptRowView, ...]:
    """The latest answers. An admin sees whose question it was; what it said only its asker sees."""
    wanted = EntryFilter(kind="commit", period=period, user_id=user_id, shown_only=True)
    entries = services.usage.entries(wanted, workspace_id=caller.workspace_id, limit=_LATEST).entries
    own = _own_questions(services, caller, entries)
    names = {person.id: person.name for person in services.directory.list()} if user_id is None else {}
    return tuple(_row(services, entry, own, names) for entry in entries)


def _own_questions(services: Services, caller: Caller, entries: tuple[LedgerEntry, ...]) -> dict[str, str]:
    """The text of the caller's own questions; one that was erased since has none."""
    found: dict[str, str] = {}
    for entry in entries:
        if entry.user_id != caller.user_id or entry.query_id in found:
            continue
        with suppress(NotFoundError):
            found[entry.query_id] = services.history.query(caller, entry.query_id).question
    return found


def _row(
    services: Services, entry: LedgerEntry, own: dict[str, str], names: dict[str, str]
) -> ReceiptRowView:
    question = own.get(entry.query_id)
    who = names.get(entry.user_id)
    words, tone = outcome_words(entry.outcome or "")
    hidden = f"A question of {who}" if who else "A question that was erased"
    return ReceiptRowView(
        label=question or hidden,
        href=f"/queries/{entry.query_id}/why" if question else None,
        when=when(entry.occurred_at, services.clock()),
        tier=tier_label(entry.tier or ""),
        outcome=words,
        tone=tone,
        tokens="",
        duration="",
        price=format_money(entry.price_nano, entry.currency),
        cost=format_money(entry.cost_nano, entry.currency),
    )
