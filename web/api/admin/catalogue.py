"""`/api/v1/prompts` and `/api/v1/prices`: what the pages of prompts and models show and do, for admins."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from routing.catalogue.files import PromptCard
from routing.catalogue.prices import NewPrice, PricedModel, PriceEntry
from routing.catalogue.prompts import PromptEntry, Serving
from routing.catalogue.trials.desk import TrialPlan
from routing.catalogue.trials.shelf import Trial
from web.api.shapes import CONFLICT, PROBLEMS
from web.auth import Admin
from web.deps import Given

api = APIRouter(prefix="/api/v1", tags=["catalogue"], responses=PROBLEMS)

PromptId = Annotated[str, Path(max_length=100)]
TrialId = Annotated[str, Path(max_length=100)]


class _In(BaseModel):
    model_config = ConfigDict(extra="forbid")


class PromptsOut(BaseModel):
    """The prompts, what speaks on each rung, and who decided what, newest first."""

    prompts: list[PromptCard]
    serving: list[Serving]
    entries: list[PromptEntry]


class PromptOut(BaseModel):
    prompt: PromptCard
    trials: list[Trial]


class ServeIn(_In):
    tier: str | None = Field(None, max_length=40, description="The rung, where several could use the prompt.")


class ShareIn(ServeIn):
    percent: int = Field(description="The share of the rung's questions, 1 to 50.")


class TrialIn(ServeIn):
    """What to try a prompt on, and what that may cost us; without a bound, what the plan suggests."""

    on: Literal["tests", "past"] = "tests"
    limit: int = Field(50, description="The most past questions, 1 to 500.")
    most_cost_nano: int | None = Field(None, description="It ends before a question that might exceed it.")


class RungIn(_In):
    tier: str = Field(max_length=40)


class PricesNow(BaseModel):
    """A model's price now, a million tokens, as text so that nothing is rounded. `problem` says why there is
    none; `source` where it is from, and `since` from when on a dated entry holds."""

    deployment: str
    model: str
    currency: str
    input_price: str | None
    cached_price: str | None
    output_price: str | None
    source: str | None
    since: datetime | None
    problem: str | None


class PriceOut(BaseModel):
    id: str
    deployment: str
    model: str
    currency: str
    input_price: str
    cached_price: str
    output_price: str
    since: datetime
    source: str
    by: str
    at: datetime


class PricesOut(BaseModel):
    """Prices now, and every dated entry, the one that takes effect last first."""

    now: list[PricesNow]
    entries: list[PriceOut]


class PriceIn(_In):
    """A new price, a million tokens, as text such as `1.25`. `since` of nothing is now."""

    deployment: str = Field(max_length=20, description="local or premium.")
    model: str = Field(max_length=200, description="As receipts name it; `*` for the local deployment.")
    input_price: str = Field(max_length=40)
    output_price: str = Field(max_length=40)
    cached_price: str | None = Field(None, max_length=40)
    since: datetime | None = None
    source: str = Field("", max_length=300)


@api.get("/prompts")
def prompts(caller: Admin, services: Given) -> PromptsOut:
    """The prompts, and which one speaks on each rung."""
    desk = services.catalogue.prompts
    return PromptsOut(
        prompts=list(desk.files.cards()),
        serving=list(desk.serving(caller.workspace_id)),
        entries=list(desk.entries(caller.workspace_id)),
    )


@api.get("/prompts/{prompt_id}")
def prompt(prompt_id: PromptId, caller: Admin, services: Given) -> PromptOut:
    """One prompt with its trials, newest first."""
    card = services.catalogue.prompts.files.card(prompt_id)
    return PromptOut(prompt=card, trials=list(services.catalogue.trials.list(caller.workspace_id, prompt_id)))


@api.post("/prompts/{prompt_id}/serve", responses=CONFLICT)
def serve(prompt_id: PromptId, caller: Admin, services: Given, body: ServeIn | None = None) -> Serving:
    """Lets a prompt speak on its rung from the next question on."""
    return services.catalogue.prompts.serve(caller, prompt_id, body.tier if body else None)


@api.post("/prompts/{prompt_id}/share", responses=CONFLICT)
def share(prompt_id: PromptId, caller: Admin, services: Given, body: ShareIn) -> Serving:
    """Lets a prompt speak on a share of its rung's questions."""
    return services.catalogue.prompts.share(caller, prompt_id, body.percent, body.tier)


