"""Secrets of sources: encrypted at rest, bound to their place, audited, rotated, never shown."""

import base64
import stat
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, SecretStr
from sqlmodel import Session

from app.core.audit import AuditLog
from app.core.clock import utc_now
from app.core.db import Database
from app.core.errors import ConfigurationError, IntegrityError
from ingest.connector import ConnectorSettings
from ingest.credentials import Credentials, Vault, open_vault, secret_fields, split_secrets
from ingest.credentials.vault import KEY_FILE, Sealed, new_key, read_key_file, read_keys
from ingest.tables import CredentialRow, SourceRow

KEY, OTHER = bytes(range(32)), bytes(range(1, 33))
ANA = "ana@example.com"


class MailSettings(ConnectorSettings):
    host: str = Field(description="Where.")
    password: SecretStr = Field(description="The password.")
    token: SecretStr | None = Field(None, description="Or a token.")


def a_source(database: Database, name: str = "mail", source_id: str = "s1") -> SourceRow:
    row = SourceRow(
        id=source_id,
        workspace_id="default",
        name=name,
        kind="folder",
        settings={"path": "/tmp"},
        default_access=[],
        created_at=utc_now(),
    )
    with database.write() as session:
        session.add(row)
    return row


def the_store(database: Database, vault: Vault | Callable[[], Vault]) -> Credentials:
    make = vault if callable(vault) else lambda: vault
    return Credentials(database, make, AuditLog(database))


def put(store: Credentials, database: Database, source: SourceRow, **secrets: str) -> None:
    with database.write() as session:
        store.put(session, source, secrets, actor=ANA)


@given(st.text(), st.text(max_size=50))
def test_what_is_sealed_comes_back_only_in_its_place(text: str, place: str) -> None:
    vault = Vault([KEY])
    sealed = vault.seal(text, place)
    assert vault.open(sealed, place) == text
    with pytest.raises(IntegrityError) as refused:
        vault.open(sealed, place + "x")
    assert refused.value.code == "credential_damaged"


@given(st.integers(0, 200), st.integers(1, 255))
def test_a_changed_byte_is_noticed(position: int, by: int) -> None:
    vault = Vault([KEY])
    sealed = vault.seal("correct horse", "s1/password")
    raw = bytearray(base64.b64decode(sealed.ciphertext))
    raw[position % len(raw)] ^= by
    with pytest.raises(IntegrityError):
        vault.open(Sealed(sealed.key_id, base64.b64encode(raw).decode()), "s1/password")


def test_equal_secrets_do_not_look_equal() -> None:
    vault = Vault([KEY])
    assert vault.seal("same", "a").ciphertext != vault.seal("same", "a").ciphertext


def test_secrets_are_told_from_other_settings_by_their_type() -> None:
    settings = MailSettings(host="mail.example.com", password=SecretStr("hunter2"))
    assert secret_fields(MailSettings) == ("password", "token")
    assert split_secrets(settings) == ({"host": "mail.example.com"}, {"password": "hunter2"})


def test_the_database_holds_no_secret(database: Database) -> None:
    source = a_source(database)
    store = the_store(database, Vault([KEY]))
    put(store, database, source, password="hunter2-very-secret")
    with database.read() as session:
        row = session.get(CredentialRow, ("s1", "password"))
        assert row is not None and "hunter2" not in repr(row.model_dump())
    assert store.of(source, purpose="check", actor=ANA) == {"password": "hunter2-very-secret"}
    assert store.set_fields("s1")["password"].set_by == ANA
    assert "hunter2" not in repr(store.set_fields("s1")) + repr(Vault([KEY]))


