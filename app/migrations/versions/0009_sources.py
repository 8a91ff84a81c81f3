"""Sources that are set up, scheduled and paused; failures that stand; credentials; the audit log.

Revision ID: 0009
Revises: 0008
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_MOMENT = sa.DateTime(timezone=True)

_SQLITE_GUARDS = (
    """CREATE TRIGGER audit_refuses_update BEFORE UPDATE ON audit_entry
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only: UPDATE refused'); END""",
    """CREATE TRIGGER audit_refuses_delete BEFORE DELETE ON audit_entry
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only: DELETE refused'); END""",
    """CREATE TRIGGER audit_refuses_replace BEFORE INSERT ON audit_entry
WHEN EXISTS (SELECT 1 FROM audit_entry WHERE id = NEW.id)
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only: REPLACE refused'); END""",
)

_POSTGRES_GUARDS = (
    """CREATE OR REPLACE FUNCTION audit_refuses() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION USING MESSAGE = 'the audit log is append-only: ' || TG_OP || ' refused'; END $$""",
    """CREATE TRIGGER audit_refuses_change BEFORE UPDATE OR DELETE ON audit_entry
FOR EACH ROW EXECUTE FUNCTION audit_refuses()""",
    """CREATE TRIGGER audit_refuses_truncate BEFORE TRUNCATE ON audit_entry
FOR EACH STATEMENT EXECUTE FUNCTION audit_refuses()""",
)


def upgrade() -> None:
    _sources()
    _runs()
    _documents()
    _failures()
    _new_tables()
    on_sqlite = op.get_bind().dialect.name == "sqlite"
    for guard in _SQLITE_GUARDS if on_sqlite else _POSTGRES_GUARDS:
        op.execute(guard)


def _add(table: str, *columns: sa.Column) -> None:
    """Adds columns; the value that rows get which exist already does not stay as a default."""
    with op.batch_alter_table(table) as batch:
        for column in columns:
            batch.add_column(column)
    with op.batch_alter_table(table) as batch:
        for column in columns:
            if column.server_default is not None:
                batch.alter_column(column.name, server_default=None)


def _text(name: str, value: str = "") -> sa.Column:
    return sa.Column(name, sa.String(), nullable=False, server_default=value)


def _number(name: str, value: int = 0) -> sa.Column:
    return sa.Column(name, sa.Integer(), nullable=False, server_default=str(value))


def _flag(name: str) -> sa.Column:
    return sa.Column(name, sa.Boolean(), nullable=False, server_default=sa.false())


def _sources() -> None:
    _add(
        "source",
        _text("state", "active"),
        _text("access_mode", "source"),
        sa.Column("cursor", sa.Text(), nullable=False, server_default=""),
        sa.Column("every_minutes", sa.Integer(), nullable=True),
        sa.Column("next_sync_at", _MOMENT, nullable=True),
        sa.Column("prune_share_max", sa.Float(), nullable=False, server_default="0.3"),
        _flag("prune_confirmed"),
        _text("created_by"),
    )


def _runs() -> None:
    _add(
        "sync_run",
        _text("kind", "full"),
        _number("priority"),
        _text("asked_by"),
        _flag("passed"),
        _number("attempts"),
        _flag("pause_requested"),
        sa.Column("resume_at", _MOMENT, nullable=True),
        _text("code"),
        _number("to_remove"),
        sa.Column("documents_total", sa.Integer(), nullable=True),
    )


def _documents() -> None:
    _add(
        "document",
        sa.Column("pages", sa.JSON(), nullable=False, server_default="[]"),
        _text("language"),
    )


def _failures() -> None:
    op.rename_table("sync_failure", "sync_failure_of_run")
    op.create_table(
        "sync_failure",
        sa.Column("source_id", sa.String(), nullable=False),
        sa.Column("external_id", sa.String(), nullable=False),
        sa.Column("workspace_id", sa.String(), nullable=False),
        sa.Column("run_id", sa.String(), nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("skipped", sa.Boolean(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("first_failed_at", _MOMENT, nullable=False),
        sa.Column("failed_at", _MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["source_id"], ["source.id"]),
        sa.PrimaryKeyConstraint("source_id", "external_id"),
    )
    # What the latest run of each source met still stands; one item has one failure now.
    op.execute(
        """INSERT INTO sync_failure (source_id, external_id, workspace_id, run_id, code, reason, skipped,
    attempts, first_failed_at, failed_at)
SELECT run.source_id, f.external_id, f.workspace_id, f.run_id, MIN(f.code), MIN(f.reason),
    MIN(CASE WHEN f.skipped THEN 1 ELSE 0 END) = 1, 1, MIN(f.failed_at), MAX(f.failed_at)
FROM sync_failure_of_run f JOIN sync_run run ON run.id = f.run_id
WHERE run.id = (SELECT latest.id FROM sync_run latest WHERE latest.source_id = run.source_id
    ORDER BY latest.started_at DESC, latest.id DESC LIMIT 1)
GROUP BY run.source_id, f.external_id, f.workspace_id, f.run_id"""
    )
    op.drop_table("sync_failure_of_run")
    op.create_index("ix_sync_failure_workspace_id", "sync_failure", ["workspace_id"])
    op.create_index("ix_sync_failure_run_id", "sync_failure", ["run_id"])


def _new_tables() -> None:
    op.create_table(
        "sync_change",
        sa.Column("run_id", sa.String(), nullable=False),
        sa.Column("external_id", sa.String(), nullable=False),
        sa.Column("workspace_id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["sync_run.id"]),
        sa.PrimaryKeyConstraint("run_id", "external_id"),
    )
    op.create_index("ix_sync_change_workspace_id", "sync_change", ["workspace_id"])
    op.create_table(
        "credential",
        sa.Column("source_id", sa.String(), nullable=False),
        sa.Column("field", sa.String(), nullable=False),
        sa.Column("workspace_id", sa.String(), nullable=False),
        sa.Column("key_id", sa.String(), nullable=False),
        sa.Column("ciphertext", sa.Text(), nullable=False),
        sa.Column("set_at", _MOMENT, nullable=False),
        sa.Column("set_by", sa.String(), nullable=False),
        sa.Column("last_used_at", _MOMENT, nullable=True),
        sa.ForeignKeyConstraint(["source_id"], ["source.id"]),
        sa.PrimaryKeyConstraint("source_id", "field"),
    )
    op.create_index("ix_credential_workspace_id", "credential", ["workspace_id"])
    op.create_table(
        "worker",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("started_at", _MOMENT, nullable=False),
        sa.Column("heartbeat_at", _MOMENT, nullable=False),
        sa.Column("doing", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "host_pace",
        sa.Column("host", sa.String(), nullable=False),
        sa.Column("next_at", _MOMENT, nullable=False),
        sa.Column("blocked_until", _MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("host"),
    )
    op.create_table(
        "audit_entry",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("workspace_id", sa.String(), nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("target_kind", sa.String(), nullable=False),
        sa.Column("target", sa.String(), nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_audit_entry_workspace_id", "audit_entry", ["workspace_id"])
    op.create_index("ix_audit_entry_target", "audit_entry", ["workspace_id", "target_kind", "target", "id"])


def downgrade() -> None:
    raise NotImplementedError("restore the backup that was made before the migration")
