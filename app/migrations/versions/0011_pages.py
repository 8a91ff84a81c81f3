"""Pages: where passages and citations stand, and notes on what of a document could not be read.

Revision ID: 0011
Revises: 0010
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _add("document", sa.Column("notes", sa.JSON(), nullable=False, server_default="[]"))
    _add("citation", sa.Column("place", sa.Text(), nullable=False, server_default=""))
    _add(
        "query_passage",
        sa.Column("page", sa.Integer(), nullable=True),
        sa.Column("page_breaks", sa.JSON(), nullable=False, server_default="[]"),
    )


def _add(table: str, *columns: sa.Column) -> None:
    """Adds columns; the value that rows get which exist already does not stay as a default."""
    with op.batch_alter_table(table) as batch:
        for column in columns:
            batch.add_column(column)
    with op.batch_alter_table(table) as batch:
        for column in columns:
            if column.server_default is not None:
                batch.alter_column(column.name, server_default=None)


def downgrade() -> None:
    raise NotImplementedError("restore the backup that was made before the migration")
