"""From stored rows back to the values that were told while the question was answered."""

from collections.abc import Sequence
from datetime import datetime
from typing import cast

from app.core.usage import Outcome
from retrieval.passage import NO_FILTERS, Passage, SearchFilters
from routing.history.feedback import Feedback, read_reason
from routing.tables import AttemptRow, CitationRow, FeedbackRow, QueryPassageRow, QueryRow, StepRow
from routing.updates import AnswerUpdate, Attempt, Citation, ProblemUpdate, RouteUpdate, StepUpdate

HIDDEN_STEP = "A search of which you may no longer read all that it found"


def filters_to_store(filters: SearchFilters) -> dict[str, object] | None:
    """Filters as JSON; nothing for none."""
    if filters == NO_FILTERS:
        return None
    return {
        "sources": list(filters.sources),
        "after": filters.after.isoformat() if filters.after else None,
        "before": filters.before.isoformat() if filters.before else None,
    }


def filters(row: QueryRow) -> SearchFilters:
    """What the question's search was narrowed to."""
    kept = row.filters
    if kept is None:
        return NO_FILTERS
    return SearchFilters(tuple(kept["sources"]), _moment(kept["after"]), _moment(kept["before"]))


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def route(row: QueryRow) -> RouteUpdate | None:
    if row.route_difficulty is None:
        return None
    return RouteUpdate(row.id, row.route_tier, row.route_difficulty, tuple(row.reasons))


def answer(row: QueryRow, citations: Sequence[CitationRow]) -> AnswerUpdate | None:
    if row.state != "finished":
        return None
    return AnswerUpdate(
        query_id=row.id,
        conversation_id=row.conversation_id,
        text=row.answer_text,
        citations=tuple(citation(c) for c in citations),
        abstained=row.abstained,
        tier=row.tier,
    )


def problem(row: QueryRow) -> ProblemUpdate | None:
    if row.problem_code is None:
        return None
    return ProblemUpdate(row.id, row.problem_code, row.problem_message or "")


def citation(row: CitationRow) -> Citation:
    return Citation(
        n=row.n,
        document_id=row.document_id,
        chunk_id=row.chunk_id,
        title=row.title,
        url=row.url,
        quote=row.quote,
        place=row.place,
        start=row.start,
        end=row.end,
        answer_start=row.answer_start,
        answer_end=row.answer_end,
    )


def attempt(row: AttemptRow, *, hidden: bool = False) -> Attempt:
    """`hidden` leaves out what a step looked for."""
    return Attempt(
        tier=row.tier,
        model=row.model,
        outcome=cast(Outcome, row.outcome),
        reason=HIDDEN_STEP if hidden and row.outcome == "step" else row.reason,
        input_tokens=row.input_tokens,
        output_tokens=row.output_tokens,
        cost_nano=row.cost_nano,
        duration_ms=row.duration_ms,
    )


def feedback(row: FeedbackRow) -> Feedback:
    return Feedback(row.good, *read_reason(row.reason))


def steps(rows: Sequence[StepRow], passages: Sequence[Passage], *, hidden: bool) -> tuple[StepUpdate, ...]:
    """Steps with those of the passages that each found; `hidden` leaves out what they looked for."""
    known = {passage.chunk_id: passage for passage in passages}
    return tuple(
        StepUpdate(
            query_id=row.query_id,
            ordinal=row.ordinal,
            tier=row.tier,
            kind=row.kind,
            text=HIDDEN_STEP if hidden else row.text,
            query="" if hidden else row.query,
            passages=tuple(known[chunk_id] for chunk_id in row.chunk_ids if chunk_id in known),
            input_tokens=row.input_tokens,
            output_tokens=row.output_tokens,
            cost_nano=row.cost_nano,
            duration_ms=row.duration_ms,
        )
        for row in rows
    )


def passage(row: QueryPassageRow) -> Passage:
    return Passage(
        chunk_id=row.chunk_id,
        document_id=row.document_id,
        title=row.title,
        heading_path=tuple(row.heading_path),
        text=row.text,
        start=row.start,
        end=row.end,
        source=row.source,
        url=row.url,
        author=row.author,
        updated_at=row.updated_at,
        score=row.score,
        dense_score=row.dense_score,
        sparse_score=row.sparse_score,
        page=row.page,
        page_breaks=tuple(row.page_breaks),
    )
