"""The tables of budgets: what was set by whom and when, and what each team and person has spent and holds.

What is set is never overwritten: triggers refuse UPDATE and DELETE on both databases. The latest entry
counts.
"""

from datetime import datetime

from sqlalchemy import DDL, CheckConstraint, Index, event
from sqlmodel import Field, SQLModel

from app.core.db import BigInt, UtcDateTime

BUDGET_GUARDS_SQLITE: tuple[str, ...] = (
    """CREATE TRIGGER budget_entry_refuses_update BEFORE UPDATE ON budget_entry
BEGIN SELECT RAISE(ABORT, 'budgets are set anew: UPDATE refused'); END""",
    """CREATE TRIGGER budget_entry_refuses_delete BEFORE DELETE ON budget_entry
BEGIN SELECT RAISE(ABORT, 'budgets are set anew: DELETE refused'); END""",
    # INSERT OR REPLACE deletes the old row without asking the trigger for DELETE.
    """CREATE TRIGGER budget_entry_refuses_replace BEFORE INSERT ON budget_entry
WHEN EXISTS (SELECT 1 FROM budget_entry WHERE workspace_id = NEW.workspace_id AND number = NEW.number)
BEGIN SELECT RAISE(ABORT, 'budgets are set anew: UNIQUE number, REPLACE refused'); END""",
)
"""Statements that make what was set append-only on SQLite."""

BUDGET_GUARDS_POSTGRES: tuple[str, ...] = (
    """CREATE OR REPLACE FUNCTION budget_entry_refuses() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION USING MESSAGE = 'budgets are set anew: ' || TG_OP || ' refused'; END $$""",
    """CREATE TRIGGER budget_entry_refuses_change BEFORE UPDATE OR DELETE ON budget_entry
FOR EACH ROW EXECUTE FUNCTION budget_entry_refuses()""",
    """CREATE TRIGGER budget_entry_refuses_truncate BEFORE TRUNCATE ON budget_entry
FOR EACH STATEMENT EXECUTE FUNCTION budget_entry_refuses()""",
)
"""Statements that make what was set append-only on PostgreSQL."""


class BudgetRow(SQLModel, table=True):
    """One decision: from `since` on, this scope may spend and hold at most `cap_nano` a month, or any amount.

    `number` counts from 1 in each workspace; of one scope the highest counts. `scope_id` is a team's name, a
    person's id, and empty for the workspace. `set_by` is a person's id.
    """

    __tablename__ = "budget_entry"
    __table_args__ = (
        CheckConstraint("scope IN ('workspace', 'team', 'user')", name="budget_entry_scope"),
        CheckConstraint("cap_nano IS NULL OR cap_nano >= 0", name="budget_entry_cap"),
        Index("ix_budget_entry_scope", "workspace_id", "scope", "scope_id"),
    )

    workspace_id: str = Field(primary_key=True)
    number: int = Field(primary_key=True, sa_type=BigInt)
    scope: str
    scope_id: str
    cap_nano: int | None = Field(default=None, sa_type=BigInt)
    currency: str
    set_by: str
    since: datetime = Field(sa_type=UtcDateTime)


class ShareRow(SQLModel, table=True):
    """What a team or a person has spent and holds in a calendar month (UTC), of the workspace's account.

    `scope` is `team` or `user`. A question counts for the team its asker was in when it was reserved.
    """

    __tablename__ = "ledger_share"

    workspace_id: str = Field(primary_key=True)
    period: str = Field(primary_key=True)
    scope: str = Field(primary_key=True)
    scope_id: str = Field(primary_key=True)
    spent_nano: int = Field(default=0, sa_type=BigInt)
    held_nano: int = Field(default=0, sa_type=BigInt)


def _guard_entries() -> None:
    table = SQLModel.metadata.tables["budget_entry"]
    for dialect, statements in (("sqlite", BUDGET_GUARDS_SQLITE), ("postgresql", BUDGET_GUARDS_POSTGRES)):
        for statement in statements:
            guard = DDL(statement)  # type: ignore[no-untyped-call]
            event.listen(table, "after_create", guard.execute_if(dialect=dialect))


_guard_entries()
