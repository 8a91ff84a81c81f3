"""Models and rungs, for admins: the ladder as it stands, the chat server, the adapters and who gets them."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Literal, cast

from fastapi import APIRouter, Form, Query, Request
from starlette.responses import Response

from app.core.errors import InputError, NotFoundError, RungError
from app.core.identity import Caller
from routing.adapters.adapter import Adapter, Assignment, Scope, VersionState
from routing.catalogue.figures import PERIODS_DAYS
from routing.catalogue.prices import NewPrice
from routing.llm.prices import ANY_MODEL
from web.auth import QuietAdmin
from web.contexts import ConfirmPage, ModelsPage
from web.deps import Given, Services, Show
from web.present.admin.adapters import (
    adapter_view,
    assignment_view,
    examples_view,
    scope_words,
    train_command,
)
from web.present.admin.catalogue.figures import (
    deployment_views,
    entry_views,
    figures_views,
    model_words,
    price_views,
)
from web.present.admin.catalogue.views import PriceFormView
from web.present.admin.ladder import reader_view, rung_views, server_view, tally_of, unanswered_words
from web.present.admin.views import AssignFormView, ConfirmView, OptionGroup
from web.present.frame import frame_for
from web.present.views import Option
from web.render import Renderer, go_to

pages = APIRouter(include_in_schema=False)

WORKSPACE_TARGET = "workspace:"
_STATES: tuple[tuple[str, str], ...] = (
    ("", "Any state"),
    ("in_service", "In service"),
    ("candidate", "With a candidate"),
    ("previous", "With a previous version"),
    ("failed", "Failed"),
    ("retired", "Retired"),
)
_NEWS = {
    "assigned": "The assignment is made. It counts from the next question on.",
    "unassigned": "The assignment is removed. It counts from the next question on.",
    "priced": "The price is entered. What was paid before stays as it was.",
}
Days = Literal["7", "30"]
_FIELDS = {
    "no_model": "model",
    "bad_deployment": "model",
    "price_in_the_past": "since",
    "bad_moment": "since",
}
State = Literal["", "candidate", "in_service", "previous", "retired", "failed"]


@pages.get("/models")
def models(
    request: Request,
    caller: QuietAdmin,
    services: Given,
    show: Show,
    q: Annotated[str, Query(max_length=200)] = "",
    state: Annotated[State, Query()] = "",
    days: Annotated[Days, Query()] = "30",
    done: Annotated[str, Query(max_length=20)] = "",
) -> Response:
    return _models_page(
        request, caller, services, show, text=q.strip(), state=state, days=int(days), news=_NEWS.get(done)
    )


@pages.post("/prices")
def enter_price(
    request: Request,
    caller: QuietAdmin,
    services: Given,
    show: Show,
    model: Annotated[str, Form(max_length=300)] = "",
    input_price: Annotated[str, Form(max_length=40)] = "",
    output_price: Annotated[str, Form(max_length=40)] = "",
    cached_price: Annotated[str, Form(max_length=40)] = "",
    since: Annotated[str, Form(max_length=40)] = "",
    source: Annotated[str, Form(max_length=300)] = "",
) -> Response:
    """Enters a dated price; `model` is `premium:openai/gpt-5.2`, or `local:*`."""
    deployment, _, name = model.partition(":")
    try:
        moment = _moment(since)
        new = NewPrice(deployment, name, input_price, output_price, cached_price or None, moment, source)
        services.catalogue.prices.set(caller, new)
    except InputError as error:
        field = _FIELDS.get(error.code) or _price_field(error.message)
        amounts = (model, input_price, output_price, cached_price, since, source)
        form = _price_form(services, PriceFormView((), "", *amounts, error.message, error.code, field))
        return _models_page(request, caller, services, show, price_form=form)
    return go_to(request, "/models?done=priced#prices")


@pages.post("/assignments")
def assign(
    request: Request,
    caller: QuietAdmin,
    services: Given,
    show: Show,
    target: Annotated[str, Form(max_length=300)] = "",
    adapter: Annotated[str, Form(max_length=200)] = "",
) -> Response:
    """Gives the questions of a team, of a source kind or of everyone to an adapter."""
    try:
        scope, value = read_target(target)
        services.adapters.assign(caller, scope, value, adapter)
    except (InputError, NotFoundError) as error:
        return _models_page(request, caller, services, show, refused=(target, adapter, error))
    return go_to(request, "/models?done=assigned#assignments")


@pages.get("/assignments/{assignment_id}/remove")
def confirm_remove(
    request: Request, assignment_id: str, caller: QuietAdmin, services: Given, show: Show
) -> Response:
    found = _assignment(services, caller, assignment_id)
    words = scope_words(found)
    confirm = ConfirmView(
        title="Remove this assignment?",
        changes=(
            f"Questions of {words} no longer go to {found.adapter}.",
            "A less particular assignment answers them, and the bare base model where there is none.",
            "The adapter itself stays as it is.",
        ),
        button="Remove the assignment",
        action=f"/assignments/{found.id}/remove",
        back_href="/models#assignments",
    )
    return show.page(ConfirmPage(frame=frame_for(request, confirm.title, "models"), confirm=confirm))


@pages.post("/assignments/{assignment_id}/remove")
def remove(request: Request, assignment_id: str, caller: QuietAdmin, services: Given) -> Response:
    services.adapters.unassign(caller, assignment_id)
    return go_to(request, "/models?done=unassigned#assignments")


def read_target(text: str) -> tuple[Scope, str]:
    """Whose questions, as the form writes it: `workspace:`, `team:finance` or `source_kind:folder`.

    Raises:
        InputError: `bad_scope`.
    """
    scope, colon, value = text.partition(":")
    if not colon or scope not in ("workspace", "team", "source_kind"):
        raise InputError("Choose whose questions the adapter shall answer.", code="bad_scope")
    return cast(Scope, scope), value


def _moment(text: str) -> datetime | None:
    """A moment as a browser's field writes it, in UTC. InputError `bad_moment`."""
    if not text.strip():
        return None
    try:
        return datetime.fromisoformat(text.strip()).replace(tzinfo=UTC)
    except ValueError as error:
        raise InputError("Write the moment as 2026-05-01T00:00.", code="bad_moment") from error


