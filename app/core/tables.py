"""The tables of people and how they sign in. Secrets are stored as hashes only."""

from datetime import datetime
from typing import Any

from sqlalchemy import DDL, JSON, Column, Index, UniqueConstraint, event
from sqlmodel import Field, SQLModel

from app.core.db import UtcDateTime

AUDIT_GUARDS_SQLITE: tuple[str, ...] = (
    """CREATE TRIGGER audit_refuses_update BEFORE UPDATE ON audit_entry
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only: UPDATE refused'); END""",
    """CREATE TRIGGER audit_refuses_delete BEFORE DELETE ON audit_entry
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only: DELETE refused'); END""",
    """CREATE TRIGGER audit_refuses_replace BEFORE INSERT ON audit_entry
WHEN EXISTS (SELECT 1 FROM audit_entry WHERE id = NEW.id)
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only: REPLACE refused'); END""",
)
"""Statements that make the audit log append-only on SQLite."""

AUDIT_GUARDS_POSTGRES: tuple[str, ...] = (
    """CREATE OR REPLACE FUNCTION audit_refuses() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION USING MESSAGE = 'the audit log is append-only: ' || TG_OP || ' refused'; END $$""",
    """CREATE TRIGGER audit_refuses_change BEFORE UPDATE OR DELETE ON audit_entry
FOR EACH ROW EXECUTE FUNCTION audit_refuses()""",
    """CREATE TRIGGER audit_refuses_truncate BEFORE TRUNCATE ON audit_entry
FOR EACH STATEMENT EXECUTE FUNCTION audit_refuses()""",
)
"""Statements that make the audit log append-only on PostgreSQL."""


class UserRow(SQLModel, table=True):
    """A person. `password_hash` is argon2id, or nothing for people who sign in by link."""

    __tablename__ = "person"
    __table_args__ = (UniqueConstraint("workspace_id", "email"),)

    id: str = Field(primary_key=True)
    workspace_id: str = Field(index=True)
    email: str
    name: str
    team: str
    about: str = ""
    password_hash: str | None = None
    is_admin: bool = False
    created_at: datetime = Field(sa_type=UtcDateTime)
    disabled_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class MembershipRow(SQLModel, table=True):
    """A person's membership in a group."""

    __tablename__ = "membership"

    user_id: str = Field(primary_key=True, foreign_key="person.id")
    group_name: str = Field(primary_key=True, index=True)


class SignInLinkRow(SQLModel, table=True):
    """A link that signs a person in: once, or until it expires where `reusable` (the demo's links)."""

    __tablename__ = "sign_in_link"

    secret_hash: str = Field(primary_key=True)
    user_id: str = Field(foreign_key="person.id", index=True)
    reusable: bool = False
    expires_at: datetime = Field(sa_type=UtcDateTime)
    used_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class SignInRow(SQLModel, table=True):
    """A browser that is signed in. The cookie holds the secret; this holds its hash."""

    __tablename__ = "sign_in"

    secret_hash: str = Field(primary_key=True)
    user_id: str = Field(foreign_key="person.id", index=True)
    created_at: datetime = Field(sa_type=UtcDateTime)
    expires_at: datetime = Field(sa_type=UtcDateTime)


class ApiKeyRow(SQLModel, table=True):
    """A key for the API. It carries its owner's access; the key itself is shown once and not stored."""

    __tablename__ = "api_key"

    id: str = Field(primary_key=True)
    user_id: str = Field(foreign_key="person.id", index=True)
    name: str
    secret_hash: str = Field(unique=True)
    created_at: datetime = Field(sa_type=UtcDateTime)
    last_used_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    revoked_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class FailedSignInRow(SQLModel, table=True):
    """A wrong password for an address, kept a short while to slow down guessing."""

    __tablename__ = "failed_sign_in"

    id: str = Field(primary_key=True)
    email: str = Field(index=True)
    failed_at: datetime = Field(sa_type=UtcDateTime)


class AuditRow(SQLModel, table=True):
    """Who did what to which, append-only: triggers refuse UPDATE and DELETE. It holds no secret."""

    __tablename__ = "audit_entry"
    __table_args__ = (Index("ix_audit_entry_target", "workspace_id", "target_kind", "target", "id"),)

    id: str = Field(primary_key=True)
    workspace_id: str = Field(index=True)
    at: datetime = Field(sa_type=UtcDateTime)
    actor: str
    action: str
    target_kind: str
    target: str
    details: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))


def _guard_audit() -> None:
    table = AuditRow.metadata.tables["audit_entry"]
    for dialect, statements in (("sqlite", AUDIT_GUARDS_SQLITE), ("postgresql", AUDIT_GUARDS_POSTGRES)):
        for statement in statements:
            guard = DDL(statement)  # type: ignore[no-untyped-call]
            event.listen(table, "after_create", guard.execute_if(dialect=dialect))


_guard_audit()
