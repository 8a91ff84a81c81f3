"""The folders of an account: which are read, who may read them, and the mails in each."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

import structlog

from app.core.identity import NOBODY, AccessList, Principal
from ingest.connector import ReadContext
from ingest.connectors.imap.access import read_acl
from ingest.connectors.imap.cache import MailCache
from ingest.connectors.imap.connection import MailConnection, RefusedError
from ingest.connectors.imap.mails import HEADERS, Mail, read_summary
from ingest.connectors.imap.settings import ImapSettings
from ingest.connectors.paths import PathPatterns
from ingest.remote import SourceWaitError

_LISTED = 500
_SUMMARIES = 200
_NOT_READ = {b"\\noselect", b"\\nonexistent"}
_SPECIAL = {b"\\trash", b"\\junk", b"\\drafts", b"\\all"}
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Folder:
    """`name` is as at the server; `id` begins the ids of what is in it; `access` is of all of it."""

    name: str
    id: str
    access: AccessList
    shared: bool
    acl_refused: bool = False


class Folders:
    """Looks at the folders of one account."""

    def __init__(
        self, settings: ImapSettings, context: ReadContext, connection: MailConnection, cache: MailCache
    ) -> None:
        self._settings = settings
        self._context = context
        self._connection = connection
        self._cache = cache
        self._patterns = PathPatterns(settings.folders, settings.exclude_folders)
        self._since = date.fromisoformat(settings.since) if settings.since else None

    def all(self) -> list[Folder]:
        """Those that are wanted, in the order of their ids."""
        foreign, own = self._namespaces()
        listed = {
            name: (flags, mark)
            for directory in ("", *foreign)
            for flags, mark, name in self._connection.run(
                lambda client, directory=directory: client.list_folders(directory, "*")  # type: ignore[misc]
            )
        }
        asks_acl = self._connection.has("ACL")
        found = []
        for name, (flags, mark) in listed.items():
            low = {flag.lower() for flag in flags}
            separator = mark.decode() if mark else ""
            path = name.replace(separator, "/") if separator else name
            named = bool(self._settings.folders)
            if low & _NOT_READ or (low & _SPECIAL and not named) or not self._patterns.wants(path):
                continue
            shared = len(_longest(name, foreign)) > len(_longest(name, own))
            found.append(self._folder(name, folder_id(name, separator), shared, asks_acl))
        return sorted(found, key=lambda folder: folder.id)

    def mails(self, folder: Folder, validity: int) -> list[Mail]:
        """The mails in a folder that are not marked as deleted, from what is known and what the server tells.

        Raises:
            RefusedError: the folder may not be read, or is gone.
        """
        count = self._connection.examine(folder.name)
        uids = list(self._uids(count))
        name = f"{folder.name}\n{self._settings.attachments}"
        known = self._cache.find(name, validity, uids)
        new = [uid for uid in uids if uid not in known]
        for start in range(0, len(new), _SUMMARIES):
            mails = self._summaries(new[start : start + _SUMMARIES])
            self._cache.keep(name, validity, mails)
            known.update((mail.uid, mail) for mail in mails)
        return [known[uid] for uid in uids if uid in known]

    def _uids(self, count: int) -> Iterator[int]:
        for start in range(1, count + 1, _LISTED):
            numbers = range(start, min(start + _LISTED, count + 1))
            found = self._connection.fetch(numbers, ["UID", "FLAGS", "INTERNALDATE"], uids=False)
            for about in found.values():
                arrived = about.get(b"INTERNALDATE")
                early = self._since and arrived and arrived.date() < self._since
                if b"UID" in about and b"\\Deleted" not in about.get(b"FLAGS", ()) and not early:
                    yield int(about[b"UID"])

    def _summaries(self, uids: list[int]) -> list[Mail]:
        items = ["RFC822.SIZE", "INTERNALDATE", HEADERS]
        apart = self._settings.attachments
        try:
            found = self._connection.fetch(uids, [*items, "BODYSTRUCTURE"])
        except SourceWaitError as error:
            if error.code != "source_unreachable" or len(uids) == 1:
                raise
            # One mail whose structure the server tells wrongly would hold up all others: ask one by one.
            return [mail for uid in uids for mail in self._one_summary(uid, items)]
        return [read_summary(uid, about, apart=apart) for uid, about in found.items()]

    def _one_summary(self, uid: int, items: list[str]) -> Iterator[Mail]:
        for asked in ([*items, "BODYSTRUCTURE"], items):
            try:
                found = self._connection.fetch([uid], asked)
            except SourceWaitError:
                if asked == items:
                    raise
                _log.warning("mail_structure_unreadable", uid=uid)
                continue
            yield from (
                read_summary(n, about, apart=self._settings.attachments) for n, about in found.items()
            )
            return

    def _namespaces(self) -> tuple[list[str], list[str]]:
        """The beginnings of names that are other people's or shared, and of one's own."""
        if not self._connection.has("NAMESPACE"):
            return [], [""]
        spaces = self._connection.run(lambda client: client.namespace())
        own, others, shared = (
            [prefix for prefix, _ in space or ()] for space in (spaces.personal, spaces.other, spaces.shared)
        )
        return [*others, *shared], own or [""]

    def _folder(self, name: str, external_id: str, shared: bool, asks_acl: bool) -> Folder:
        if not shared:
            owner = self._settings.owner
            access = frozenset({Principal.user(owner)}) if owner else NOBODY
            return Folder(name, external_id, access, shared=False)
        if not asks_acl:
            return Folder(name, external_id, self._context.default_access, shared=True)
        try:
            entries = self._connection.run(lambda client: client.getacl(name))
        except RefusedError:
            return Folder(name, external_id, NOBODY, shared=True, acl_refused=True)
        told = [(_text(who), _text(rights)) for who, rights in entries]
        return Folder(name, external_id, read_acl(told, owner=self._settings.owner), shared=True)


def folder_id(name: str, separator: str) -> str:
    """A folder's name as the beginning of ids, without a slash: `Projects:2024`."""
    parts = name.split(separator) if separator else [name]
    return ":".join(quoted(part, ":") for part in parts)


def quoted(text: str, more: str = "") -> str:
    """Text as printable text without a slash that stands for this text alone."""
    return "".join(
        char if char.isprintable() and char not in f"%/{more}" else
        "".join(f"%{byte:02X}" for byte in char.encode("utf-8", "surrogatepass"))
        for char in text
    )  # fmt: skip


def _longest(name: str, prefixes: list[str]) -> str:
    # A folder may be the namespace itself, without the separator at its end.
    return max((p for p in prefixes if name.startswith(p) or name == p[:-1]), key=len, default="")


def _text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
