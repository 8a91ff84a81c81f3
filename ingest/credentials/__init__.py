"""The secrets of sources: encrypted at rest, apart from the sources, each use noted."""

from ingest.credentials.fields import join_secrets, secret_fields, split_secrets
from ingest.credentials.scrubbing import scrubber
from ingest.credentials.store import Credentials, Rotation
from ingest.credentials.vault import Vault, open_vault

__all__ = [
    "Credentials",
    "Rotation",
    "Vault",
    "join_secrets",
    "open_vault",
    "scrubber",
    "secret_fields",
    "split_secrets",
]
