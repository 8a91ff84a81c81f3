"""Labels that people made: by thumbs, and by asking the better model.

Only a finished, shown answer of a rung that is judged gets one: a failed, interrupted, withheld or half
answer says nothing about the difficulty, and neither does one whose rung the asker named.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, cast

from sqlalchemy import Boolean, ColumnElement, bindparam, text
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, select

from app.core.db import UtcDateTime
from routing.policy.evidence.agreement import agreement
from routing.policy.tables import LabelRow
from routing.tables import FeedbackRow, QueryRow
from routing.tier import AUTO, RungKind

How = Literal["feedback", "escalation", "shadow"]

NOT_THE_ANSWERER = frozenset({"outdated", "wrong_source"})
"""Reasons of a bad answer that a better model could not have helped: the documents are to blame, or the
choice of sources."""

# One statement, so that two who collect at once do not stumble over each other.
_KEEP = text(
    "INSERT INTO policy_label"
    " (query_id, how, workspace_id, tier, kind, wrong, judged_by, probability, note, created_at)"
    " VALUES (:query_id, :how, :workspace_id, :tier, :kind, :wrong, :judged_by, :probability, :note,"
    " :created_at)"
    " ON CONFLICT (query_id, how) DO UPDATE SET wrong = excluded.wrong, judged_by = excluded.judged_by,"
    " note = excluded.note, created_at = excluded.created_at"
).bindparams(bindparam("wrong", type_=Boolean), bindparam("created_at", type_=UtcDateTime))


@dataclass(frozen=True, slots=True)
class Label:
    """Whether a cheap rung's answer was wrong. See `LabelRow`. `shown` is false where the question climbed on
    and the asker got a better rung's answer. `model` is what worked the probability out."""

    query_id: str
    how: How
    kind: RungKind
    wrong: bool
    probability: float
    created_at: datetime
    shown: bool = True
    model: str | None = None


def collect(session: Session, workspace_id: str, kinds: Mapping[str, RungKind]) -> None:
    """Brings the labels of feedback and of clicks up to date with what people said last.

    Args:
        kinds: the kind of each rung whose answers are judged, by its name.
    """
    wanted = {(row.query_id, row.how): row for row in _of_feedback(session, workspace_id, kinds)}
    wanted |= {(row.query_id, row.how): row for row in _of_clicks(session, workspace_id, kinds)}
    kept = session.exec(
        select(LabelRow).where(LabelRow.workspace_id == workspace_id, LabelRow.how != "shadow")
    ).all()
    for row in kept:
        new = wanted.get((row.query_id, row.how))
        if new is None:
            session.delete(row)
        elif (row.wrong, row.note, row.probability) == (new.wrong, new.note, new.probability):
            del wanted[row.query_id, row.how]
    if wanted:
        session.connection().execute(_KEEP, [row.model_dump() for row in wanted.values()])


def load(session: Session, workspace_id: str) -> list[Label]:
    """Every label of a workspace, oldest first."""
    rows = session.exec(
        select(LabelRow, QueryRow.tier, QueryRow.difficulty_model)
        .join(QueryRow, col(QueryRow.id) == col(LabelRow.query_id))
        .where(LabelRow.workspace_id == workspace_id)
        .order_by(col(LabelRow.created_at))
    ).all()
    return [
        Label(
            row.query_id,
            cast(How, row.how),
            cast(RungKind, row.kind),
            row.wrong,
            row.probability,
            row.created_at,
            shown=row.tier == answered_by,
            model=model,
        )
        for row, answered_by, model in rows
    ]


def comparable(labels: Sequence[Label]) -> list[Label]:
    """Those whose probability comes from the model that worked out the newest one of their kind of rung.

    Those of another model are on another scale.
    """
    newest = {label.kind: label.model for label in sorted(labels, key=lambda one: one.query_id)}
    return [label for label in labels if label.model == newest[label.kind]]


def _of_feedback(session: Session, workspace_id: str, kinds: Mapping[str, RungKind]) -> list[LabelRow]:
    found = session.exec(
        select(QueryRow, FeedbackRow)
        .join(FeedbackRow, col(FeedbackRow.query_id) == col(QueryRow.id))
        .where(*_judged(workspace_id, kinds))
    ).all()
    return [
        _label(query, "feedback", kinds, not said.good, said.user_id, said.created_at, _code(said.reason))
        for query, said in found
        if said.good or _code(said.reason) not in NOT_THE_ANSWERER
    ]


def _of_clicks(session: Session, workspace_id: str, kinds: Mapping[str, RungKind]) -> list[LabelRow]:
    """A click says little; only where the better answer clearly differs, the first was wrong."""
    better = aliased(QueryRow)
    found = session.exec(
        select(QueryRow, better)
        .join(better, col(better.escalated_from) == col(QueryRow.id))
        .where(*_judged(workspace_id, kinds), col(better.state) == "finished", ~col(better.abstained))
    ).all()
    return [
        _label(query, "escalation", kinds, True, "agreement", later.finished_at or later.created_at, "")
        for query, later in found
        if agreement(query.answer_text, later.answer_text) == "different"
    ]


def _judged(workspace_id: str, kinds: Mapping[str, RungKind]) -> tuple[ColumnElement[bool], ...]:
    return (
        col(QueryRow.workspace_id) == workspace_id,
        col(QueryRow.state) == "finished",
        ~col(QueryRow.abstained),
        col(QueryRow.asked_tier) == AUTO,
        col(QueryRow.stage3).is_not(None),
        col(QueryRow.tier).in_(list(kinds)),
    )


def _label(
    query: QueryRow,
    how: How,
    kinds: Mapping[str, RungKind],
    wrong: bool,
    judged_by: str,
    at: datetime,
    note: str,
) -> LabelRow:
    return LabelRow(
        query_id=query.id,
        how=how,
        workspace_id=query.workspace_id,
        tier=query.tier,
        kind=kinds[query.tier],
        wrong=wrong,
        judged_by=judged_by,
        probability=query.stage3 or 0.0,
        note=note,
        created_at=at,
    )


def _code(reason: str) -> str:
    return reason.partition(":")[0].strip()
