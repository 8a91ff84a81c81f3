"""Mails of one folder as threads: by References and In-Reply-To, else by the subject of a reply."""

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from ingest.connectors.imap.mail.mails import Mail

_REPLY = re.compile(
    r"^\s*(?:(?:re|aw|antw|sv|vs|fw|fwd|wg|tr|rif|odp)\s*(?:\[\d+\])?\s*:\s*)+", re.IGNORECASE
)
_MOST_MAILS = 200


@dataclass(frozen=True, slots=True)
class Thread:
    """Mails in the order of their dates. `root` is the Message-ID that began it, also of a mail not here."""

    root: str
    mails: tuple[Mail, ...]


def without_copies(mails: Iterable[Mail]) -> list[Mail]:
    """Each mail once, by date. Another mail with the same Message-ID gets a key of its own."""
    seen: dict[str, set[str]] = {}
    kept: list[Mail] = []
    for mail in sorted(mails, key=lambda each: (each.date, each.uid)):
        about = f"{mail.size_bytes} {mail.date.isoformat()} {mail.author} {mail.subject}"
        others = seen.setdefault(mail.key, set())
        if about in others:
            continue
        mark = hashlib.sha256(about.encode()).hexdigest()[:12]
        kept.append(replace(mail, key=f"{mail.key}~{mark}") if others else mail)
        others.add(about)
    return kept


def group(mails: Sequence[Mail]) -> list[Thread]:
    """The threads of these mails, which are in the order of their dates and have keys of their own."""
    above: dict[str, str] = {}

    def top(key: str) -> str:
        while (parent := above.setdefault(key, key)) != key:
            above[key] = above[parent]
            key = above[key]
        return key

    for mail in mails:
        for reference in mail.references:
            above[top(mail.key)] = top(reference)
    begun: dict[str, str] = {}
    for mail in mails:
        subject = base_subject(mail.subject)
        if subject and not mail.references and subject != mail.subject.strip().lower() and subject in begun:
            above[top(mail.key)] = top(begun[subject])
        elif subject:
            begun[subject] = mail.key
    groups: dict[str, list[Mail]] = {}
    for mail in mails:
        groups.setdefault(top(mail.key), []).append(mail)
    threads: dict[str, list[Mail]] = {}
    for found in groups.values():
        first = found[0]
        threads.setdefault(first.references[0] if first.references else first.key, []).extend(found)
    return [Thread(root, tuple(found)) for root, found in sorted(threads.items())]


def base_subject(subject: str) -> str:
    """A subject without the marks of replies, for comparing."""
    return _REPLY.sub("", subject).strip().lower()


def split(mails: Sequence[Mail], limit_bytes: int) -> list[tuple[Mail, ...]]:
    """A thread in parts that fit the limit; a mail that fits none is a part alone."""
    parts: list[list[Mail]] = []
    size = 0
    for mail in mails:
        size += mail.text_bytes
        if not parts or size > limit_bytes or len(parts[-1]) >= _MOST_MAILS:
            parts.append([])
            size = mail.text_bytes
        parts[-1].append(mail)
    return [tuple(part) for part in parts]
