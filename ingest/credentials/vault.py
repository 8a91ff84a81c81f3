"""Encrypts short secrets with AES-256-GCM. What a secret belongs to is part of what is checked.

The keys come from a setting, or from a file that is made at first use, readable by its owner alone. The
first key encrypts; the others only decrypt, until everything is encrypted anew.
"""

import base64
import binascii
import contextlib
import hashlib
import os
import stat
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from app.core.errors import ConfigurationError, IntegrityError

KEY_FILE = "credential.key"
_KEY_BYTES = 32
_NONCE_BYTES = 12


@dataclass(frozen=True, slots=True)
class Sealed:
    """A secret as it is stored. `key_id` names its key without giving anything of it away."""

    key_id: str
    ciphertext: str


class Vault:
    """Encrypts with the first key and decrypts with any.

    Args:
        keys: 32 bytes each, the current one first.
    """

    def __init__(self, keys: Sequence[bytes]) -> None:
        if not keys or any(len(key) != _KEY_BYTES for key in keys):
            raise ConfigurationError(
                f"A credential key is {_KEY_BYTES} bytes in base64; make one with: openssl rand -base64 32",
                code="invalid_credential_key",
            )
        self._keys = {key_id(key): key for key in reversed(keys)}
        self.current = key_id(keys[0])

    def __repr__(self) -> str:
        return f"Vault({self.current})"

    def seal(self, text: str, belongs_to: str) -> Sealed:
        """Encrypts a text. Only who says the same `belongs_to` gets it back."""
        nonce = os.urandom(_NONCE_BYTES)
        sealed = AESGCM(self._keys[self.current]).encrypt(nonce, text.encode(), belongs_to.encode())
        return Sealed(self.current, base64.b64encode(nonce + sealed).decode())

    def open(self, sealed: Sealed, belongs_to: str) -> str:
        """Decrypts.

        Raises:
            ConfigurationError: `credential_key_missing`: it was encrypted with a key that is not there.
            IntegrityError: `credential_damaged`: it was changed, or belongs to something else.
        """
        key = self._keys.get(sealed.key_id)
        if key is None:
            raise ConfigurationError(
                f"A credential was encrypted with key {sealed.key_id}, which is not here. Bring the key back "
                "(RUNG_CREDENTIAL_KEY, or credential.key in the data folder), or set the credential again.",
                code="credential_key_missing",
            )
        try:
            raw = base64.b64decode(sealed.ciphertext, validate=True)
            nonce, body = raw[:_NONCE_BYTES], raw[_NONCE_BYTES:]
            return AESGCM(key).decrypt(nonce, body, belongs_to.encode()).decode()
        except (InvalidTag, binascii.Error, ValueError) as error:
            raise IntegrityError(
                "A stored credential is not what it was when it was written; set it again.",
                code="credential_damaged",
            ) from error


def key_id(key: bytes) -> str:
    """A short name of a key."""
    return hashlib.sha256(b"rung credential key\x00" + key).hexdigest()[:12]


def new_key() -> str:
    """A random key as text."""
    return base64.b64encode(os.urandom(_KEY_BYTES)).decode()


def read_keys(text: str) -> list[bytes]:
    """Keys in base64, one a line or separated by commas.

    Raises:
        ConfigurationError: `invalid_credential_key`.
    """
    try:
        return [base64.b64decode(part, validate=True) for part in text.replace(",", "\n").split()]
    except (binascii.Error, ValueError) as error:
        # The text is not repeated: it is most of a key.
        raise ConfigurationError(
            "The credential key is not valid base64; make one with: openssl rand -base64 32",
            code="invalid_credential_key",
        ) from error


def open_vault(data_dir: Path, setting: str | None) -> Vault:
    """The vault of an installation.

    Args:
        setting: keys in base64, the current one first; without it the key file is read, or made.

    Raises:
        ConfigurationError: `invalid_credential_key`, or `key_file_open` where others can read the file.
    """
    return Vault(read_keys(setting if setting is not None else read_key_file(data_dir)))


def read_key_file(data_dir: Path) -> str:
    """What the key file holds; it is made where there is none."""
    path = data_dir / KEY_FILE
    with contextlib.suppress(FileExistsError):
        write_key_file(path, [new_key()])
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        raise ConfigurationError(
            f"Others on this machine may read {path}; close it with: chmod 600 {path}", code="key_file_open"
        )
    return path.read_text()


def prepend_new_key(data_dir: Path) -> None:
    """Puts a new key in front of those in the key file: it encrypts from now on, the others still decrypt."""
    keys = read_key_file(data_dir).split()
    write_key_file(data_dir / KEY_FILE, [new_key(), *keys], replace=True)


def drop_old_keys(data_dir: Path, *, keep: Collection[str]) -> None:
    """Takes the keys out of the key file that are neither the current one nor named by `keep`."""
    current, *old = read_key_file(data_dir).split()
    kept = [key for key in old if key_id(base64.b64decode(key)) in keep]
    write_key_file(data_dir / KEY_FILE, [current, *kept], replace=True)


def write_key_file(path: Path, keys: Sequence[str], *, replace: bool = False) -> None:
    """Writes a key file that nobody else can read, whole or not at all.

    Raises:
        FileExistsError: there is one, and it is not to be replaced.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # A name of its own: two processes that start at once must not write into one file.
    beside = path.with_name(f"{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write("".join(f"{key}\n" for key in keys))
            file.flush()
            os.fsync(file.fileno())
        if replace:
            beside.replace(path)
        else:
            os.link(beside, path)
    finally:
        beside.unlink(missing_ok=True)