def test_each_setting_and_each_use_is_audited_without_the_secret(database: Database) -> None:
    source = a_source(database)
    store = the_store(database, Vault([KEY]))
    put(store, database, source, password="hunter2", token="t")
    store.of(source, purpose="sync", actor="system")
    put(store, database, source, token="")
    entries = AuditLog(database).about("source", "mail")
    assert sorted((e.action, e.actor) for e in entries) == [
        ("credential.removed", ANA),
        ("credential.set", ANA),
        ("credential.set", ANA),
        ("credential.used", "system"),
    ]
    assert "hunter2" not in repr(entries)
    assert store.of(source, purpose="sync", actor="system") == {"password": "hunter2"}


def test_a_secret_copied_to_another_source_does_not_open(database: Database) -> None:
    first, second = a_source(database), a_source(database, "other", "s2")
    store = the_store(database, Vault([KEY]))
    put(store, database, first, password="hunter2")
    with database.write() as session:
        row = session.get(CredentialRow, ("s1", "password"))
        assert row is not None
        session.add(CredentialRow(**{**row.model_dump(), "source_id": "s2"}))
    with pytest.raises(IntegrityError):
        store.of(second, purpose="sync", actor="system")


def test_rotation_encrypts_everything_anew(database: Database) -> None:
    source = a_source(database)
    put(the_store(database, Vault([KEY])), database, source, password="hunter2")
    done = the_store(database, Vault([OTHER, KEY])).rotate(actor="operator")
    assert done.credentials == 1
    assert the_store(database, Vault([OTHER])).of(source, purpose="sync", actor="system") == {
        "password": "hunter2"
    }
    with pytest.raises(ConfigurationError) as missing:
        the_store(database, Vault([KEY])).of(source, purpose="sync", actor="system")
    assert missing.value.code == "credential_key_missing"


def test_rotation_without_a_key_changes_nothing(database: Database) -> None:
    first, second = a_source(database), a_source(database, "other", "s2")
    put(the_store(database, Vault([KEY])), database, first, password="one")
    put(the_store(database, Vault([OTHER])), database, second, password="two")
    with pytest.raises(ConfigurationError):
        the_store(database, Vault([bytes(32), KEY])).rotate(actor="operator")
    assert the_store(database, Vault([KEY])).of(first, purpose="sync", actor="system") == {"password": "one"}


def test_without_secrets_no_key_is_needed(database: Database) -> None:
    def no_vault() -> Vault:
        raise AssertionError("asked for a key")

    assert the_store(database, no_vault).of(a_source(database), purpose="sync", actor="system") == {}


def test_the_key_file_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    vaults: list[str] = []
    threads = [
        threading.Thread(target=lambda: vaults.append(open_vault(tmp_path, None).current)) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(vaults) == 8 and len(set(vaults)) == 1
    assert stat.S_IMODE((tmp_path / KEY_FILE).stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == [KEY_FILE]


def test_a_key_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    read_key_file(tmp_path)
    (tmp_path / KEY_FILE).chmod(0o640)
    with pytest.raises(ConfigurationError) as refused:
        open_vault(tmp_path, None)
    assert refused.value.code == "key_file_open" and "chmod 600" in refused.value.message


@pytest.mark.parametrize("text", ["not base64!", "c2hvcnQ=", "", "  \n"])
def test_a_bad_key_is_refused_without_repeating_it(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        open_vault(tmp_path, text)
    assert refused.value.code == "invalid_credential_key"
    assert not text.strip() or text not in refused.value.message


def test_several_keys_in_one_setting() -> None:
    first, second = new_key(), new_key()
    assert len(read_keys(f"{first},{second}")) == len(read_keys(f"{first}\n{second}\n")) == 2


def test_a_put_that_is_rolled_back_leaves_nothing(database: Database) -> None:
    source = a_source(database)
    store = the_store(database, Vault([KEY]))

    def fails(session: Session) -> None:
        store.put(session, source, {"password": "hunter2"}, actor=ANA)
        raise RuntimeError

    with pytest.raises(RuntimeError), database.write() as session:
        fails(session)
    assert store.set_fields("s1") == {} and AuditLog(database).about("source", "mail") == []
