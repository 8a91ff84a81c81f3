"""Trials of prompts that can be watched and stopped: their state, bounds and differences.

Revision ID: 0012
Revises: 0011
"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_GIVEN = {"state": "ended", "done": "0", "total": "0", "stop_by": "", "differences": "[]"}
"""What trials get that ran before; it does not stay as a default."""


def upgrade() -> None:
    with op.batch_alter_table("prompt_trial") as batch:
        batch.add_column(sa.Column("state", sa.String(), nullable=False, server_default=_GIVEN["state"]))
        batch.add_column(sa.Column("done", sa.Integer(), nullable=False, server_default=_GIVEN["done"]))
        batch.add_column(sa.Column("total", sa.Integer(), nullable=False, server_default=_GIVEN["total"]))
        batch.add_column(sa.Column("most_cost_nano", _BIG, nullable=True))
        batch.add_column(sa.Column("beat_at", sa.DateTime(timezone=True), nullable=True))
        batch.add_column(sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True))
        batch.add_column(sa.Column("stop_by", sa.String(), nullable=False, server_default=_GIVEN["stop_by"]))
        batch.add_column(
            sa.Column("differences", sa.JSON(), nullable=False, server_default=_GIVEN["differences"])
        )
    with op.batch_alter_table("prompt_trial") as batch:
        for name in _GIVEN:
            batch.alter_column(name, server_default=None)


def downgrade() -> None:
    raise NotImplementedError("restore the backup that was made before the migration")
