"""How a person proves who they are: a password, a sign-in link, a browser's cookie, an API key.

Secrets are 32 random bytes; the database holds their SHA-256, so a stolen copy of it signs nobody in.
Passwords, which people choose, are hashed with argon2id.
"""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError
from sqlmodel import col, delete, select

from app.core.clock import Clock, new_id, utc_now
from app.core.db import Database
from app.core.directory import Directory
from app.core.errors import InputError, NotFoundError, NotSignedInError
from app.core.identity import Caller, normalise_email
from app.core.tables import ApiKeyRow, FailedSignInRow, SignInLinkRow, SignInRow, UserRow

MIN_PASSWORD_LENGTH = 10
_KEY_PREFIX = "rung_"
_MAX_FAILURES = 8
_FAILURE_WINDOW = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as lists show it; the key itself is never shown again."""

    id: str
    name: str
    email: str
    created_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None


class SignIns:
    """Passwords, links, sign-ins of browsers and API keys."""

    def __init__(
        self, database: Database, directory: Directory, *, session_days: int = 30, clock: Clock = utc_now
    ) -> None:
        self._database = database
        self._directory = directory
        self._lifetime = timedelta(days=session_days)
        self._clock = clock

    def set_password(self, email: str, password: str) -> None:
        """Raises InputError `weak_password` below ten characters, NotFoundError for an unknown person."""
        if len(password) < MIN_PASSWORD_LENGTH:
            raise InputError(
                f"A password needs at least {MIN_PASSWORD_LENGTH} characters.", code="weak_password"
            )
        user_id = self._directory.caller(email).user_id
        with self._database.write() as session:
            session.get_one(UserRow, user_id).password_hash = PasswordHasher().hash(password)

    def with_password(self, email: str, password: str) -> str:
        """Signs in and returns the secret for the cookie.

        Raises:
            NotSignedInError: `wrong_password` (the same for an unknown address), or `too_many_attempts`.
        """
        refused = NotSignedInError("This address and password do not belong together.", code="wrong_password")
        try:
            address = normalise_email(email)
        except InputError:
            raise refused from None
        self._refuse_guessing(address)
        with self._database.read() as session:
            row = session.exec(select(UserRow).where(UserRow.email == address)).first()
        matches = _matches(row.password_hash if row else None, password)
        if row is None or row.disabled_at is not None or not matches:
            with self._database.write() as session:
                session.add(FailedSignInRow(id=new_id(), email=address, failed_at=self._clock()))
            raise refused
        with self._database.write() as session:
            session.exec(delete(FailedSignInRow).where(col(FailedSignInRow.email) == address))
        return self._start(row.id)

    def make_link(self, email: str, *, lasts: timedelta = timedelta(days=1), reusable: bool = False) -> str:
        """The secret of a new sign-in link for a person: good once, or until it expires if reusable."""
        user_id = self._directory.caller(email).user_id
        secret = secrets.token_urlsafe(32)
        with self._database.write() as session:
            session.add(
                SignInLinkRow(
                    secret_hash=_hash(secret),
                    user_id=user_id,
                    reusable=reusable,
                    expires_at=self._clock() + lasts,
                )
            )
        return secret

    def with_link(self, link_secret: str) -> str:
        """Signs in by a link and returns the secret for the cookie.

        Raises:
            NotSignedInError: `link_not_valid` when it is unknown, used up or expired.
        """
        now = self._clock()
        with self._database.write() as session:
            row = session.get(SignInLinkRow, _hash(link_secret))
            if row is None or row.expires_at <= now or (row.used_at is not None and not row.reusable):
                raise NotSignedInError(
                    "This sign-in link is no longer valid; ask for a new one.", code="link_not_valid"
                )
            row.used_at = now
            user_id = row.user_id
        if self._directory.caller_by_id(user_id) is None:
            raise NotSignedInError(
                "This sign-in link is no longer valid; ask for a new one.", code="link_not_valid"
            )
        return self._start(user_id)

    def caller(self, cookie_secret: str) -> Caller | None:
        """Who this cookie belongs to, or nothing if it is unknown, expired or the person is disabled."""
        with self._database.read() as session:
            row = session.get(SignInRow, _hash(cookie_secret))
            if row is None or row.expires_at <= self._clock():
                return None
        return self._directory.caller_by_id(row.user_id)

    def end(self, cookie_secret: str) -> None:
        """Signs this browser out; an unknown cookie is already signed out."""
        with self._database.write() as session:
            session.exec(delete(SignInRow).where(col(SignInRow.secret_hash) == _hash(cookie_secret)))

    def make_key(self, email: str, name: str) -> tuple[ApiKey, str]:
        """A new API key with the person's access: what lists show of it, and the key, seen only here."""
        caller = self._directory.caller(email)
        secret = _KEY_PREFIX + secrets.token_urlsafe(32)
        row = ApiKeyRow(
            id=new_id(),
            user_id=caller.user_id,
            name=name,
            secret_hash=_hash(secret),
            created_at=self._clock(),
        )
        with self._database.write() as session:
            session.add(row)
        return _api_key(row, caller.email), secret

    def keys(self) -> list[ApiKey]:
        with self._database.read() as session:
            rows = session.exec(
                select(ApiKeyRow, UserRow)
                .where(ApiKeyRow.user_id == UserRow.id)
                .order_by(col(ApiKeyRow.created_at))
            ).all()
            return [_api_key(key, user.email) for key, user in rows]

    def revoke_key(self, key_id: str) -> None:
        """Raises NotFoundError `no_such_key`."""
        with self._database.write() as session:
            row = session.get(ApiKeyRow, key_id)
            if row is None:
                raise NotFoundError(f"There is no key {key_id}; `key list` shows them.", code="no_such_key")
            row.revoked_at = row.revoked_at or self._clock()

    def with_key(self, secret: str) -> Caller:
        """The caller whose key this is.

        Raises:
            NotSignedInError: `key_not_valid`.
        """
        now = self._clock()
        with self._database.write() as session:
            row = session.exec(select(ApiKeyRow).where(ApiKeyRow.secret_hash == _hash(secret))).first()
            if row is not None and row.revoked_at is None:
                row.last_used_at = now
        caller = (
            self._directory.caller_by_id(row.user_id) if row is not None and row.revoked_at is None else None
        )
        if caller is None:
            raise NotSignedInError("This API key is not valid.", code="key_not_valid")
        return caller

    def _start(self, user_id: str) -> str:
        secret, now = secrets.token_urlsafe(32), self._clock()
        with self._database.write() as session:
            session.exec(delete(SignInRow).where(col(SignInRow.expires_at) <= now))
            session.add(
                SignInRow(
                    secret_hash=_hash(secret),
                    user_id=user_id,
                    created_at=now,
                    expires_at=now + self._lifetime,
                )
            )
        return secret

    def _refuse_guessing(self, email: str) -> None:
        since = self._clock() - _FAILURE_WINDOW
        with self._database.read() as session:
            failures = session.exec(
                select(FailedSignInRow.id).where(
                    FailedSignInRow.email == email, FailedSignInRow.failed_at > since
                )
            ).all()
        if len(failures) >= _MAX_FAILURES:
            raise NotSignedInError(
                "Too many wrong passwords for this address; try again in 15 minutes.",
                code="too_many_attempts",
            )


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _matches(stored: str | None, password: str) -> bool:
    hasher = PasswordHasher()
    # A missing hash costs as much time as a wrong password, so that time tells nobody who has an account.
    candidate = stored or hasher.hash("no such account")
    try:
        return hasher.verify(candidate, password) and stored is not None
    except (VerifyMismatchError, InvalidHashError):
        return False


def _api_key(row: ApiKeyRow, email: str) -> ApiKey:
    return ApiKey(
        id=row.id,
        name=row.name,
        email=email,
        created_at=row.created_at,
        last_used_at=row.last_used_at,
        revoked_at=row.revoked_at,
    )
