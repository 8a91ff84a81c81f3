"""Writes what was asked and answered. The answer is written in the session it is given, beside the ledger."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from sqlmodel import Session, col, select, update

from app.core.clock import Clock, new_id
from app.core.db import Database
from app.core.errors import IntegrityError, NotFoundError
from app.core.identity import Caller
from app.core.usage import Work
from retrieval.passage import Passage
from routing.difficulty import Difficulty
from routing.history import stored
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
from routing.tier import Turn
from routing.updates import AnswerUpdate, RouteUpdate, StepUpdate

_LONGEST_TITLE = 120


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
            if request.conversation_id is None:
                session.add(
                    ConversationRow(
                        id=conversation_id,
                        workspace_id=caller.workspace_id,
                        user_id=caller.user_id,
                        title=" ".join(request.question.split())[:_LONGEST_TITLE],
                        created_at=now,
                        updated_at=now,
                    )
                )
                session.flush()
            session.add(
                QueryRow(
                    id=query_id,
                    workspace_id=caller.workspace_id,
                    conversation_id=conversation_id,
                    user_id=caller.user_id,
                    asked_tier=request.tier,
                    escalated_from=escalated_from,
                    question=request.question,
                    filters=stored.filters_to_store(request.filters),
                    created_at=now,
                )
            )
        return conversation_id

    def finish(self, session: Session, query_id: str, outcome: Outcome) -> None:
        """Writes the answer or the failure with all that belongs to it, in the caller's transaction.

        Raises:
            IntegrityError: `no_such_query` when the question was never begun, or has ended already.
        """
        row = session.get(QueryRow, query_id)
        if row is None or row.state != "running":
            raise IntegrityError(f"Query {query_id} is not running.", code="no_such_query")
        now = self._clock()
        _fill(row, outcome)
        row.finished_at = now
        conversation = session.get(ConversationRow, row.conversation_id)
        if conversation is not None:
            conversation.updated_at = now
        session.flush()
        session.add_all(_attempts(row, outcome))
        session.add_all(_citations(row, outcome))
        session.add_all(_passages(row, outcome))
        session.add_all(_steps(row, outcome))

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


def _fill(row: QueryRow, outcome: Outcome) -> None:
    row.state = "finished" if outcome.problem is None else "failed"
    row.search_text = outcome.search_text
    row.stage1, row.stage2, row.stage3 = (outcome.stages.get(s) for s in ("question", "passages", "answer"))
    if outcome.route is not None:
        row.route_tier = outcome.route.tier
        row.route_difficulty = outcome.route.difficulty
        row.reasons = list(outcome.route.reasons)
    if outcome.answer is not None:
        row.answer_text = outcome.answer.text
        row.abstained = outcome.answer.abstained
        row.tier = outcome.answer.tier
    if outcome.problem is not None:
        row.problem_code, row.problem_message = outcome.problem
    row.escalation_reason = outcome.escalation_reason
    row.prompt_id = outcome.prompt_id
    row.notes = list(outcome.notes)
    if outcome.difficulty is not None:
        row.features = dict(outcome.difficulty.features)
        row.difficulty_model = outcome.difficulty.model
    row.timings_ms = dict(outcome.timings_ms)


def _attempts(row: QueryRow, outcome: Outcome) -> list[AttemptRow]:
    return [
        AttemptRow(
            query_id=row.id,
            ordinal=ordinal,
            workspace_id=row.workspace_id,
            tier=work.tier,
            model=work.model,
            outcome=work.outcome,
            reason=reason,
            input_tokens=work.input_tokens,
            output_tokens=work.output_tokens,
            cost_nano=work.cost_nano,
            duration_ms=work.duration_ms,
            provider_request_id=work.provider_request_id,
            estimated=work.estimated,
        )
        for ordinal, (work, reason) in enumerate(outcome.attempts)
    ]


def _steps(row: QueryRow, outcome: Outcome) -> list[StepRow]:
    return [
        StepRow(
            query_id=row.id,
            ordinal=step.ordinal,
            workspace_id=row.workspace_id,
            tier=step.tier,
            kind=step.kind,
            text=step.text,
            query=step.query,
            chunk_ids=[passage.chunk_id for passage in step.passages],
            input_tokens=step.input_tokens,
            output_tokens=step.output_tokens,
            cost_nano=step.cost_nano,
            duration_ms=step.duration_ms,
        )
        for step in outcome.steps
    ]


def _citations(row: QueryRow, outcome: Outcome) -> list[CitationRow]:
    if outcome.answer is None:
        return []
    return [
        CitationRow(
            query_id=row.id,
            n=citation.n,
            workspace_id=row.workspace_id,
            document_id=citation.document_id,
            chunk_id=citation.chunk_id,
            title=citation.title,
            url=citation.url,
            quote=citation.quote,
            start=citation.start,
            end=citation.end,
            answer_start=citation.answer_start,
            answer_end=citation.answer_end,
        )
        for citation in outcome.answer.citations
    ]


def _passages(row: QueryRow, outcome: Outcome) -> list[QueryPassageRow]:
    return [
        QueryPassageRow(
            query_id=row.id,
            rank=rank,
            workspace_id=row.workspace_id,
            document_id=passage.document_id,
            chunk_id=passage.chunk_id,
            title=passage.title,
            heading_path=list(passage.heading_path),
            text=passage.text,
            start=passage.start,
            end=passage.end,
            source=passage.source,
            url=passage.url,
            author=passage.author,
            updated_at=passage.updated_at,
            score=passage.score,
            dense_score=passage.dense_score,
            sparse_score=passage.sparse_score,
        )
        for rank, passage in enumerate(outcome.passages)
    ]