@api.get("/prompts/{prompt_id}/trials/plan")
def plan(
    prompt_id: PromptId,
    caller: Admin,
    services: Given,
    on: Literal["tests", "past"] = "tests",
    limit: Annotated[int, Query(description="The most past questions, 1 to 500.")] = 50,
    tier: Annotated[str | None, Query(max_length=40)] = None,
) -> TrialPlan:
    """What a trial would ask and cost us. Nothing is asked."""
    return services.catalogue.trials.plan(caller, prompt_id, on=on, limit=limit, tier=tier)


@api.post("/prompts/{prompt_id}/trials", status_code=202, responses=CONFLICT)
def begin(prompt_id: PromptId, caller: Admin, services: Given, body: TrialIn | None = None) -> Trial:
    """Begins a trial in the background; it is followed by its id."""
    given = body or TrialIn()
    return services.catalogue.trials.start(
        caller,
        prompt_id,
        on=given.on,
        limit=given.limit,
        tier=given.tier,
        most_cost_nano=given.most_cost_nano,
    )


@api.get("/prompts/trials/{trial_id}")
def trial(trial_id: TrialId, caller: Admin, services: Given) -> Trial:
    """How far a trial is, or what it found."""
    return services.catalogue.trials.get(caller.workspace_id, trial_id)


@api.post("/prompts/trials/{trial_id}/stop", responses=CONFLICT)
def end(trial_id: TrialId, caller: Admin, services: Given) -> Trial:
    """Ends a trial after the question under way."""
    return services.catalogue.trials.stop(caller, trial_id)


@api.post("/prompts/stop", responses=CONFLICT)
def stop(body: RungIn, caller: Admin, services: Given) -> Serving:
    """Ends the trial on a share of a rung's questions."""
    return services.catalogue.prompts.stop(caller, body.tier)


@api.post("/prompts/rollback", responses=CONFLICT)
def rollback(body: RungIn, caller: Admin, services: Given) -> Serving:
    """Lets the prompt before speak again on a rung."""
    return services.catalogue.prompts.roll_back(caller, body.tier)


@api.get("/prices")
def prices(caller: Admin, services: Given) -> PricesOut:  # noqa: ARG001 - its type lets only admins in
    """What models cost us now, and every dated entry."""
    book = services.catalogue.prices
    return PricesOut(
        now=[_now(priced) for priced in book.now(services.settings)],
        entries=[_entry(entry) for entry in book.list()],
    )


@api.post("/prices", status_code=201)
def enter(body: PriceIn, caller: Admin, services: Given) -> PriceOut:
    """Enters a price; earlier entries stay, and what was paid stays as it was."""
    return _entry(services.catalogue.prices.set(caller, NewPrice(**body.model_dump())))


def _now(priced: PricedModel) -> PricesNow:
    prices = priced.prices
    return PricesNow(
        deployment=priced.deployment,
        model=priced.model,
        currency=priced.currency,
        input_price=_text(prices.input) if prices else None,
        cached_price=_text(prices.cached_input) if prices else None,
        output_price=_text(prices.output) if prices else None,
        source=prices.source if prices else None,
        since=prices.since if prices else None,
        problem=priced.problem,
    )


def _entry(entry: PriceEntry) -> PriceOut:
    return PriceOut(
        id=entry.id,
        deployment=entry.deployment,
        model=entry.model,
        currency=entry.currency,
        input_price=_text(entry.input_price),
        cached_price=_text(entry.cached_price),
        output_price=_text(entry.output_price),
        since=entry.since,
        source=entry.source,
        by=entry.by,
        at=entry.at,
    )


def _text(price: Decimal) -> str:
    return f"{price:f}"