def _price_field(message: str) -> str:
    """Which of the amounts an error is about."""
    names = {"The input": "input_price", "The output": "output_price", "The cached": "cached_price"}
    return next((field for start, field in names.items() if message.startswith(start)), "model")


def _price_form(services: Services, filled: PriceFormView | None = None) -> PriceFormView:
    """The form, offering the models that are set up."""
    book, settings = services.catalogue.prices, services.settings
    names = [f"{priced.deployment}:{priced.model}" for priced in book.now(settings)]
    names = list(dict.fromkeys([*names, f"local:{ANY_MODEL}"]))
    models = tuple((name, model_words(name.partition(":")[2])) for name in names)
    return replace(filled or PriceFormView((), ""), models=models, currency=book.currency)


def people_names(services: Services) -> dict[str, str]:
    """The name of each person by id and by address, to say who did what."""
    names: dict[str, str] = {"operator": "Operator"}
    for person in services.directory.list():
        names |= {person.id: person.name, person.email: person.name}
    return names


def _assignment(services: Services, caller: Caller, assignment_id: str) -> Assignment:
    for found in services.adapters.assignments(caller.workspace_id):
        if found.id == assignment_id:
            return found
    raise NotFoundError("There is no such assignment.", code="no_such_assignment")


def _models_page(
    request: Request,
    caller: Caller,
    services: Services,
    show: Renderer,
    *,
    text: str = "",
    state: State = "",
    days: int = 30,
    news: str | None = None,
    price_form: PriceFormView | None = None,
    refused: tuple[str, str, RungError] | None = None,
) -> Response:
    now, workspace_id = services.clock(), caller.workspace_id
    adapters, server = services.adapters.list(workspace_id), services.adapters.server()
    assignments = services.adapters.assignments(workspace_id)
    tally, names = tally_of(services, workspace_id), people_names(services)
    page = ModelsPage(
        frame=frame_for(request, "Models and rungs", "models"),
        rungs=rung_views(services, server, adapters, tally),
        asked=tally.asked,
        unanswered=unanswered_words(tally),
        server=server_view(server),
        reader=reader_view(services),
        adapters=tuple(
            adapter_view(found, assignments, names, now) for found in adapters if _matches(found, text, state)
        ),
        adapter_count=len(adapters),
        filter_text=text,
        filter_states=tuple(Option(value, label, value == state) for value, label in _STATES),
        examples=examples_view(services.adapters.example_counts(workspace_id)),
        train_command=train_command(),
        assignments=tuple(assignment_view(found, adapters) for found in assignments),
        assign_form=_assign_form(services, adapters, refused),
        days=days,
        period_links=tuple(
            (f"Last {period} days", f"/models?days={period}#figures", period == days)
            for period in PERIODS_DAYS
        ),
        figures=figures_views(
            services.catalogue.figures.models(workspace_id, days, now), services.usage.plan.currency
        ),
        deployments=deployment_views(services, now),
        prices=price_views(services, now),
        price_entries=entry_views(services.catalogue.prices.list(), now),
        price_form=price_form or _price_form(services),
        news=news,
    )
    wrong = price_form is not None and price_form.error is not None
    return show.page(page, status=refused[2].status if refused else InputError.status if wrong else 200)


def _matches(adapter: Adapter, text: str, state: State) -> bool:
    states: set[VersionState | str] = {version.state for version in adapter.versions}
    return text.lower() in adapter.name.lower() and (not state or state in states)


def _assign_form(
    services: Services, adapters: Sequence[Adapter], refused: tuple[str, str, RungError] | None
) -> AssignFormView:
    teams = sorted({person.team for person in services.directory.list() if not person.disabled})
    kinds = sorted({source.kind for source in services.sources.list()})
    return AssignFormView(
        targets=(
            OptionGroup("", ((WORKSPACE_TARGET, "Everyone in the workspace"),)),
            OptionGroup("Teams", tuple((f"team:{team}", team) for team in teams)),
            OptionGroup("Kinds of source", tuple((f"source_kind:{kind}", kind) for kind in kinds)),
        ),
        adapters=tuple(adapter.name for adapter in adapters),
        target=refused[0] if refused else "",
        adapter=refused[1] if refused else "",
        error=refused[2].message if refused else None,
        code=refused[2].code if refused else "",
    )
