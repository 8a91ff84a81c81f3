"""The tables of adapters: versions, the documents each was made of, who gets which, and what was done."""

from datetime import datetime
from typing import Any

from sqlalchemy import DDL, JSON, CheckConstraint, Column, Index, Text, UniqueConstraint, event, text
from sqlmodel import Field, SQLModel

from app.core.db import BigInt, UtcDateTime

EVENT_GUARDS_SQLITE: tuple[str, ...] = (
    """CREATE TRIGGER adapter_event_refuses_update BEFORE UPDATE ON adapter_event
BEGIN SELECT RAISE(ABORT, 'adapter events are append-only: UPDATE refused'); END""",
    """CREATE TRIGGER adapter_event_refuses_delete BEFORE DELETE ON adapter_event
BEGIN SELECT RAISE(ABORT, 'adapter events are append-only: DELETE refused'); END""",
)

EVENT_GUARDS_POSTGRES: tuple[str, ...] = (
    """CREATE OR REPLACE FUNCTION adapter_event_refuses() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION USING MESSAGE = 'adapter events are append-only: ' || TG_OP || ' refused'; END $$""",
    """CREATE TRIGGER adapter_event_refuses_change BEFORE UPDATE OR DELETE ON adapter_event
FOR EACH ROW EXECUTE FUNCTION adapter_event_refuses()""",
)


class AdapterVersionRow(SQLModel, table=True):
    """One version of an adapter.

    `access` is nothing for one trained here: its documents are in `adapter_document`. `sha256` is that of its
    weights, `base_sha256` that of the base it was trained on, empty where it was trained elsewhere.
    """

    __tablename__ = "adapter_version"
    __table_args__ = (
        UniqueConstraint("workspace_id", "name", "version"),
        UniqueConstraint("served_name"),
        CheckConstraint(
            "state IN ('candidate', 'in_service', 'previous', 'retired', 'failed')",
            name="adapter_version_state",
        ),
        # Two that publish at once: the database lets one of them through.
        Index(
            "ix_adapter_version_in_service",
            "workspace_id",
            "name",
            unique=True,
            sqlite_where=text("state = 'in_service'"),
            postgresql_where=text("state = 'in_service'"),
        ),
    )

    id: str = Field(primary_key=True)
    workspace_id: str
    name: str
    version: int
    served_name: str
    state: str
    base_model: str
    base_sha256: str = ""
    rank: int
    size_bytes: int = Field(sa_type=BigInt)
    sha256: str
    examples: int
    documents: int
    prompt_id: str = ""
    access: list[str] | None = Field(default=None, sa_column=Column(JSON(none_as_null=True), nullable=True))
    settings: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    judgement: dict[str, Any] | None = Field(
        default=None, sa_column=Column(JSON(none_as_null=True), nullable=True)
    )
    problem: str = Field(default="", sa_type=Text)
    created_at: datetime = Field(sa_type=UtcDateTime)
    created_by: str


class AdapterDocumentRow(SQLModel, table=True):
    """A document that a version's examples were made of. Written with the version, never changed."""

    __tablename__ = "adapter_document"

    version_id: str = Field(primary_key=True, foreign_key="adapter_version.id")
    document_id: str = Field(primary_key=True)
    workspace_id: str = Field(index=True)


class AdapterAssignmentRow(SQLModel, table=True):
    """Questions of this scope go to this adapter."""

    __tablename__ = "adapter_assignment"
    __table_args__ = (
        UniqueConstraint("workspace_id", "scope", "value"),
        CheckConstraint("scope IN ('workspace', 'team', 'source_kind')", name="adapter_assignment_scope"),
    )

    id: str = Field(primary_key=True)
    workspace_id: str
    scope: str
    value: str
    adapter: str
    created_at: datetime = Field(sa_type=UtcDateTime)
    created_by: str


class AdapterEventRow(SQLModel, table=True):
    """What was done to an adapter, by whom. Append-only."""

    __tablename__ = "adapter_event"
    __table_args__ = (Index("ix_adapter_event_adapter", "workspace_id", "adapter"),)

    id: str = Field(primary_key=True)
    workspace_id: str
    adapter: str
    version: int | None = None
    action: str
    done_by: str
    detail: str = Field(default="", sa_type=Text)
    done_at: datetime = Field(sa_type=UtcDateTime)


def _guard_events() -> None:
    table = SQLModel.metadata.tables["adapter_event"]
    for dialect, statements in (("sqlite", EVENT_GUARDS_SQLITE), ("postgresql", EVENT_GUARDS_POSTGRES)):
        for statement in statements:
            guard = DDL(statement)  # type: ignore[no-untyped-call]
            event.listen(table, "after_create", guard.execute_if(dialect=dialect))


_guard_events()
