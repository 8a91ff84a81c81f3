"""Past questions, shown again: conversations, one question with its answer, and the trail of how it came
about.

A document that its reader may no longer read disappears from past passages and citations, and an answer that
cites one is withheld. What a question cost comes from the ledger, through `ReceiptOf`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from sqlmodel import Session, col, func, select

from app.core.db import Database
from app.core.errors import NotFoundError
from app.core.identity import Caller
from app.core.usage import Receipt
from retrieval.passage import NO_FILTERS, Passage, SearchFilters
from routing.history import stored
from routing.history.access import MayRead
from routing.history.feedback import Feedback
from routing.history.tally import Tally, tally
from routing.tables import (
    AttemptRow,
    CitationRow,
    ConversationRow,
    FeedbackRow,
    QueryPassageRow,
    QueryRow,
    StepRow,
)
from routing.updates import (
    CONFLICT_NOTE,
    AnswerUpdate,
    Attempt,
    PassagesUpdate,
    ProblemUpdate,
    ReceiptUpdate,
    RouteUpdate,
    StepUpdate,
    Update,
)

WITHHELD = "This answer cites a document that you may no longer read, so it is not shown."


class ReceiptOf(Protocol):
    """The receipt of a question, or nothing where none was written: `billing.ledger.Ledger.receipt`."""

    def __call__(self, query_id: str) -> Receipt | None: ...


@dataclass(frozen=True, slots=True)
class ConversationSummary:
    """A conversation in a list; the title is its first question."""

    id: str
    title: str
    created_at: datetime
    updated_at: datetime
    questions: int


@dataclass(frozen=True, slots=True)
class AskedQuestion:
    """A question with all that was told about it. `answer` is missing while it runs and where it failed.

    `withheld` is true where the answer may no longer be shown: its text says so, and it has no citations.
    `filters` are what its search was narrowed to. `steps` are those of a rung that works in several, with the
    passages that each found; what they looked for is not told where some of what was found may no longer be
    read. `feedback` is what the asker said last, or nothing
    yet.
    """

    query_id: str
    conversation_id: str
    question: str
    asked_tier: str
    escalated_from: str | None
    state: str
    route: RouteUpdate | None
    answer: AnswerUpdate | None
    receipt: Receipt | None
    attempts: tuple[Attempt, ...]
    problem: ProblemUpdate | None
    feedback: Feedback | None
    withheld: bool
    created_at: datetime
    finished_at: datetime | None
    filters: SearchFilters = NO_FILTERS
    steps: tuple[StepUpdate, ...] = ()


@dataclass(frozen=True, slots=True)
class Conversation:
    """A conversation with its questions, oldest first."""

    id: str
    title: str
    created_at: datetime
    updated_at: datetime
    questions: tuple[AskedQuestion, ...]


@dataclass(frozen=True, slots=True)
class Trail:
    """How an answer came about: difficulty by stage (none where a stage was not reached), and what was read.

    `timings_ms` holds `search` (with `embed` in it), `route`, each rung by name, and `total`.
    """

    asked: AskedQuestion
    search_text: str
    passages: tuple[Passage, ...]
    hidden_passages: int
    stage1: float | None
    stage2: float | None
    stage3: float | None
    escalation_reason: str | None
    prompt_id: str | None
    notes: tuple[str, ...]
    timings_ms: dict[str, float]


class History:
    """The past questions of a caller, and of nobody else."""

    def __init__(self, database: Database, *, may_read_document: MayRead, receipt_of: ReceiptOf) -> None:
        self._database = database
        self._may_read = may_read_document
        self._receipt_of = receipt_of

    def conversations(self, caller: Caller, *, limit: int = 30, offset: int = 0) -> list[ConversationSummary]:
        """The caller's conversations, the latest first."""
        counts = (
            select(QueryRow.conversation_id, func.count().label("n"))
            .group_by(QueryRow.conversation_id)
            .subquery()
        )
        chosen = (
            select(ConversationRow, counts.c.n)
            .join(counts, counts.c.conversation_id == ConversationRow.id)
            .where(
                ConversationRow.workspace_id == caller.workspace_id, ConversationRow.user_id == caller.user_id
            )
            .order_by(col(ConversationRow.updated_at).desc(), col(ConversationRow.id).desc())
        )
        with self._database.read() as session:
            rows = session.exec(chosen.limit(limit).offset(offset)).all()
        return [
            ConversationSummary(row.id, row.title, row.created_at, row.updated_at, int(questions))
            for row, questions in rows
        ]

    def conversation(self, caller: Caller, conversation_id: str) -> Conversation:
        """One conversation with its questions.

        Raises:
            NotFoundError: `no_such_conversation`, also for another person's.
        """
        with self._database.read() as session:
            row = session.get(ConversationRow, conversation_id)
            if row is None or (row.workspace_id, row.user_id) != (caller.workspace_id, caller.user_id):
                raise NotFoundError("There is no such conversation.", code="no_such_conversation")
            chosen = select(QueryRow).where(QueryRow.conversation_id == row.id).order_by(QueryRow.id)
            questions = [self._load(session, query) for query in session.exec(chosen).all()]
        reader = _Reader(self._may_read, caller)
        asked = tuple(self._asked(loaded, reader) for loaded in questions)
        return Conversation(row.id, row.title, row.created_at, row.updated_at, asked)

    def query(self, caller: Caller, query_id: str) -> AskedQuestion:
        """One question with its answer.

        Raises:
            NotFoundError: `no_such_query`, also for another person's.
        """
        return self._asked(self._own(caller, query_id), _Reader(self._may_read, caller))

    def trail(self, caller: Caller, query_id: str) -> Trail:
        """Why this answer. Raises as `query` does."""
        loaded = self._own(caller, query_id)
        reader = _Reader(self._may_read, caller)
        row, passages = loaded.row, reader.passages(loaded.passages)
        return Trail(
            asked=self._asked(loaded, reader),
            search_text=row.search_text,
            passages=passages,
            hidden_passages=len(loaded.passages) - len(passages),
            stage1=row.stage1,
            stage2=row.stage2,
            stage3=row.stage3,
            escalation_reason=row.escalation_reason,
            prompt_id=row.prompt_id,
            notes=self._notes(loaded, reader),
            timings_ms=dict(row.timings_ms),
        )

    def tally(self, workspace_id: str, since: datetime) -> Tally:
        """How many questions of everyone in a workspace each rung answered since then; counts alone."""
        with self._database.read() as session:
            return tally(session, workspace_id, since)

    def updates(self, caller: Caller, query_id: str) -> Iterator[Update]:
        """The updates of a question that has ended, again; its text as one. Raises as `query` does.

        One that is still being answered elsewhere gives a problem `still_running`.
        """
        loaded = self._own(caller, query_id)
        reader = _Reader(self._may_read, caller)
        return self._replay(self._asked(loaded, reader), reader.passages(loaded.passages), loaded.row)

    def _replay(self, asked: AskedQuestion, passages: tuple[Passage, ...], row: QueryRow) -> Iterator[Update]:
        if asked.state == "running":
            yield ProblemUpdate(
                asked.query_id, "still_running", "This is being answered elsewhere. Look again in a moment."
            )
            return
        if asked.route is not None:
            later = {passage.chunk_id for step in asked.steps for passage in step.passages}
            first = tuple(passage for passage in passages if passage.chunk_id not in later)
            yield PassagesUpdate(asked.query_id, first, row.timings_ms.get("search", 0.0))
            yield asked.route
        yield from asked.steps
        if asked.problem is not None:
            yield asked.problem
        if asked.answer is not None:
            yield asked.answer
            if asked.receipt is not None:
                yield ReceiptUpdate(asked.query_id, asked.receipt, asked.attempts)

    def _own(self, caller: Caller, query_id: str) -> "_Loaded":
        with self._database.read() as session:
            row = session.get(QueryRow, query_id)
            if row is None or (row.workspace_id, row.user_id) != (caller.workspace_id, caller.user_id):
                raise NotFoundError("There is no such question.", code="no_such_query")
            return self._load(session, row)

    def _load(self, session: Session, row: QueryRow) -> "_Loaded":
        attempts = select(AttemptRow).where(AttemptRow.query_id == row.id).order_by(col(AttemptRow.ordinal))
        citations = select(CitationRow).where(CitationRow.query_id == row.id).order_by(col(CitationRow.n))
        passages = (
            select(QueryPassageRow)
            .where(QueryPassageRow.query_id == row.id)
            .order_by(col(QueryPassageRow.rank))
        )
        steps = select(StepRow).where(StepRow.query_id == row.id).order_by(col(StepRow.ordinal))
        return _Loaded(
            row,
            session.exec(attempts).all(),
            session.exec(citations).all(),
            session.exec(passages).all(),
            session.get(FeedbackRow, (row.id, row.user_id)),
            session.exec(steps).all(),
        )

    def _asked(self, loaded: "_Loaded", reader: "_Reader") -> AskedQuestion:
        row = loaded.row
        withheld = not all(reader.may_read(citation.document_id) for citation in loaded.citations)
        answer = stored.answer(row, loaded.citations)
        if answer is not None and withheld:
            answer = replace(answer, text=WITHHELD, citations=())
        receipt = self._receipt_of(row.id) if answer is not None else None
        if receipt is not None:
            receipt = replace(receipt, notes=(*receipt.notes, *self._notes(loaded, reader)))
        hidden = reader.hides(loaded)
        return AskedQuestion(
            query_id=row.id,
            conversation_id=row.conversation_id,
            question=row.question,
            asked_tier=row.asked_tier,
            escalated_from=row.escalated_from,
            state=row.state,
            route=stored.route(row),
            answer=answer,
            receipt=receipt,
            attempts=tuple(stored.attempt(a, hidden=hidden) for a in loaded.attempts),
            problem=stored.problem(row),
            feedback=stored.feedback(loaded.feedback) if loaded.feedback else None,
            withheld=withheld,
            created_at=row.created_at,
            finished_at=row.finished_at,
            filters=stored.filters(row),
            steps=stored.steps(loaded.steps, reader.passages(loaded.passages), hidden=hidden),
        )

    @staticmethod
    def _notes(loaded: "_Loaded", reader: "_Reader") -> tuple[str, ...]:
        """Without those that quote documents, where some may no longer be read."""
        quoting = reader.hides(loaded)
        return tuple(n for n in loaded.row.notes if not (quoting and n.startswith(CONFLICT_NOTE)))


@dataclass(frozen=True, slots=True)
class _Loaded:
    """A question's rows."""

    row: QueryRow
    attempts: Sequence[AttemptRow]
    citations: Sequence[CitationRow]
    passages: Sequence[QueryPassageRow]
    feedback: FeedbackRow | None
    steps: Sequence[StepRow]


class _Reader:
    """Asks once a document whether the caller may read it now."""

    def __init__(self, may_read: MayRead, caller: Caller) -> None:
        self._ask = may_read
        self._caller = caller
        self._known: dict[str, bool] = {}

    def may_read(self, document_id: str) -> bool:
        if document_id not in self._known:
            self._known[document_id] = self._ask(self._caller, document_id)
        return self._known[document_id]

    def hides(self, loaded: _Loaded) -> bool:
        """Whether anything that was found or cited may no longer be read."""
        documents = {row.document_id for row in loaded.passages} | {c.document_id for c in loaded.citations}
        return not all(self.may_read(document_id) for document_id in documents)

    def passages(self, rows: Sequence[QueryPassageRow]) -> tuple[Passage, ...]:
        return tuple(stored.passage(row) for row in rows if self.may_read(row.document_id))
