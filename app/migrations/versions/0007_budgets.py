"""Budgets of workspaces, teams and people.

Revision ID: 0007
Revises: 0006
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

# What makes the entries append-only, frozen as it was when this revision was written.
_SQLITE_GUARDS = (
    """CREATE TRIGGER budget_entry_refuses_update BEFORE UPDATE ON budget_entry
BEGIN SELECT RAISE(ABORT, 'budgets are set anew: UPDATE refused'); END""",
    """CREATE TRIGGER budget_entry_refuses_delete BEFORE DELETE ON budget_entry
BEGIN SELECT RAISE(ABORT, 'budgets are set anew: DELETE refused'); END""",
    # INSERT OR REPLACE deletes the old row without asking the trigger for DELETE.
    """CREATE TRIGGER budget_entry_refuses_replace BEFORE INSERT ON budget_entry
WHEN EXISTS (SELECT 1 FROM budget_entry WHERE workspace_id = NEW.workspace_id AND number = NEW.number)
BEGIN SELECT RAISE(ABORT, 'budgets are set anew: UNIQUE number, REPLACE refused'); END""",
)

_POSTGRES_GUARDS = (
    """CREATE OR REPLACE FUNCTION budget_entry_refuses() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION USING MESSAGE = 'budgets are set anew: ' || TG_OP || ' refused'; END $$""",
    """CREATE TRIGGER budget_entry_refuses_change BEFORE UPDATE OR DELETE ON budget_entry
FOR EACH ROW EXECUTE FUNCTION budget_entry_refuses()""",
    """CREATE TRIGGER budget_entry_refuses_truncate BEFORE TRUNCATE ON budget_entry
FOR EACH STATEMENT EXECUTE FUNCTION budget_entry_refuses()""",
)

_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "budget_entry",
        sa.Column("workspace_id", sa.String(), nullable=False),
        sa.Column("number", _BIG, nullable=False),
        sa.Column("scope", sa.String(), nullable=False),
        sa.Column("scope_id", sa.String(), nullable=False),
        sa.Column("cap_nano", _BIG, nullable=True),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("set_by", sa.String(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("scope IN ('workspace', 'team', 'user')", name="budget_entry_scope"),
        sa.CheckConstraint("cap_nano IS NULL OR cap_nano >= 0", name="budget_entry_cap"),
        sa.PrimaryKeyConstraint("workspace_id", "number"),
    )
    op.create_index(
        "ix_budget_entry_scope", "budget_entry", ["workspace_id", "scope", "scope_id"], unique=False
    )
    op.create_table(
        "ledger_share",
        sa.Column("workspace_id", sa.String(), nullable=False),
        sa.Column("period", sa.String(), nullable=False),
        sa.Column("scope", sa.String(), nullable=False),
        sa.Column("scope_id", sa.String(), nullable=False),
        sa.Column("spent_nano", _BIG, nullable=False),
        sa.Column("held_nano", _BIG, nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "period", "scope", "scope_id"),
    )
    # What teams and people have spent and hold so far is what their entries add up to.
    for scope, column in (("team", "team"), ("user", "user_id")):
        op.execute(
            "INSERT INTO ledger_share (workspace_id, period, scope, scope_id, spent_nano, held_nano)"
            f" SELECT workspace_id, period, '{scope}', {column}, SUM(price_nano), SUM(held_nano)"  # noqa: S608
            f" FROM ledger GROUP BY workspace_id, period, {column}"
        )
    guards = _SQLITE_GUARDS if op.get_context().dialect.name == "sqlite" else _POSTGRES_GUARDS
    for guard in guards:
        op.execute(guard)


def downgrade() -> None:
    raise NotImplementedError("restore the backup that was made before the migration")
