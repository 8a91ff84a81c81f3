"""How many calls of its model a rung took for past questions: what a modelled price of it stands on."""

from sqlmodel import Session, col, func, select

from routing.tables import AttemptRow, QueryRow
from routing.tier import ONE_CALL, PastCalls

_NEWEST = 200
"""So many of the newest questions are looked at."""

_MADE = ("step", "answered", "abstained")


def past_calls(session: Session, workspace_id: str, tier: str) -> PastCalls | None:
    """Of the newest questions that this rung answered and was free to search again for; nothing where there
    is none. A failed call was made once more, so it is not counted."""
    newest = session.exec(
        select(QueryRow.id, QueryRow.notes)
        .where(QueryRow.workspace_id == workspace_id, QueryRow.tier == tier, QueryRow.state == "finished")
        .order_by(col(QueryRow.id).desc())
        .limit(_NEWEST)
    ).all()
    free = [query_id for query_id, notes in newest if ONE_CALL not in notes]
    if not free:
        return None
    calls, questions = session.exec(
        select(func.count(), func.count(func.distinct(AttemptRow.query_id))).where(
            col(AttemptRow.query_id).in_(free),
            AttemptRow.tier == tier,
            col(AttemptRow.outcome).in_(_MADE),
        )
    ).one()
    return PastCalls(int(calls), int(questions)) if questions else None
