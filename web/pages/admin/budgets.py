"""Budgets, for admins: who may spend how much in a month, and what of it is gone.

Setting and removing each have a page that says what will change before anything does; all works without a
script.
"""

from typing import Annotated, Literal

from fastapi import APIRouter, Form, Query, Request
from starlette.responses import Response

from app.core.errors import RungError
from app.core.identity import Caller
from billing.budgets.amounts import parse_cap
from billing.budgets.values import Target
from web.auth import QuietAdmin
from web.contexts import BudgetsPage, ConfirmPage
from web.deps import Given, Services, Show
from web.present.admin.budgets import (
    COMPANY_TARGET,
    BudgetFormView,
    budget_view,
    confirm_remove,
    confirm_set,
    event_view,
)
from web.present.admin.views import ConfirmView, OptionGroup
from web.present.frame import frame_for
from web.present.months import month_name
from web.render import Renderer, go_to

pages = APIRouter(include_in_schema=False)

_NEWS = {
    "set": "The budget is set. It counts from the next question on.",
    "removed": "The budget is removed. It counts from the next question on.",
}
Done = Annotated[Literal["set", "removed"] | None, Query()]
Written = Annotated[str, Query(max_length=400)]
FormWritten = Annotated[str, Form(max_length=400)]


@pages.get("/budgets")
def budgets(request: Request, caller: QuietAdmin, services: Given, show: Show, done: Done = None) -> Response:
    return _page(request, caller, services, show, news=_NEWS.get(done or ""))


@pages.get("/budgets/set")
def confirm_setting(
    request: Request, caller: QuietAdmin, services: Given, show: Show, target: Written = "", cap: Written = ""
) -> Response:
    """What setting it would change; or the form again, with what is wrong beside its field."""
    try:
        whose, cap_nano = _read(services, caller, target), parse_cap(cap, services.budgets.currency)
    except RungError as error:
        return _page(request, caller, services, show, refused=(target, cap, error))
    before = services.budgets.of(caller.workspace_id, whose)
    return _confirm(request, show, confirm_set(before, (target, cap), cap_nano, services.budgets.currency))


@pages.post("/budgets/set")
def set_budget(
    request: Request,
    caller: QuietAdmin,
    services: Given,
    show: Show,
    target: FormWritten = "",
    cap: FormWritten = "",
) -> Response:
    try:
        whose, cap_nano = _read(services, caller, target), parse_cap(cap, services.budgets.currency)
    except RungError as error:
        return _page(request, caller, services, show, refused=(target, cap, error))
    services.budgets.set(caller, whose, cap_nano)
    return go_to(request, "/budgets?done=set")


@pages.get("/budgets/remove")
def confirm_removing(
    request: Request, caller: QuietAdmin, services: Given, show: Show, target: Written = ""
) -> Response:
    found = services.budgets.of(caller.workspace_id, _read(services, caller, target))
    return _confirm(request, show, confirm_remove(found, target))


@pages.post("/budgets/remove")
def remove(
    request: Request, caller: QuietAdmin, services: Given, show: Show, target: FormWritten = ""
) -> Response:
    """Takes it away, or says beside the button why not."""
    whose = _read(services, caller, target)
    try:
        services.budgets.remove(caller, whose)
    except RungError as error:
        found = services.budgets.of(caller.workspace_id, whose)
        return _confirm(request, show, confirm_remove(found, target, error), error.status)
    return go_to(request, "/budgets?done=removed")


def _read(services: Services, caller: Caller, text: str) -> Target:
    """Whose budget, as the form writes it: `workspace:`, `team:finance` or `user:ana@example.com`."""
    scope, _, value = text.partition(":")
    return services.budgets.target(caller.workspace_id, scope, value)


def _confirm(request: Request, show: Renderer, confirm: ConfirmView, status: int = 200) -> Response:
    page = ConfirmPage(frame=frame_for(request, confirm.title, "budgets"), confirm=confirm)
    return show.page(page, status=status)


def _page(
    request: Request,
    caller: Caller,
    services: Services,
    show: Renderer,
    *,
    news: str | None = None,
    refused: tuple[str, str, RungError] | None = None,
) -> Response:
    found, now, workspace_id = services.budgets, services.clock(), caller.workspace_id
    people = services.directory.list()
    names = {"operator": "Operator"} | {person.id: person.name for person in people}
    emails = {person.id: person.email for person in people}
    page = BudgetsPage(
        frame=frame_for(request, "Budgets", "budgets"),
        month=month_name(found.period),
        budgets=tuple(
            budget_view(budget, names, emails, found.currency, now) for budget in found.list(workspace_id)
        ),
        form=_form(services, caller, refused),
        events=tuple(event_view(entry, names, now) for entry in found.history(workspace_id)),
        news=news,
    )
    return show.page(page, status=refused[2].status if refused else 200)


def _form(services: Services, caller: Caller, refused: tuple[str, str, RungError] | None) -> BudgetFormView:
    found = services.budgets
    teams, people = found.teams(caller.workspace_id), found.people()
    return BudgetFormView(
        targets=(
            OptionGroup("", ((COMPANY_TARGET, "The whole company"),)),
            OptionGroup("Teams", tuple((f"team:{team}", team) for team in teams)),
            OptionGroup("People", tuple((f"user:{it.email}", f"{it.name} ({it.email})") for it in people)),
        ),
        currency=found.currency,
        target=refused[0] if refused else "",
        cap=refused[1] if refused else "",
        error=refused[2].message if refused else None,
        code=refused[2].code if refused else "",
    )
