"""The tables of money. The ledger is append-only: triggers refuse UPDATE and DELETE on both databases.

Amounts are nano-units. No table here holds the text of a question, so that text can be erased elsewhere
without breaking the chain.
"""

from datetime import datetime

from sqlalchemy import DDL, CheckConstraint, UniqueConstraint, event
from sqlmodel import Field, SQLModel

from app.core.db import BigInt, UtcDateTime

LEDGER_GUARDS_SQLITE: tuple[str, ...] = (
    """CREATE TRIGGER ledger_refuses_update BEFORE UPDATE ON ledger
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only: UPDATE refused'); END""",
    """CREATE TRIGGER ledger_refuses_delete BEFORE DELETE ON ledger
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only: DELETE refused'); END""",
    # INSERT OR REPLACE deletes the old row without asking the trigger for DELETE.
    """CREATE TRIGGER ledger_refuses_replace BEFORE INSERT ON ledger
WHEN EXISTS (SELECT 1 FROM ledger
    WHERE id = NEW.id OR (workspace_id = NEW.workspace_id AND seq = NEW.seq))
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only: UNIQUE id and seq, REPLACE refused'); END""",
)
"""Statements that make the ledger append-only on SQLite."""

LEDGER_GUARDS_POSTGRES: tuple[str, ...] = (
    """CREATE OR REPLACE FUNCTION ledger_refuses() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION USING MESSAGE = 'the ledger is append-only: ' || TG_OP || ' refused'; END $$""",
    """CREATE TRIGGER ledger_refuses_change BEFORE UPDATE OR DELETE ON ledger
FOR EACH ROW EXECUTE FUNCTION ledger_refuses()""",
    """CREATE TRIGGER ledger_refuses_truncate BEFORE TRUNCATE ON ledger
FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuses()""",
)
"""Statements that make the ledger append-only on PostgreSQL."""


class LedgerRow(SQLModel, table=True):
    """One entry of a workspace's ledger.

    `held_nano` and `price_nano` are changes: their sums are what is held and what is spent. A `reserve` adds
    to what is held; the first `commit` of a reservation, or its `release`, takes it away again. `seq` counts
    from 1 without a gap in each workspace; `hash` covers all other fields, `prev_hash` included.
    """

    __tablename__ = "ledger"
    __table_args__ = (
        UniqueConstraint("id"),
        CheckConstraint(
            "kind IN ('reserve', 'commit', 'release', 'adjust', 'reverse', 'grant')", name="ledger_kind"
        ),
    )

    workspace_id: str = Field(primary_key=True)
    seq: int = Field(primary_key=True, sa_type=BigInt)
    id: str
    kind: str
    period: str = Field(index=True)
    team: str
    user_id: str = Field(index=True)
    query_id: str = Field(index=True)
    reservation_id: str = Field(index=True)
    held_nano: int = Field(default=0, sa_type=BigInt)
    price_nano: int = Field(default=0, sa_type=BigInt)
    cost_nano: int = Field(default=0, sa_type=BigInt)
    baseline_nano: int = Field(default=0, sa_type=BigInt)
    baseline_method: str | None = None
    currency: str
    price_book: str
    tier: str | None = None
    model: str | None = None
    outcome: str | None = None
    input_tokens: int = Field(default=0, sa_type=BigInt)
    output_tokens: int = Field(default=0, sa_type=BigInt)
    duration_ms: int = Field(default=0, sa_type=BigInt)
    provider_request_id: str | None = None
    estimated: bool = False
    note: str | None = None
    occurred_at: datetime = Field(sa_type=UtcDateTime)
    prev_hash: str
    hash: str


class LedgerHeadRow(SQLModel, table=True):
    """The last entry of a workspace's chain. Whoever appends locks this row first."""

    __tablename__ = "ledger_head"

    workspace_id: str = Field(primary_key=True)
    seq: int = Field(sa_type=BigInt)
    hash: str


class AccountRow(SQLModel, table=True):
    """What a workspace has spent and holds in a calendar month (UTC), such as `2026-11`.

    `cap_nano` is the budget that was in force at the last reservation.
    """

    __tablename__ = "ledger_account"

    workspace_id: str = Field(primary_key=True)
    period: str = Field(primary_key=True)
    currency: str
    spent_nano: int = Field(default=0, sa_type=BigInt)
    held_nano: int = Field(default=0, sa_type=BigInt)
    cap_nano: int | None = Field(default=None, sa_type=BigInt)


class PlanUseRow(SQLModel, table=True):
    """A price plan at its first use; from then on its file may not change."""

    __tablename__ = "price_plan_use"

    name: str = Field(primary_key=True)
    sha256: str
    first_used_at: datetime = Field(sa_type=UtcDateTime)


def _guard_ledger() -> None:
    table = SQLModel.metadata.tables["ledger"]
    for dialect, statements in (("sqlite", LEDGER_GUARDS_SQLITE), ("postgresql", LEDGER_GUARDS_POSTGRES)):
        for statement in statements:
            guard = DDL(statement)  # type: ignore[no-untyped-call]
            event.listen(table, "after_create", guard.execute_if(dialect=dialect))


_guard_ledger()
