"""The words of a citation that answer.

Revision ID: 0003
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("citation", sa.Column("answer_start", sa.Integer(), nullable=True))
    op.add_column("citation", sa.Column("answer_end", sa.Integer(), nullable=True))


def downgrade() -> None:
    op.drop_column("citation", "answer_end")
    op.drop_column("citation", "answer_start")
