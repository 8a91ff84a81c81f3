"""The tables of adapters: versions, their documents, assignments, events.

Revision ID: 0002
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# What makes the events append-only, frozen as it was when this revision was written.
_SQLITE_GUARDS = (
    """CREATE TRIGGER adapter_event_refuses_update BEFORE UPDATE ON adapter_event
BEGIN SELECT RAISE(ABORT, 'adapter events are append-only: UPDATE refused'); END""",
    """CREATE TRIGGER adapter_event_refuses_delete BEFORE DELETE ON adapter_event
BEGIN SELECT RAISE(ABORT, 'adapter events are append-only: DELETE refused'); END""",
)

_POSTGRES_GUARDS = (
    """CREATE OR REPLACE FUNCTION adapter_event_refuses() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION USING MESSAGE = 'adapter events are append-only: ' || TG_OP || ' refused'; END $$""",
    """CREATE TRIGGER adapter_event_refuses_change BEFORE UPDATE OR DELETE ON adapter_event
FOR EACH ROW EXECUTE FUNCTION adapter_event_refuses()""",
)


def upgrade() -> None:
    op.create_table(
        "adapter_version",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("workspace_id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("served_name", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("base_model", sa.String(), nullable=False),
        sa.Column("base_sha256", sa.String(), nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("examples", sa.Integer(), nullable=False),
        sa.Column("documents", sa.Integer(), nullable=False),
        sa.Column("prompt_id", sa.String(), nullable=False),
        sa.Column("access", sa.JSON(), nullable=True),
        sa.Column("settings", sa.JSON(), nullable=False),
        sa.Column("judgement", sa.JSON(), nullable=True),
        sa.Column("problem", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.CheckConstraint(
            "state IN ('candidate', 'in_service', 'previous', 'retired', 'failed')",
            name="adapter_version_state",
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("workspace_id", "name", "version"),
        sa.UniqueConstraint("served_name"),
    )
    op.create_index(
        "ix_adapter_version_in_service",
        "adapter_version",
        ["workspace_id", "name"],
        unique=True,
        sqlite_where=sa.text("state = 'in_service'"),
        postgresql_where=sa.text("state = 'in_service'"),
    )
    op.create_table(
        "adapter_document",
        sa.Column("version_id", sa.String(), nullable=False),
        sa.Column("document_id", sa.String(), nullable=False),
        sa.Column("workspace_id", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["version_id"], ["adapter_version.id"]),
        sa.PrimaryKeyConstraint("version_id", "document_id"),
    )
    op.create_index(
        op.f("ix_adapter_document_workspace_id"), "adapter_document", ["workspace_id"], unique=False
    )
    op.create_table(
        "adapter_assignment",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("workspace_id", sa.String(), nullable=False),
        sa.Column("scope", sa.String(), nullable=False),
        sa.Column("value", sa.String(), nullable=False),
        sa.Column("adapter", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.CheckConstraint(
            "scope IN ('workspace', 'team', 'source_kind')", name="adapter_assignment_scope"
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("workspace_id", "scope", "value"),
    )
    op.create_table(
        "adapter_event",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("workspace_id", sa.String(), nullable=False),
        sa.Column("adapter", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=True),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("done_by", sa.String(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_adapter_event_adapter", "adapter_event", ["workspace_id", "adapter"], unique=False)
    guards = _SQLITE_GUARDS if op.get_context().dialect.name == "sqlite" else _POSTGRES_GUARDS
    for guard in guards:
        op.execute(guard)


def downgrade() -> None:
    raise NotImplementedError("restore the backup that was made before the migration")
