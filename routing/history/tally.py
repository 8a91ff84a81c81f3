"""How many questions each rung answered in a stretch of time: counts alone, nobody's questions."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session, col, func, select

from routing.tables import QueryRow


@dataclass(frozen=True, slots=True)
class Tally:
    """Finished questions of a workspace. `by_tier` counts the answered ones by the rung that answered.

    `abstained` questions got no answer, `failed` ones ended with a problem.
    """

    by_tier: Mapping[str, int]
    abstained: int
    failed: int

    @property
    def asked(self) -> int:
        """All that have ended."""
        return sum(self.by_tier.values()) + self.abstained + self.failed


def tally(session: Session, workspace_id: str, since: datetime) -> Tally:
    """Counts the questions that were asked at or after `since` and have ended."""
    chosen = (
        select(QueryRow.state, QueryRow.abstained, QueryRow.tier, func.count())
        .where(
            QueryRow.workspace_id == workspace_id,
            col(QueryRow.created_at) >= since,
            QueryRow.state != "running",
        )
        .group_by(col(QueryRow.state), col(QueryRow.abstained), col(QueryRow.tier))
    )
    by_tier: dict[str, int] = {}
    abstained = failed = 0
    for state, has_abstained, tier, count in session.exec(chosen).all():
        if state == "failed":
            failed += int(count)
        elif has_abstained:
            abstained += int(count)
        else:
            by_tier[tier] = by_tier.get(tier, 0) + int(count)
    return Tally(by_tier, abstained, failed)
