"""Past questions as material for examples: read in groups, newest first, none of it shown to anybody."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import and_, or_
from sqlmodel import Session, col, select

from app.core.db import Database
from app.core.tables import UserRow
from retrieval.passage import Passage
from routing.adapters.adapter import ExampleFilters
from routing.history import stored
from routing.tables import CitationRow, FeedbackRow, QueryPassageRow, QueryRow

_AT_ONCE = 200
_TURNS = 3
_MOST = 20_000
"""Older answers than the newest this many are not looked at."""


@dataclass(frozen=True, slots=True)
class PastQuestion:
    """A question with its passages, best first, and what was answered; empty where nothing was found."""

    id: str
    user_id: str
    text: str
    standalone: str
    answer: str
    passages: tuple[Passage, ...]


@dataclass(frozen=True, slots=True)
class PastAnswer:
    """An answer to learn from. `before` are the questions before it in its conversation, oldest first;
    `cited` maps a mark's number to its chunk."""

    question: PastQuestion
    before: tuple[PastQuestion, ...]
    cited: Mapping[int, str]
    abstained: bool
    accepted: bool


class Past:
    """The past answers of an installation."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def answers(self, workspace_id: str, filters: ExampleFilters, premium_tier: str) -> Iterator[PastAnswer]:
        """Answers marked good, and the premium rung's that were asked for or climbed to and not marked bad.

        Newest first.
        """
        with self._database.read() as session:
            ids = session.exec(_candidates(workspace_id, filters, premium_tier)).all()
            for start in range(0, len(ids), _AT_ONCE):
                yield from self._load(session, ids[start : start + _AT_ONCE])

    def newest(self, workspace_id: str) -> Iterator[PastAnswer]:
        """Every finished question, whatever people thought of its answer. Newest first."""
        finished = select(QueryRow.id).where(
            QueryRow.workspace_id == workspace_id, QueryRow.state == "finished"
        )
        with self._database.read() as session:
            ids = session.exec(finished.order_by(col(QueryRow.id).desc()).limit(_MOST)).all()
            for start in range(0, len(ids), _AT_ONCE):
                yield from self._load(session, ids[start : start + _AT_ONCE])

    def _load(self, session: Session, ids: Sequence[str]) -> Iterator[PastAnswer]:
        rows = session.exec(
            select(QueryRow).where(col(QueryRow.id).in_(ids)).order_by(col(QueryRow.id).desc())
        ).all()
        before = {row.id: _before(session, row) for row in rows}
        everything = [*rows, *(turn for turns in before.values() for turn in turns)]
        passages = _passages(session, list({row.id for row in everything}))
        liked = set(
            session.exec(
                select(FeedbackRow.query_id).where(col(FeedbackRow.query_id).in_(ids), col(FeedbackRow.good))
            ).all()
        )
        cited: dict[str, dict[int, str]] = {}
        for citation in session.exec(select(CitationRow).where(col(CitationRow.query_id).in_(ids))).all():
            cited.setdefault(citation.query_id, {})[citation.n] = citation.chunk_id
        for row in rows:
            turns = tuple(_question(turn, passages, as_turn=True) for turn in before[row.id])
            question = _question(row, passages)
            yield PastAnswer(question, turns, cited.get(row.id, {}), row.abstained, row.id in liked)


def _candidates(workspace_id: str, filters: ExampleFilters, premium_tier: str) -> Any:
    """The ids of the answers that may be learned from, newest first."""
    climbed = and_(
        col(QueryRow.tier) == premium_tier,
        or_(
            col(QueryRow.escalated_from).is_not(None),
            col(QueryRow.escalation_reason).is_not(None),
            col(QueryRow.asked_tier) == premium_tier,
            col(QueryRow.route_tier) == premium_tier,
        ),
        or_(col(FeedbackRow.good).is_(None), col(FeedbackRow.good)),
    )
    accepted = and_(col(FeedbackRow.good), col(QueryRow.abstained).is_(False))
    own_feedback = and_(
        col(FeedbackRow.query_id) == col(QueryRow.id), col(FeedbackRow.user_id) == col(QueryRow.user_id)
    )
    chosen = (
        select(QueryRow.id)
        .outerjoin(FeedbackRow, own_feedback)
        .where(
            QueryRow.workspace_id == workspace_id,
            QueryRow.state == "finished",
            or_(accepted, climbed),
        )
    )
    if filters.since is not None:
        chosen = chosen.where(col(QueryRow.created_at) >= filters.since)
    if filters.team is not None:
        of_team = select(UserRow.id).where(UserRow.workspace_id == workspace_id, UserRow.team == filters.team)
        chosen = chosen.where(col(QueryRow.user_id).in_(of_team))
    return chosen.order_by(col(QueryRow.id).desc()).limit(_MOST)


def _before(session: Session, row: QueryRow) -> list[QueryRow]:
    """The turns that this question was asked after, oldest first."""
    turns = (
        select(QueryRow)
        .where(
            QueryRow.conversation_id == row.conversation_id,
            QueryRow.state == "finished",
            # A question that is asked again one rung up stands where it stood first.
            col(QueryRow.id) < (row.escalated_from or row.id),
        )
        .order_by(col(QueryRow.id).desc())
        .limit(_TURNS)
    )
    return list(reversed(session.exec(turns).all()))


def _passages(session: Session, ids: Sequence[str]) -> dict[str, list[Passage]]:
    found: dict[str, list[Passage]] = {}
    chosen = (
        select(QueryPassageRow)
        .where(col(QueryPassageRow.query_id).in_(ids))
        .order_by(col(QueryPassageRow.query_id), col(QueryPassageRow.rank))
    )
    for row in session.exec(chosen).all():
        found.setdefault(row.query_id, []).append(stored.passage(row))
    return found


def _question(
    row: QueryRow, passages: Mapping[str, Sequence[Passage]], *, as_turn: bool = False
) -> PastQuestion:
    return PastQuestion(
        id=row.id,
        user_id=row.user_id,
        text=row.question,
        standalone=row.search_text or row.question,
        answer="" if as_turn and row.abstained else row.answer_text,
        passages=tuple(passages.get(row.id, ())),
    )
