"""Writes what was asked and answered. The answer is written in the session it is given, beside the ledger."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlmodel import Session, col, insert, select, update

from app.core.clock import Clock, new_id
from app.core.db import Database
from app.core.errors import IntegrityError, NotFoundError
from app.core.identity import Caller
from app.core.usage import Work
from retrieval.passage import Passage
from routing.difficulty import Difficulty
from routing.history import stored
from routing.history.calls import past_calls
from routing.question import AskRequest
from routing.tables import (
    AttemptRow,
    CitationRow,
    ConversationRow,
    FeedbackRow,
    QueryPassageRow,
    QueryRow,
    StepRow,
)
from routing.tier import PastCalls, Turn
from routing.updates import AnswerUpdate, RouteUpdate, StepUpdate

_LONGEST_TITLE = 120

_COUNTED_EVERY = timedelta(minutes=1)

_BEGUN: dict[str, object] = {
    "search_text": "",
    "state": "running",
    "answer_text": "",
    "abstained": False,
    "tier": "",
    "route_tier": "",
    "reasons": [],
    "notes": [],
    "timings_ms": {},
}
"""The columns of a question that has only begun."""


@dataclass(slots=True)
class Outcome:
    """All that is known of a question when it ends; filled in while it is answered."""

    search_text: str = ""
    passages: tuple[Passage, ...] = ()
    stages: dict[str, float] = field(default_factory=dict)
    difficulty: Difficulty | None = None
    steps: list[StepUpdate] = field(default_factory=list)
    route: RouteUpdate | None = None
    escalation_reason: str | None = None
    attempts: list[tuple[Work, str]] = field(default_factory=list)
    answer: AnswerUpdate | None = None
    prompt_id: str | None = None
    notes: list[str] = field(default_factory=list)
    timings_ms: dict[str, float] = field(default_factory=dict)
    problem: tuple[str, str] | None = None


class Records:
    """The questions of an installation, as they are written."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._past_calls: dict[tuple[str, str], tuple[datetime, PastCalls | None]] = {}

    def own_conversation(self, caller: Caller, conversation_id: str) -> ConversationRow:
        """Raises NotFoundError `no_such_conversation`, also for another person's."""
        with self._database.read() as session:
            row = session.get(ConversationRow, conversation_id)
        if row is None or (row.workspace_id, row.user_id) != (caller.workspace_id, caller.user_id):
            raise NotFoundError("There is no such conversation.", code="no_such_conversation")
        return row

    def own_query(self, caller: Caller, query_id: str) -> QueryRow:
        """Raises NotFoundError `no_such_query`, also for another person's."""
        with self._database.read() as session:
            row = session.get(QueryRow, query_id)
        if row is None or (row.workspace_id, row.user_id) != (caller.workspace_id, caller.user_id):
            raise NotFoundError("There is no such question.", code="no_such_query")
        return row

    def past_calls(self, workspace_id: str, tier: str) -> PastCalls | None:
        """See `routing.history.calls`; counted anew each minute."""
        now, key = self._clock(), (workspace_id, tier)
        kept = self._past_calls.get(key)
        if kept is None or not now - _COUNTED_EVERY < kept[0] <= now:
            with self._database.read() as session:
                kept = now, past_calls(session, workspace_id, tier)
            self._past_calls[key] = kept
        return kept[1]

    def turns(
        self, conversation_id: str, *, before: str | None = None, limit: int = 3
    ) -> list[tuple[str, Turn]]:
        """The latest finished questions of a conversation with their answers, oldest first, by query id.

        Args:
            before: only those asked before this query.
        """
        chosen = select(QueryRow).where(
            QueryRow.conversation_id == conversation_id, QueryRow.state == "finished"
        )
        if before is not None:
            chosen = chosen.where(col(QueryRow.id) < before)
        with self._database.read() as session:
            rows = session.exec(chosen.order_by(col(QueryRow.id).desc()).limit(limit)).all()
        return [
            (row.id, Turn(row.question, "" if row.abstained else row.answer_text)) for row in reversed(rows)
        ]

    def cited_documents(self, query_ids: Sequence[str]) -> dict[str, set[str]]:
        """The documents that each of these answers cites."""
        cited: dict[str, set[str]] = {query_id: set() for query_id in query_ids}
        with self._database.read() as session:
            rows = session.exec(select(CitationRow).where(col(CitationRow.query_id).in_(query_ids))).all()
        for row in rows:
            cited[row.query_id].add(row.document_id)
        return cited

    def begin(
        self, caller: Caller, query_id: str, request: AskRequest, *, escalated_from: str | None = None
    ) -> str:
        """Writes the question as running and returns its conversation, a new one where none was named."""
        now = self._clock()
        conversation_id = request.conversation_id or new_id()
        with self._database.write() as session:
            connection = session.connection()
            if request.conversation_id is None:
                connection.execute(
                    insert(ConversationRow),
                    {
                        "id": conversation_id,
                        "workspace_id": caller.workspace_id,
                        "user_id": caller.user_id,
                        "title": " ".join(request.question.split())[:_LONGEST_TITLE],
                        "created_at": now,
                        "updated_at": now,
                    },
                )
            begun = _BEGUN | {
                "id": query_id,
                "workspace_id": caller.workspace_id,
                "conversation_id": conversation_id,
                "user_id": caller.user_id,
                "asked_tier": request.tier,
                "escalated_from": escalated_from,
                "question": request.question,
                "filters": stored.filters_to_store(request.filters),
                "created_at": now,
            }
            connection.execute(insert(QueryRow), begun)
        return conversation_id

    def finish(self, session: Session, query_id: str, outcome: Outcome) -> None:
        """Writes the answer or the failure with all that belongs to it, in the caller's transaction.

        Statements instead of objects: this runs for every question, and objects took most of its time.

        Raises:
            IntegrityError: `no_such_query` when the question was never begun, or has ended already.
        """
        connection, now = session.connection(), self._clock()
        running = (QueryRow.id == query_id, QueryRow.state == "running")
        owner = connection.execute(select(QueryRow.workspace_id, QueryRow.conversation_id).where(*running))
        found = owner.one_or_none()
        if found is None:
            raise IntegrityError(f"Query {query_id} is not running.", code="no_such_query")
        connection.execute(
            update(QueryRow).where(*running).values(**_ended(outcome), finished_at=now)  # type: ignore[arg-type]
        )
        conversation = col(ConversationRow.id) == found.conversation_id
        connection.execute(update(ConversationRow).where(conversation).values(updated_at=now))
        of_query = {"query_id": query_id, "workspace_id": found.workspace_id}
        for table, rows in (
            (AttemptRow, _attempts(outcome)),
            (CitationRow, _citations(outcome)),
            (QueryPassageRow, _passages(outcome)),
            (StepRow, _steps(outcome)),
        ):
            if rows:
                connection.execute(insert(table), [of_query | row for row in rows])

    def close_interrupted(self, older_than_seconds: float) -> int:
        """Marks questions as failed whose process died while it answered them; returns how many."""
        before = self._clock() - timedelta(seconds=older_than_seconds)
        with self._database.write() as session:
            done = session.exec(
                update(QueryRow)
                .where(col(QueryRow.state) == "running", col(QueryRow.created_at) < before)
                .values(
                    state="failed",
                    problem_code="interrupted",
                    problem_message="Rung was stopped while it answered this. Ask again.",
                    finished_at=self._clock(),
                )
            )
            return int(done.rowcount)

    def feedback(self, caller: Caller, query_id: str, good: bool, reason: str) -> None:
        """Keeps what the asker thinks of an answer; the last word counts."""
        row = self.own_query(caller, query_id)
        with self._database.write() as session:
            session.merge(
                FeedbackRow(
                    query_id=row.id,
                    user_id=caller.user_id,
                    workspace_id=caller.workspace_id,
                    good=good,
                    reason=reason,
                    created_at=self._clock(),
                )
            )


