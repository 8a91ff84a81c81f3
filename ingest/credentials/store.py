"""The credentials of sources in the database."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session, select

from app.core.audit import AuditLog
from app.core.clock import Clock, utc_now
from app.core.db import Database
from ingest.connector import ConnectorSettings
from ingest.credentials.fields import join_secrets
from ingest.credentials.vault import Sealed, Vault
from ingest.tables import CredentialRow, SourceRow


@dataclass(frozen=True, slots=True)
class SetSecret:
    """That a secret is set, since when and by whom: never what it is."""

    field: str
    set_at: datetime
    set_by: str


@dataclass(frozen=True, slots=True)
class Rotation:
    """What encrypting everything anew did."""

    key_id: str
    credentials: int


class Credentials:
    """Keeps the secrets of sources.

    Args:
        vault: makes or returns the vault; called when the first secret is met, so that an installation
            without secrets needs no key.
        audit: notes each setting and each use.
    """

    def __init__(
        self, database: Database, vault: Callable[[], Vault], audit: AuditLog, clock: Clock = utc_now
    ) -> None:
        self._database = database
        self._vault = vault
        self._audit = audit
        self._clock = clock

    def put(self, session: Session, source: SourceRow, secrets: Mapping[str, str], *, actor: str) -> None:
        """Sets secrets of a source, in the caller's transaction; an empty one is taken away.

        Secrets that are not named stay as they are.
        """
        now = self._clock()
        for field, text in secrets.items():
            row = session.get(CredentialRow, (source.id, field))
            if not text:
                if row is not None:
                    session.delete(row)
                    self._note(session, actor, "credential.removed", source, field)
                continue
            sealed = self._vault().seal(text, _belongs_to(source.id, field))
            row = row or CredentialRow(
                source_id=source.id,
                field=field,
                workspace_id=source.workspace_id,
                key_id="",
                ciphertext="",
                set_at=now,
            )
            row.key_id, row.ciphertext = sealed.key_id, sealed.ciphertext
            row.set_at, row.set_by, row.last_used_at = now, actor, None
            session.add(row)
            self._note(session, actor, "credential.set", source, field)

    def of(self, source: SourceRow, *, purpose: str, actor: str) -> dict[str, str]:
        """The secrets of a source by field, to be used now; the use is noted.

        Args:
            purpose: what for, such as `check`, `preview` or `sync`.

        Raises:
            ConfigurationError: `credential_key_missing`.
            IntegrityError: `credential_damaged`.
        """
        with self._database.read() as session:
            rows = session.exec(select(CredentialRow).where(CredentialRow.source_id == source.id)).all()
            sealed = {row.field: Sealed(row.key_id, row.ciphertext) for row in rows}
        if not sealed:
            return {}
        opened = {
            field: self._vault().open(one, _belongs_to(source.id, field)) for field, one in sealed.items()
        }
        now = self._clock()
        with self._database.write() as session:
            for field in opened:
                row = session.get(CredentialRow, (source.id, field))
                if row is not None:
                    row.last_used_at = now
                    session.add(row)
            names = ", ".join(sorted(opened))
            self._audit.record(
                actor,
                "credential.used",
                "source",
                source.name,
                {"purpose": purpose, "fields": names},
                workspace_id=source.workspace_id,
                session=session,
            )
        return opened

    def settings_of(self, source: SourceRow, *, purpose: str, actor: str) -> ConnectorSettings:
        """The settings of a source with its secrets, ready for its connector. Raises as `of` does."""
        return join_secrets(source.kind, source.settings, self.of(source, purpose=purpose, actor=actor))

    def set_fields(self, source_id: str) -> dict[str, SetSecret]:
        """Which secrets of a source are set."""
        with self._database.read() as session:
            rows = session.exec(select(CredentialRow).where(CredentialRow.source_id == source_id)).all()
            return {row.field: SetSecret(row.field, row.set_at, row.set_by) for row in rows}

    def rotate(self, *, actor: str) -> Rotation:
        """Encrypts every credential of the installation with the vault's current key, all or none.

        Raises:
            ConfigurationError, IntegrityError: one cannot be read; nothing was changed then.
        """
        vault = self._vault()
        with self._database.write() as session:
            rows = session.exec(select(CredentialRow)).all()
            for row in rows:
                belongs_to = _belongs_to(row.source_id, row.field)
                sealed = vault.seal(vault.open(Sealed(row.key_id, row.ciphertext), belongs_to), belongs_to)
                row.key_id, row.ciphertext = sealed.key_id, sealed.ciphertext
                session.add(row)
            self._audit.record(
                actor,
                "credential.rotated",
                "key",
                vault.current,
                {"credentials": len(rows)},
                session=session,
            )
            return Rotation(vault.current, len(rows))

    def key_ids(self) -> set[str]:
        """The keys that credentials are sealed with."""
        with self._database.read() as session:
            return set(session.exec(select(CredentialRow.key_id).distinct()).all())

    def _note(self, session: Session, actor: str, action: str, source: SourceRow, field: str) -> None:
        self._audit.record(
            actor,
            action,
            "source",
            source.name,
            {"field": field},
            workspace_id=source.workspace_id,
            session=session,
        )


def _belongs_to(source_id: str, field: str) -> str:
    return f"{source_id}/{field}"
