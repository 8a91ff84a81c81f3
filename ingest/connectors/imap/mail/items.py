"""What becomes of a folder's mails: documents of threads and of attachments, with ids that outlive UIDs."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from ingest.connectors.imap.folders import quoted
from ingest.connectors.imap.mail.mails import Mail, Part
from ingest.connectors.imap.mail.threads import Thread, group, split, without_copies

_LONGEST_KEY = 200


@dataclass(frozen=True, slots=True)
class Item:
    """One document: mails together, or one attachment of the only mail."""

    external_id: str
    mails: tuple[Mail, ...]
    part: Part | None
    revision: str


@dataclass(frozen=True, slots=True)
class Batch:
    """A thread and its attachments, handed over together. `root` gives the order."""

    root: str
    items: tuple[Item, ...]


def plan(folder_id: str, mails: Iterable[Mail], *, threads: bool, limit_bytes: int) -> list[Batch]:
    """The documents of a folder in an order that depends on Message-IDs alone."""
    unique = without_copies(mails)
    found = group(unique) if threads else [Thread(mail.key, (mail,)) for mail in unique]
    batches = [
        Batch(root := _key(thread.root), tuple(_items(folder_id, root, thread.mails, limit_bytes)))
        for thread in found
    ]
    return sorted(batches, key=lambda batch: batch.root)


def _items(folder_id: str, root: str, mails: Sequence[Mail], limit_bytes: int) -> Iterator[Item]:
    for number, part in enumerate(split(mails, limit_bytes), 1):
        external_id = f"{folder_id}/{root}" + (f"/part-{number}" if number > 1 else "")
        yield Item(external_id, part, None, _digest(f"{m.key} {m.size_bytes} {m.whole}" for m in part))
    for mail in mails:
        for each in mail.attachments:
            external_id = f"{folder_id}/{_key(mail.key)}/attachment-{each.number}"
            about = f"{mail.key} {mail.size_bytes} {each.number} {each.size_bytes} {each.file_name}"
            yield Item(external_id, (mail,), each, _digest([about]))


def _key(message_id: str) -> str:
    key = quoted(message_id)
    return key if len(key) <= _LONGEST_KEY else f"{key[:100]}~{hashlib.sha256(key.encode()).hexdigest()[:24]}"


def _digest(parts: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]
