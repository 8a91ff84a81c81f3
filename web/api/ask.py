"""`POST /api/v1/ask` and `/route`: an answer at once or as events, and how a question would be answered."""

from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel
from starlette.responses import Response

from app.core.errors import (
    BudgetExceededError,
    IntegrityError,
    NotFoundError,
    RungError,
    UnavailableError,
)
from routing.answer import RoutePreview
from routing.question import AskRequest
from routing.updates import (
    AnswerUpdate,
    ProblemUpdate,
    ReceiptUpdate,
    RouteUpdate,
    StepUpdate,
    Update,
)
from web.api.events import json_events
from web.api.shapes import (
    PROBLEMS,
    AskIn,
    AskOut,
    Filters,
    PassageOut,
    RouteOut,
    attempt_out,
    citation_out,
    decimal_text,
    passage_out,
    receipt_out,
    step_out,
)
from web.auth import SignedIn
from web.deps import Given, Kit
from web.serving.follow import follow, wait_for

api = APIRouter(prefix="/api/v1", tags=["ask"], responses=PROBLEMS)

_STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The answer; or, when `stream` is true, server-sent events named passages, route,"
        " delta, escalation, answer, receipt and error, each with JSON data.",
        "content": {"text/event-stream": {}},
    }
}


class RouteIn(BaseModel):
    model_config = {"extra": "forbid"}

    question: str
    filters: Filters = Filters()


class RungPlanOut(BaseModel):
    """What the policy would do at this rung. Thresholds are difficulties; nothing where none applies."""

    tier: str
    label: str
    kind: str
    price: str
    price_nano: int
    climb_above: float | None
    skip_above: float | None
    unavailable: str | None
    says: str


class RoutePreviewOut(BaseModel):
    """How the question would be answered. Nothing was asked, stored or charged.

    `objective` is what the workspace asks of the ladder; `rungs` what that comes to for this question.
    """

    difficulty: float
    tier: str
    reasons: list[str]
    stages: dict[str, float]
    passages: list[PassageOut]
    objective: str
    currency: str
    rungs: list[RungPlanOut]


@api.post("/ask", response_model=AskOut, responses=_STREAM)
def ask(body: AskIn, caller: SignedIn, services: Given, kit: Kit) -> Response | AskOut:
    """Answers a question from what the caller may read, with citations and a receipt."""
    request = AskRequest(body.question, body.conversation_id, body.tier, body.filters.to_core())
    started = services.asks.start(caller, request)
    if body.stream:
        return kit.streams.response(json_events(follow(services.asks, caller, started.query_id)))
    return answer_out(wait_for(services.asks, caller, started.query_id))


@api.post("/route")
def route(body: RouteIn, caller: SignedIn, services: Given) -> RoutePreviewOut:
    """The difficulty of a question, its reasons, and the rung it would go to."""
    found = services.asks.answerer.route(caller, body.question, filters=body.filters.to_core())
    return route_out(found, services.usage.plan.currency)


def route_out(found: RoutePreview, currency: str) -> RoutePreviewOut:
    return RoutePreviewOut(
        difficulty=found.route.difficulty,
        tier=found.route.tier,
        reasons=list(found.route.reasons),
        stages={stage.stage: stage.probability for stage in found.stages},
        passages=[passage_out(passage) for passage in found.passages],
        objective=found.plan.objective,
        currency=currency,
        rungs=[
            RungPlanOut(
                tier=rung.tier,
                label=rung.label,
                kind=rung.kind,
                price=decimal_text(rung.price_nano),
                price_nano=rung.price_nano,
                climb_above=rung.climb_above,
                skip_above=rung.skip_above,
                unavailable=rung.unavailable,
                says=rung.says,
            )
            for rung in found.plan.rungs
        ],
    )


def answer_out(updates: Sequence[Update]) -> AskOut:
    """All updates of an ended question as one value. Raises what a problem among them stands for."""
    route_update: RouteUpdate | None = None
    answer: AnswerUpdate | None = None
    receipt: ReceiptUpdate | None = None
    steps: list[StepUpdate] = []
    for update in updates:
        match update:
            case ProblemUpdate():
                raise error_of(update)
            case RouteUpdate():
                route_update = update
            case AnswerUpdate():
                answer = update
            case ReceiptUpdate():
                receipt = update
            case StepUpdate():
                steps.append(update)
            case _:
                pass
    if answer is None:
        raise UnavailableError("The answer ended without a text; ask again.", code="no_answer")
    return AskOut(
        query_id=answer.query_id,
        conversation_id=answer.conversation_id,
        answer=answer.text,
        abstained=answer.abstained,
        citations=[citation_out(citation) for citation in answer.citations],
        route=RouteOut(
            difficulty=route_update.difficulty if route_update else None,
            tier=answer.tier,
            reasons=list(route_update.reasons) if route_update else [],
            attempts=[attempt_out(attempt) for attempt in receipt.attempts] if receipt else [],
            steps=[step_out(step) for step in steps],
        ),
        receipt=receipt_out(receipt.receipt) if receipt else None,
    )


def error_of(problem: ProblemUpdate) -> RungError:
    """The error whose status suits the problem's code."""
    kinds: dict[str, type[RungError]] = {
        **dict.fromkeys(BudgetExceededError.codes.values(), BudgetExceededError),
        "internal_error": RungError,
        "integrity": IntegrityError,
        "not_found": NotFoundError,
    }
    return kinds.get(problem.code, UnavailableError)(problem.message, code=problem.code)
