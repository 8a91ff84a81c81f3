"""The tables of sources, their documents and their sync runs. Every row belongs to a workspace."""

from datetime import datetime
from typing import Any, Literal

from sqlalchemy import JSON, Column, Index, Text, UniqueConstraint
from sqlmodel import Field, SQLModel

from app.core.db import BigInt, UtcDateTime

RunState = Literal["queued", "running", "complete", "incomplete", "failed", "cancelled"]
DocumentState = Literal["indexing", "indexed"]


class SourceRow(SQLModel, table=True):
    """A configured connector. The `claim_*` columns say which process is syncing it now, if any."""

    __tablename__ = "source"
    __table_args__ = (UniqueConstraint("workspace_id", "name"),)

    id: str = Field(primary_key=True)
    workspace_id: str = Field(index=True)
    name: str
    kind: str
    settings: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    default_access: list[str] = Field(sa_column=Column(JSON, nullable=False))
    created_at: datetime = Field(sa_type=UtcDateTime)
    claim_id: str | None = None
    claim_holder: str | None = None
    claim_heartbeat_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class DocumentRow(SQLModel, table=True):
    """One item of a source, as it was last indexed.

    While `state` is `indexing` the index may hold chunks that this row does not describe yet; the next
    run does the document again. `indexed_at` is empty until it was indexed once.
    """

    __tablename__ = "document"
    __table_args__ = (
        UniqueConstraint("source_id", "external_id"),
        Index("ix_document_source_state", "source_id", "state"),
    )

    id: str = Field(primary_key=True)
    workspace_id: str = Field(index=True)
    source_id: str = Field(foreign_key="source.id")
    external_id: str
    state: str
    revision: str = ""
    content_hash: str = ""
    recipe: str = ""
    title: str = ""
    url: str | None = None
    author: str | None = None
    updated_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    media_type: str = ""
    access: list[str] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    text: str = Field(default="", sa_column=Column(Text, nullable=False))
    headings: list[list[Any]] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    chunk_count: int = 0
    created_at: datetime = Field(sa_type=UtcDateTime)
    indexed_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class SyncRunRow(SQLModel, table=True):
    """One pass over a source. Counts and checkpoint are written together, so that they always agree."""

    __tablename__ = "sync_run"
    __table_args__ = (Index("ix_sync_run_source_started", "source_id", "started_at"),)

    id: str = Field(primary_key=True)
    workspace_id: str = Field(index=True)
    source_id: str = Field(foreign_key="source.id")
    state: str
    checkpoint: str = Field(default="", sa_column=Column(Text, nullable=False))
    resumed: int = 0
    cancel_requested: bool = False
    listed: int = 0
    held: int = 0
    upserted: int = 0
    unchanged: int = 0
    deleted: int = 0
    access_changed: int = 0
    failed: int = 0
    skipped: int = 0
    chunks_embedded: int = 0
    chunks_reused: int = 0
    bytes_read: int = Field(default=0, sa_column=Column(BigInt, nullable=False))
    message: str = Field(default="", sa_column=Column(Text, nullable=False))
    started_at: datetime = Field(sa_type=UtcDateTime)
    heartbeat_at: datetime = Field(sa_type=UtcDateTime)
    finished_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class FailureRow(SQLModel, table=True):
    """A document that a run could not take in, or that it passed over (`skipped`), and why."""

    __tablename__ = "sync_failure"

    run_id: str = Field(primary_key=True, foreign_key="sync_run.id")
    external_id: str = Field(primary_key=True)
    code: str = Field(primary_key=True)
    workspace_id: str = Field(index=True)
    reason: str = Field(sa_column=Column(Text, nullable=False))
    skipped: bool = False
    failed_at: datetime = Field(sa_type=UtcDateTime)
