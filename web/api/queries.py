"""`/api/v1/queries/{id}`: a question that was asked, what its asker thinks of the answer, one rung up."""

from typing import Annotated

from fastapi import APIRouter, Path
from starlette.responses import Response

from routing.history import AskedQuestion
from web.api.ask import answer_out, error_of
from web.api.events import json_events
from web.api.shapes import (
    PROBLEMS,
    AskOut,
    EscalateIn,
    FeedbackIn,
    FeedbackOut,
    QueryOut,
    RouteOut,
    attempt_out,
    citation_out,
    receipt_out,
    step_out,
)
from web.auth import SignedIn
from web.deps import Given, Kit
from web.errors import problem_of
from web.serving.follow import follow, wait_for

api = APIRouter(prefix="/api/v1/queries", tags=["ask"], responses=PROBLEMS)

QueryId = Annotated[str, Path(max_length=64)]


@api.get("/{query_id}")
def query(query_id: QueryId, caller: SignedIn, services: Given) -> QueryOut:
    """A question with its answer. Only its asker may see it."""
    return _query_out(services.history.query(caller, query_id))


@api.post("/{query_id}/feedback", status_code=204)
def feedback(query_id: QueryId, body: FeedbackIn, caller: SignedIn, services: Given) -> None:
    """Says whether the answer was good. The last word counts."""
    services.asks.answerer.feedback(caller, query_id, body.good, body.reason, body.code)


@api.post("/{query_id}/escalate", response_model=AskOut)
def escalate(
    query_id: QueryId, caller: SignedIn, services: Given, kit: Kit, body: EscalateIn | None = None
) -> Response | AskOut:
    """Asks the same question one rung up, as a new question of the same conversation."""
    started = services.asks.escalate(caller, query_id)
    if body is not None and body.stream:
        return kit.streams.response(json_events(follow(services.asks, caller, started.query_id)))
    return answer_out(wait_for(services.asks, caller, started.query_id))


def _query_out(asked: AskedQuestion) -> QueryOut:
    answer = asked.answer
    route, given = asked.route, asked.feedback
    return QueryOut(
        query_id=asked.query_id,
        conversation_id=asked.conversation_id,
        question=asked.question,
        state=asked.state,
        answer=answer.text if answer and not asked.withheld else None,
        abstained=bool(answer and answer.abstained),
        withheld=asked.withheld,
        citations=[citation_out(citation) for citation in answer.citations] if answer else [],
        route=RouteOut(
            difficulty=route.difficulty,
            tier=answer.tier if answer else route.tier,
            reasons=list(route.reasons),
            attempts=[attempt_out(attempt) for attempt in asked.attempts],
            steps=[step_out(step) for step in asked.steps],
        )
        if route
        else None,
        receipt=receipt_out(asked.receipt) if asked.receipt else None,
        error=problem_of(error_of(asked.problem)) if asked.problem else None,
        feedback=FeedbackOut(good=given.good, code=given.code, reason=given.words) if given else None,
        created_at=asked.created_at,
    )
