"""The tables of people and how they sign in. Secrets are stored as hashes only."""

from datetime import datetime

from sqlalchemy import UniqueConstraint
from sqlmodel import Field, SQLModel

from app.core.db import UtcDateTime


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
