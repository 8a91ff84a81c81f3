"""The updates of an answer as server-sent events with JSON data."""

from collections.abc import Iterable, Iterator

from pydantic import BaseModel

from routing.updates import (
    AnswerUpdate,
    DeltaUpdate,
    EscalationUpdate,
    PassagesUpdate,
    ProblemUpdate,
    ReceiptUpdate,
    RouteUpdate,
    StepUpdate,
    Update,
)
from web.api.shapes import (
    AttemptOut,
    CitationOut,
    PassageOut,
    ReceiptOut,
    StepOut,
    attempt_out,
    citation_out,
    passage_out,
    receipt_out,
    step_out,
)
from web.serving.stream import ServerEvent


def json_events(updates: Iterable[tuple[int, Update] | None]) -> Iterator[ServerEvent | None]:
    """Each update as an event with JSON data."""
    for item in updates:
        if item is None:
            yield None
        else:
            yield _json_event(*item)


class _PassagesEvent(BaseModel):
    query_id: str
    passages: list[PassageOut]
    took_ms: float


class _RouteEvent(BaseModel):
    query_id: str
    tier: str
    difficulty: float
    reasons: list[str]


class _DeltaEvent(BaseModel):
    query_id: str
    text: str


class _EscalationEvent(BaseModel):
    query_id: str
    from_tier: str
    to_tier: str
    reason: str
    failed: bool


class _StepEvent(StepOut):
    """Words that came before it are no part of the answer."""

    query_id: str


class _ErrorEvent(BaseModel):
    query_id: str
    code: str
    detail: str


class _AnswerEvent(BaseModel):
    query_id: str
    conversation_id: str
    answer: str
    abstained: bool
    tier: str
    citations: list[CitationOut]


class _ReceiptEvent(BaseModel):
    query_id: str
    receipt: ReceiptOut
    attempts: list[AttemptOut]


def _json_event(sequence: int, update: Update) -> ServerEvent:
    match update:
        case PassagesUpdate():
            passages = [passage_out(passage) for passage in update.passages]
            return _event(
                "passages",
                _PassagesEvent(query_id=update.query_id, passages=passages, took_ms=update.took_ms),
                sequence,
            )
        case RouteUpdate():
            body = _RouteEvent(
                query_id=update.query_id,
                tier=update.tier,
                difficulty=update.difficulty,
                reasons=list(update.reasons),
            )
            return _event("route", body, sequence)
        case DeltaUpdate():
            return _event("delta", _DeltaEvent(query_id=update.query_id, text=update.text), sequence)
        case EscalationUpdate():
            climb = _EscalationEvent(
                query_id=update.query_id,
                from_tier=update.from_tier,
                to_tier=update.to_tier,
                reason=update.reason,
                failed=update.failed,
            )
            return _event("escalation", climb, sequence)
        case StepUpdate():
            return _event("step", _step(update), sequence)
        case AnswerUpdate():
            return _event("answer", _answer(update), sequence)
        case ReceiptUpdate():
            return _event("receipt", _receipt(update), sequence)
        case ProblemUpdate():
            problem = _ErrorEvent(query_id=update.query_id, code=update.code, detail=update.message)
            return _event("error", problem, sequence)


def _event(name: str, body: BaseModel, sequence: int) -> ServerEvent:
    return ServerEvent(name, body.model_dump_json(), sequence)


def _step(update: StepUpdate) -> _StepEvent:
    return _StepEvent(query_id=update.query_id, **step_out(update).model_dump())


def _answer(update: AnswerUpdate) -> _AnswerEvent:
    return _AnswerEvent(
        query_id=update.query_id,
        conversation_id=update.conversation_id,
        answer=update.text,
        abstained=update.abstained,
        tier=update.tier,
        citations=[citation_out(citation) for citation in update.citations],
    )


def _receipt(update: ReceiptUpdate) -> _ReceiptEvent:
    return _ReceiptEvent(
        query_id=update.query_id,
        receipt=receipt_out(update.receipt),
        attempts=[attempt_out(attempt) for attempt in update.attempts],
    )
