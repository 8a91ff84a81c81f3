"""The past questions of a workspace, as far as policy needs them: difficulties, rungs, days. No texts."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Protocol

from sqlmodel import Session, col, func, select

from routing.policy.reports import DayCount, FailureCount
from routing.tables import QueryRow
from routing.tier import AUTO


@dataclass(frozen=True, slots=True)
class PastQuestion:
    """A finished question that Rung chose the rung for.

    `probability` is its last difficulty below the top rung: after an answer, or after the passages where
    none was made. `stage2` is that after the passages.
    """

    query_id: str
    tier: str
    abstained: bool
    probability: float
    stage2: float | None


class Charge(Protocol):
    """What one question was charged, cost us, and would have been charged on the top rung."""

    @property
    def price_nano(self) -> int: ...

    @property
    def cost_nano(self) -> int: ...

    @property
    def baseline_nano(self) -> int: ...

    @property
    def observed(self) -> bool:
        """Whether the top rung did answer."""
        ...


class Charges(Protocol):
    """What the questions of a workspace were charged since a moment, by query id: billing knows."""

    def __call__(self, workspace_id: str, since: datetime) -> Mapping[str, Charge]: ...


def questions(session: Session, workspace_id: str, since: datetime) -> list[PastQuestion]:
    """Finished questions asked since then whose rung Rung chose, oldest first."""
    columns = (QueryRow.id, QueryRow.tier, QueryRow.abstained, QueryRow.stage2, QueryRow.stage3)
    rows = session.connection().execute(
        select(*columns)  # type: ignore[call-overload]
        .where(
            QueryRow.workspace_id == workspace_id,
            QueryRow.state == "finished",
            QueryRow.asked_tier == AUTO,
            col(QueryRow.created_at) >= since,
        )
        .order_by(col(QueryRow.id))
    )
    return [
        PastQuestion(query_id, tier, abstained, stage2 if stage3 is None else stage3, stage2)
        for query_id, tier, abstained, stage2, stage3 in rows
        if stage2 is not None or stage3 is not None
    ]


def by_day(session: Session, workspace_id: str, since: datetime, until: datetime) -> tuple[DayCount, ...]:
    """The ended questions of each day, days without one included, oldest first."""
    columns = (QueryRow.created_at, QueryRow.state, QueryRow.abstained, QueryRow.tier)
    rows = session.connection().execute(
        select(*columns).where(
            QueryRow.workspace_id == workspace_id,
            QueryRow.state != "running",
            col(QueryRow.created_at) >= since,
        )
    )
    tiers: dict[date, dict[str, int]] = {day: {} for day in _days(since, until)}
    abstained, failed = dict.fromkeys(tiers, 0), dict.fromkeys(tiers, 0)
    for created_at, state, has_abstained, tier in rows:
        day = created_at.astimezone(UTC).date()
        if day not in tiers:
            continue
        if state == "failed":
            failed[day] += 1
        elif has_abstained:
            abstained[day] += 1
        else:
            tiers[day][tier] = tiers[day].get(tier, 0) + 1
    return tuple(DayCount(day, tiers[day], abstained[day], failed[day]) for day in tiers)


def failures(session: Session, workspace_id: str, since: datetime) -> tuple[FailureCount, ...]:
    """What questions failed of since then, the commonest first."""
    count = func.count()
    rows = session.exec(
        select(QueryRow.problem_code, count, func.max(QueryRow.created_at))
        .where(
            QueryRow.workspace_id == workspace_id,
            QueryRow.state == "failed",
            col(QueryRow.created_at) >= since,
        )
        .group_by(col(QueryRow.problem_code))
        .order_by(count.desc(), col(QueryRow.problem_code))
    ).all()
    return tuple(FailureCount(code or "unknown", int(number), last) for code, number, last in rows)


def kept(asked: Sequence[PastQuestion], top: str) -> list[PastQuestion]:
    """Those answered below the top rung."""
    return [question for question in asked if not question.abstained and question.tier != top]


def _days(since: datetime, until: datetime) -> Iterator[date]:
    day, last = since.astimezone(UTC).date(), until.astimezone(UTC).date()
    while day <= last:
        yield day
        day += timedelta(days=1)
