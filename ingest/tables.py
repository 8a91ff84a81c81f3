"""The tables of sources, their documents and their sync runs. Every row belongs to a workspace."""

from datetime import datetime
from typing import Any, Literal

from sqlalchemy import JSON, Column, Index, Text, UniqueConstraint
from sqlmodel import Field, SQLModel

from app.core.db import BigInt, UtcDateTime

RunState = Literal["queued", "running", "waiting", "paused", "complete", "incomplete", "failed", "cancelled"]
RunKind = Literal["full", "changes", "retry"]
"""What a run goes over: everything, what changed since the cursor, or some failures alone."""

SourceState = Literal["draft", "active", "paused"]
"""A draft is being set up and never synced; a paused source keeps what it holds and is not synced either."""

AccessMode = Literal["source", "fixed"]
"""Whether the source's own access counts (the default list where it says none) or the default list alone."""

DocumentState = Literal["indexing", "indexed"]


class SourceRow(SQLModel, table=True):
    """A configured connector. The `claim_*` columns say which process is syncing it now, if any.

    `settings` holds no secrets: those are in `CredentialRow`. `cursor` is where the next pass begins. At most
    `prune_share_max` of what is held is removed by a run unless an admin confirms it (`prune_confirmed`).
    """

    __tablename__ = "source"
    __table_args__ = (UniqueConstraint("workspace_id", "name"),)

    id: str = Field(primary_key=True)
    workspace_id: str = Field(index=True)
    name: str
    kind: str
    settings: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    default_access: list[str] = Field(sa_column=Column(JSON, nullable=False))
    created_at: datetime = Field(sa_type=UtcDateTime)
    state: str = "active"
    access_mode: str = "source"
    cursor: str = Field(default="", sa_column=Column(Text, nullable=False))
    every_minutes: int | None = None
    next_sync_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    prune_share_max: float = 0.3
    prune_confirmed: bool = False
    created_by: str = ""
    claim_id: str | None = None
    claim_holder: str | None = None
    claim_heartbeat_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class DocumentRow(SQLModel, table=True):
    """One item of a source, as it was last indexed.

    While `state` is `indexing` the index may hold chunks that this row does not describe yet; the next
    run does the document again. `indexed_at` is empty until it was indexed once. `pages` are the offsets
    in `text` at which its pages begin, where it has pages. `language` is a code such as `en`, or empty.
    `notes` are (code, text) of what of it could not be read, such as `scanned_pages`.
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
    pages: list[int] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    language: str = ""
    notes: list[list[str]] = Field(default_factory=list, sa_column=Column(JSON, nullable=False, default=list))
    chunk_count: int = 0
    created_at: datetime = Field(sa_type=UtcDateTime)
    indexed_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class SyncRunRow(SQLModel, table=True):
    """One pass over a source. Counts and checkpoint are written together, so that they always agree.

    `passed` is set with the last checkpoint: what is left then is to prune, to count and to close. Of the
    runs that wait, the one of highest `priority` goes first. `resume_at` is when a waiting run goes on,
    `code` why it waits, is paused or failed. `to_remove` is how many documents it would remove if an admin
    confirms.
    """

    __tablename__ = "sync_run"
    __table_args__ = (Index("ix_sync_run_source_started", "source_id", "started_at"),)

    id: str = Field(primary_key=True)
    workspace_id: str = Field(index=True)
    source_id: str = Field(foreign_key="source.id")
    state: str
    checkpoint: str = Field(default="", sa_column=Column(Text, nullable=False))
    kind: str = "full"
    priority: int = 0
    asked_by: str = ""
    passed: bool = False
    resumed: int = 0
    attempts: int = 0
    cancel_requested: bool = False
    pause_requested: bool = False
    resume_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    code: str = ""
    to_remove: int = 0
    documents_total: int | None = None
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
    """An item of a source that could not be taken in, or was passed over (`skipped`), and why.

    It stands until the item is taken in, is gone, or a whole pass no longer meets it. `run_id` is the run
    that met it last.
    """

    __tablename__ = "sync_failure"

    source_id: str = Field(primary_key=True, foreign_key="source.id")
    external_id: str = Field(primary_key=True)
    workspace_id: str = Field(index=True)
    run_id: str = Field(index=True)
    code: str
    reason: str = Field(sa_column=Column(Text, nullable=False))
    skipped: bool = False
    attempts: int = 1
    first_failed_at: datetime = Field(sa_type=UtcDateTime)
    failed_at: datetime = Field(sa_type=UtcDateTime)


class ChangeRow(SQLModel, table=True):
    """One of the changes that a run made, the latest ones of it: what is new, changed, moved or removed."""

    __tablename__ = "sync_change"

    run_id: str = Field(primary_key=True, foreign_key="sync_run.id")
    external_id: str = Field(primary_key=True)
    workspace_id: str = Field(index=True)
    kind: str
    title: str
    at: datetime = Field(sa_type=UtcDateTime)


class CredentialRow(SQLModel, table=True):
    """A secret of a source, encrypted. `key_id` names the key that it was encrypted with."""

    __tablename__ = "credential"

    source_id: str = Field(primary_key=True, foreign_key="source.id")
    field: str = Field(primary_key=True)
    workspace_id: str = Field(index=True)
    key_id: str
    ciphertext: str = Field(sa_column=Column(Text, nullable=False))
    set_at: datetime = Field(sa_type=UtcDateTime)
    set_by: str = ""
    last_used_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class WorkerRow(SQLModel, table=True):
    """A worker that is alive while its heartbeat is young."""

    __tablename__ = "worker"

    id: str = Field(primary_key=True)
    started_at: datetime = Field(sa_type=UtcDateTime)
    heartbeat_at: datetime = Field(sa_type=UtcDateTime)
    doing: str = ""


class PaceRow(SQLModel, table=True):
    """When a host may be asked again, shared by all workers; `blocked_until` where it said so itself."""

    __tablename__ = "host_pace"

    host: str = Field(primary_key=True)
    next_at: datetime = Field(sa_type=UtcDateTime)
    blocked_until: datetime | None = Field(default=None, sa_type=UtcDateTime)