def _ended(outcome: Outcome) -> dict[str, object]:
    """The columns of a question that has ended."""
    stages = (outcome.stages.get(stage) for stage in ("question", "passages", "answer"))
    ended: dict[str, object] = dict(zip(("stage1", "stage2", "stage3"), stages, strict=True))
    ended |= {
        "state": "finished" if outcome.problem is None else "failed",
        "search_text": outcome.search_text,
        "escalation_reason": outcome.escalation_reason,
        "prompt_id": outcome.prompt_id,
        "notes": list(outcome.notes),
        "timings_ms": dict(outcome.timings_ms),
    }
    if outcome.route is not None:
        ended |= {
            "route_tier": outcome.route.tier,
            "route_difficulty": outcome.route.difficulty,
            "reasons": list(outcome.route.reasons),
        }
    if outcome.difficulty is not None:
        ended |= {
            "features": dict(outcome.difficulty.features),
            "difficulty_model": outcome.difficulty.model,
        }
    if outcome.answer is not None:
        answer = outcome.answer
        ended |= {"answer_text": answer.text, "abstained": answer.abstained, "tier": answer.tier}
    if outcome.problem is not None:
        ended |= dict(zip(("problem_code", "problem_message"), outcome.problem, strict=True))
    return ended


def _attempts(outcome: Outcome) -> list[dict[str, object]]:
    return [
        {
            "ordinal": ordinal,
            "tier": work.tier,
            "model": work.model,
            "outcome": work.outcome,
            "reason": reason,
            "input_tokens": work.input_tokens,
            "output_tokens": work.output_tokens,
            "cost_nano": work.cost_nano,
            "duration_ms": work.duration_ms,
            "provider_request_id": work.provider_request_id,
            "estimated": work.estimated,
        }
        for ordinal, (work, reason) in enumerate(outcome.attempts)
    ]


def _steps(outcome: Outcome) -> list[dict[str, object]]:
    return [
        {
            "ordinal": step.ordinal,
            "tier": step.tier,
            "kind": step.kind,
            "text": step.text,
            "query": step.query,
            "chunk_ids": [passage.chunk_id for passage in step.passages],
            "input_tokens": step.input_tokens,
            "output_tokens": step.output_tokens,
            "cost_nano": step.cost_nano,
            "duration_ms": step.duration_ms,
        }
        for step in outcome.steps
    ]


def _citations(outcome: Outcome) -> list[dict[str, object]]:
    if outcome.answer is None:
        return []
    return [
        {
            "n": citation.n,
            "document_id": citation.document_id,
            "chunk_id": citation.chunk_id,
            "title": citation.title,
            "url": citation.url,
            "quote": citation.quote,
            "start": citation.start,
            "end": citation.end,
            "answer_start": citation.answer_start,
            "answer_end": citation.answer_end,
            "place": citation.place,
        }
        for citation in outcome.answer.citations
    ]


def _passages(outcome: Outcome) -> list[dict[str, object]]:
    return [
        {
            "rank": rank,
            "document_id": passage.document_id,
            "chunk_id": passage.chunk_id,
            "title": passage.title,
            "heading_path": list(passage.heading_path),
            "text": passage.text,
            "start": passage.start,
            "end": passage.end,
            "source": passage.source,
            "url": passage.url,
            "author": passage.author,
            "updated_at": passage.updated_at,
            "score": passage.score,
            "dense_score": passage.dense_score,
            "sparse_score": passage.sparse_score,
            "page": passage.page,
            "page_breaks": list(passage.page_breaks),
        }
        for rank, passage in enumerate(outcome.passages)
    ]
