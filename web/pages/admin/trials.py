"""Trials of prompts, for admins: what one would cost, its beginning, how far it is, and its end."""

from typing import Annotated, Literal

from fastapi import APIRouter, Form, Query, Request
from starlette.responses import Response

from app.core.errors import InputError, RungError
from app.core.identity import Caller
from billing.money import parse_amount
from routing.catalogue.trials.desk import On, TrialPlan
from routing.catalogue.trials.shelf import Trial
from web.auth import QuietAdmin
from web.contexts import TrialFragment, TrialPage, TryPromptPage
from web.deps import Given, Services, Show
from web.present.admin.catalogue.prompts import prompt_view
from web.present.admin.catalogue.trials import plan_view, trial_href, trial_view
from web.present.admin.catalogue.views import TrialFormView
from web.present.frame import frame_for
from web.render import Renderer, go_to

pages = APIRouter(include_in_schema=False)

_NEWS = {
    "begun": "The trial has begun. You may leave this page; it goes on.",
    "stop": "It ends after the question under way.",
}
_FIELDS = {"bad_limit": "limit", "bad_bound": "most"}

_Text = Annotated[str, Form(max_length=20)]


@pages.get("/prompts/{prompt_id}/try")
def look(
    request: Request,
    prompt_id: str,
    caller: QuietAdmin,
    services: Given,
    show: Show,
    on: Literal["tests", "past"] = "tests",
    limit: Annotated[str, Query(max_length=20)] = "50",
) -> Response:
    """What a trial would ask and cost, with the button that begins it."""
    form = TrialFormView(past=on == "past", limit=limit, currency=services.usage.plan.currency)
    return _try_page(request, caller, services, show, prompt_id, form)


@pages.post("/prompts/{prompt_id}/trials")
def begin(
    request: Request,
    prompt_id: str,
    caller: QuietAdmin,
    services: Given,
    show: Show,
    on: Annotated[Literal["tests", "past"], Form()] = "tests",
    limit: _Text = "50",
    most: _Text = "",
) -> Response:
    """Begins a trial, or says beside the field why not."""
    form = TrialFormView(on == "past", limit, most, services.usage.plan.currency)
    try:
        trial = services.catalogue.trials.start(
            caller, prompt_id, on=on, limit=_limit(form), most_cost_nano=_most(form)
        )
    except RungError as error:
        return _try_page(request, caller, services, show, prompt_id, form, error)
    return go_to(request, f"{trial_href(prompt_id, trial.id)}?done=begun")


@pages.get("/prompts/{prompt_id}/trials/{trial_id}")
def trial(
    request: Request,
    prompt_id: str,
    trial_id: str,
    caller: QuietAdmin,
    services: Given,
    show: Show,
    done: Annotated[Literal["begun", "stop"] | None, Query()] = None,
) -> Response:
    found = services.catalogue.trials.get(caller.workspace_id, trial_id)
    news = _NEWS[done] if done and found.state == "running" else None
    return _trial_page(request, caller, services, show, prompt_id, found, news=news)


@pages.get("/prompts/{prompt_id}/trials/{trial_id}/live")
def live(
    request: Request, prompt_id: str, trial_id: str, caller: QuietAdmin, services: Given, show: Show
) -> Response:
    """How far it is. When it has ended, the whole page is shown anew."""
    found = services.catalogue.trials.get(caller.workspace_id, trial_id)
    if found.state != "running":
        return go_to(request, trial_href(prompt_id, trial_id))
    view = trial_view(found, services.usage.plan.currency, services.clock())
    return show.fragment(TrialFragment(trial=view))


@pages.post("/prompts/{prompt_id}/trials/{trial_id}/stop")
def stop(
    request: Request, prompt_id: str, trial_id: str, caller: QuietAdmin, services: Given, show: Show
) -> Response:
    trials = services.catalogue.trials
    try:
        trials.stop(caller, trial_id)
    except RungError as error:
        found = trials.get(caller.workspace_id, trial_id)
        return _trial_page(request, caller, services, show, prompt_id, found, error=error)
    return go_to(request, f"{trial_href(prompt_id, trial_id)}?done=stop")


def _limit(form: TrialFormView) -> int:
    if not form.limit.strip().isdecimal():
        raise InputError("Write a whole number of past questions.", code="bad_limit")
    return int(form.limit.strip())


def _most(form: TrialFormView) -> int | None:
    if not form.most.strip():
        return None
    try:
        return parse_amount(form.most.strip().replace(",", "."))
    except InputError as error:
        raise InputError(f"Write an amount in {form.currency}, such as 2.50.", code="bad_bound") from error


def _try_page(
    request: Request,
    caller: Caller,
    services: Services,
    show: Renderer,
    prompt_id: str,
    form: TrialFormView,
    error: RungError | None = None,
) -> Response:
    desk = services.catalogue.prompts
    card = desk.files.card(prompt_id)
    plan: TrialPlan | None = None
    try:
        plan = _plan(caller, services, prompt_id, form)
    except RungError as problem:
        error = error or problem
    if error is not None:
        form = TrialFormView(
            form.past,
            form.limit,
            form.most,
            form.currency,
            error.message,
            error.code,
            _FIELDS.get(error.code, ""),
        )
    page = TryPromptPage(
        frame=frame_for(request, f"Try {prompt_id}", "prompts"),
        prompt=prompt_view(card, desk.serving(caller.workspace_id)),
        form=form,
        plan=plan_view(plan, form.currency) if plan else None,
    )
    return show.page(page, status=error.status if error else 200)


def _plan(caller: Caller, services: Services, prompt_id: str, form: TrialFormView) -> TrialPlan:
    on: On = "past" if form.past else "tests"
    return services.catalogue.trials.plan(caller, prompt_id, on=on, limit=_limit(form))


def _trial_page(
    request: Request,
    caller: Caller,
    services: Services,
    show: Renderer,
    prompt_id: str,
    found: Trial,
    *,
    news: str | None = None,
    error: RungError | None = None,
) -> Response:
    desk = services.catalogue.prompts
    serving = desk.serving(caller.workspace_id)
    card = desk.files.card(found.prompt_id)
    page = TrialPage(
        frame=frame_for(request, f"Trial of {prompt_id}", "prompts"),
        prompt=prompt_view(card, serving),
        trial=trial_view(found, services.usage.plan.currency, services.clock()),
        speaks=any(now.prompt_id == found.prompt_id for now in serving),
        news=news,
        error=error.message if error else None,
        code=error.code if error else "",
    )
    return show.page(page, status=error.status if error else 200)
