"""Prompts, for admins: which one speaks on each rung, how they were tried, what puts them into service."""

from contextlib import suppress
from typing import Annotated, Literal

from fastapi import APIRouter, Form, Query, Request
from starlette.responses import Response

from app.core.errors import ConfigurationError, InputError, RungError
from app.core.identity import Caller
from routing.catalogue.files import PromptCard, family
from routing.catalogue.helpers import HELPERS
from routing.catalogue.prompts import Serving
from routing.llm.prompt import load_prompt
from web.auth import QuietAdmin
from web.contexts import ConfirmPage, PromptPage, PromptsPage
from web.deps import Given, Services, Show
from web.present.admin.catalogue.prompts import (
    Act,
    case_view,
    confirm_view,
    event_view,
    prompt_href,
    prompt_view,
    rung_view,
)
from web.present.admin.catalogue.trials import trial_view
from web.present.admin.catalogue.views import CaseView, ShareFormView
from web.present.frame import frame_for
from web.render import Renderer, go_to

pages = APIRouter(include_in_schema=False)

_NEWS = {
    "serve": "It is in service: it speaks from the next question on.",
    "share": "The trial has begun. Compare both below once enough questions were asked.",
    "stop": "The trial has ended.",
    "rollback": "The prompt before speaks again, from the next question on.",
}
Done = Annotated[Literal["serve", "share", "stop", "rollback"] | None, Query()]
Tier = Annotated[str | None, Query(max_length=40)]
FormTier = Annotated[str | None, Form(max_length=40)]


@pages.get("/prompts")
def prompts(request: Request, caller: QuietAdmin, services: Given, show: Show, done: Done = None) -> Response:
    desk, now = services.catalogue.prompts, services.clock()
    serving = desk.serving(caller.workspace_id)
    page = PromptsPage(
        frame=frame_for(request, "Prompts", "prompts"),
        rungs=tuple(rung_view(services, caller.workspace_id, found) for found in serving),
        prompts=tuple(prompt_view(card, serving) for card in desk.files.cards()),
        events=tuple(event_view(entry, now) for entry in desk.entries(caller.workspace_id)[:50]),
        news=_NEWS[done] if done else None,
    )
    return show.page(page)


@pages.get("/prompts/{prompt_id}")
def prompt(
    request: Request, prompt_id: str, caller: QuietAdmin, services: Given, show: Show, done: Done = None
) -> Response:
    return _prompt_page(request, caller, services, show, prompt_id, ShareFormView(), news=done)


@pages.post("/prompts/{prompt_id}/share")
def share(
    request: Request,
    prompt_id: str,
    caller: QuietAdmin,
    services: Given,
    show: Show,
    percent: Annotated[str, Form(max_length=10)] = "",
) -> Response:
    """Lets a prompt speak on a share of the questions."""
    try:
        number = percent.strip().removesuffix("%").strip()
        if not number.isdecimal():
            raise InputError("Write a whole number of per cent.", code="bad_share")
        services.catalogue.prompts.share(caller, prompt_id, int(number))
    except RungError as error:
        form = ShareFormView(percent, error.message, error.code)
        return _prompt_page(request, caller, services, show, prompt_id, form, status=error.status)
    return go_to(request, "/prompts?done=share")


@pages.get("/prompts/{prompt_id}/{act}")
def confirm(
    request: Request,
    prompt_id: str,
    act: Act,
    caller: QuietAdmin,
    services: Given,
    show: Show,
    tier: Tier = None,
) -> Response:
    """What the act would change, with the button that does it."""
    return _confirm_page(request, show, _serving(services, caller, prompt_id, tier), act, prompt_id)


@pages.post("/prompts/{prompt_id}/{act}")
def do(
    request: Request,
    prompt_id: str,
    act: Act,
    caller: QuietAdmin,
    services: Given,
    show: Show,
    tier: FormTier = None,
) -> Response:
    """Does it, or says beside the button why not."""
    now = _serving(services, caller, prompt_id, tier)
    desk = services.catalogue.prompts
    try:
        if act == "serve":
            desk.serve(caller, prompt_id, now.tier)
        elif act == "stop":
            desk.stop(caller, now.tier)
        else:
            desk.roll_back(caller, now.tier)
    except RungError as error:
        return _confirm_page(request, show, now, act, prompt_id, error)
    return go_to(request, f"{prompt_href(prompt_id) if act == 'serve' else '/prompts'}?done={act}")


def _serving(services: Services, caller: Caller, prompt_id: str, tier: str | None) -> Serving:
    desk = services.catalogue.prompts
    rung = desk.rung_of(prompt_id, tier)
    return next(now for now in desk.serving(caller.workspace_id) if now.tier == rung)


def _confirm_page(
    request: Request, show: Renderer, now: Serving, act: Act, prompt_id: str, error: RungError | None = None
) -> Response:
    confirm = confirm_view(act, prompt_id, now, error)
    page = ConfirmPage(frame=frame_for(request, confirm.title, "prompts"), confirm=confirm)
    return show.page(page, status=error.status if error else 200)


def _prompt_page(
    request: Request,
    caller: Caller,
    services: Services,
    show: Renderer,
    prompt_id: str,
    form: ShareFormView,
    *,
    news: str | None = None,
    status: int = 200,
) -> Response:
    desk, now = services.catalogue.prompts, services.clock()
    card = desk.files.card(prompt_id)
    serving = desk.serving(caller.workspace_id)
    text, cases = _contents(services, prompt_id)
    currency = services.usage.plan.currency
    page = PromptPage(
        frame=frame_for(request, prompt_id, "prompts"),
        prompt=prompt_view(card, serving),
        text=text,
        cases=cases,
        trials=tuple(
            trial_view(trial, currency, now)
            for trial in services.catalogue.trials.list(caller.workspace_id, prompt_id)[:10]
        ),
        speaks=any(found.prompt_id == prompt_id for found in serving),
        share_form=form,
        try_command=_try_command(card, caller),
        news=_NEWS[news] if news else None,
    )
    return show.page(page, status=status)


def _contents(services: Services, prompt_id: str) -> tuple[tuple[tuple[str, str], ...], tuple[CaseView, ...]]:
    """The parts of a prompt and its test cases, as far as they can be read: its card says what is wrong."""
    text: tuple[tuple[str, str], ...] = ()
    cases: tuple[CaseView, ...] = ()
    helper = HELPERS.get(family(prompt_id))
    with suppress(ConfigurationError):
        prompt = load_prompt(prompt_id, helper.needs) if helper else load_prompt(prompt_id)
        text = (("System message", prompt.system), ("Question", prompt.user))
    with suppress(ConfigurationError):
        cases = tuple(
            case_view(case, compared=helper is not None)
            for case in services.catalogue.prompts.files.tests(prompt_id).cases
        )
    return text, cases


def _try_command(card: PromptCard, caller: Caller) -> str:
    past = "" if card.helps else " --on past --limit 50"
    return f"python -m app prompt try {card.id}{past} --as {caller.email}"
