"""A workspace with past questions, and a desk."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.core.db import Database
from app.core.identity import Caller
from app.core.usage import Outcome, Work
from retrieval.passage import Passage
from routing.difficulty import Difficulty
from routing.policy.service import PolicyDesk
from routing.tables import ConversationRow, FeedbackRow, QueryRow
from routing.tier import Ladder, RungKind, Signals, TierAnswer, TierDelta, TierOutput, TierRequest
from tests.routing.world import caller

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)

ADMIN = replace(caller("ida"), is_admin=True)


@dataclass
class Rung:
    """A rung that says what it is told to, at a fixed price."""

    name: str
    kind: RungKind = "chat"
    says: str = "There are 28 days of leave [1]."
    price_nano: int = 0
    abstains: bool = False
    unavailable: str | None = None
    immediate: bool = True
    fails_with: Exception | None = None
    baseline_note: str | None = None
    asked: list[TierRequest] = field(default_factory=list)

    @property
    def label(self) -> str:
        return self.name.title()

    def at_most(self) -> Work:
        return Work(self.name, "scripted", "answered", cost_nano=self.price_nano)

    def expected(self, request: TierRequest) -> Work:
        return self.at_most()

    def answer(self, request: TierRequest) -> Iterator[TierOutput]:
        self.asked.append(request)
        if self.fails_with is not None:
            raise self.fails_with
        yield TierDelta(self.says)
        outcome: Outcome = "abstained" if self.abstains else "answered"
        work = Work(self.name, "scripted", outcome, 100, 10, self.price_nano)
        yield TierAnswer(self.says, (), self.abstains, Signals(score=0.9), work)


def ladder(*rungs: Rung) -> Ladder:
    return Ladder(rungs or (Rung("reader", "reader"), Rung("premium", price_nano=5_000_000)))


@dataclass(frozen=True)
class Charged:
    price_nano: int
    cost_nano: int
    baseline_nano: int
    observed: bool = False


@dataclass
class Company:
    """Past questions of one workspace, and the desk over them."""

    database: Database
    ladder: Ladder
    now: datetime = NOON
    charges: dict[str, Charged] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.desk = self.new_desk()

    def new_desk(self, shadow_share: float = 0.0) -> PolicyDesk:
        return PolicyDesk(
            self.database,
            ladder=lambda: self.ladder,
            charges=lambda workspace_id, since: self.charges,
            currency="EUR",
            shadow_share=shadow_share,
            clock=lambda: self.now,
        )

    def asked(self, query_id: str, *, who: Caller = ADMIN, good: bool | None = None, **columns: Any) -> str:
        """A finished question, with feedback where it is said; `columns` are those of the row."""
        at = columns.pop("at", self.now - timedelta(days=1))
        reason = columns.pop("reason", "")
        shape: dict[str, Any] = {
            "state": "finished", "tier": "reader", "stage2": 0.3, "stage3": 0.2, "answer_text": "28 days.",
            "asked_tier": "auto", "question": "How many days?",
        } | columns  # fmt: skip
        with self.database.write() as session:
            session.merge(
                ConversationRow(
                    id="c",
                    workspace_id=who.workspace_id,
                    user_id=who.user_id,
                    title="t",
                    created_at=at,
                    updated_at=at,
                )
            )
            session.flush()
            session.add(
                QueryRow(
                    id=query_id,
                    workspace_id=who.workspace_id,
                    conversation_id="c",
                    user_id=who.user_id,
                    created_at=at,
                    finished_at=at,
                    **shape,
                )
            )
            session.flush()
            if good is not None:
                session.add(
                    FeedbackRow(
                        query_id=query_id,
                        user_id=who.user_id,
                        workspace_id=who.workspace_id,
                        good=good,
                        reason=reason,
                        created_at=at,
                    )
                )
        return query_id


@pytest.fixture
def company(sqlite_database: Database) -> Company:
    return Company(sqlite_database, ladder())


@pytest.fixture
def company_on_both(database: Database) -> Company:
    return Company(database, ladder())


def passage() -> Passage:
    from tests.routing.world import passage as make

    return make("There are 28 days of leave.", dense_score=0.7)


def hard(probability: float) -> Difficulty:
    return Difficulty("answer", probability, ("it looks so",))
