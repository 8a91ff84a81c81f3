"""The folders of an account: which are read, who may read them, and the mails in each."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

import structlog

from app.core.errors import UnavailableError
from app.core.identity import NOBODY, AccessList, Principal
from ingest.connector import ReadContext
from ingest.connectors.imap.access import person, read_acl
from ingest.connectors.imap.cache import MailCache
from ingest.connectors.imap.connection import ClosedError, MailConnection, RefusedError
from ingest.connectors.imap.mail.mails import HEADERS, Mail, is_gone, read_summary, refused_mail
from ingest.connectors.imap.settings import ImapSettings
from ingest.connectors.paths import PathPatterns

_LISTED = 500
_SUMMARIES = 200
_LISTINGS = 3
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
        spaces = self._namespaces()
        listed = {
            name: (flags, mark)
            for directory in ("", *spaces.others, *spaces.shared)
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
            shared, owner = spaces.whose(name, separator, self._settings.owner)
            found.append(self._folder(name, folder_id(name, separator), shared, owner, asks_acl))
        return sorted(found, key=lambda folder: folder.id)

    def mails(self, folder: Folder) -> list[Mail]:
        """The mails in a folder that are not marked as deleted, from what is known and what the server tells.

        Raises:
            RefusedError: the folder may not be read, or is gone.
            UnavailableError: the connection broke each time while the folder was listed.
        """
        uids, validity = self._listed(folder)
        name = self._kept_as(folder)
        known = self._cache.find(name, validity, uids)
        new = [uid for uid in uids if uid not in known]
        for start in range(0, len(new), _SUMMARIES):
            mails = self._summaries(new[start : start + _SUMMARIES], validity)
            self._cache.keep(name, validity, [mail for mail in mails if not mail.refused])
            known.update((mail.uid, mail) for mail in mails)
        return [known[uid] for uid in uids if uid in known]

    def forget_others(self, folders: list[Folder]) -> None:
        """Drops what was kept of folders that are no longer there."""
        self._cache.keep_folders(self._kept_as(folder) for folder in folders)

    def _kept_as(self, folder: Folder) -> str:
        return f"{folder.name}\n{self._settings.attachments}"

    def _listed(self, folder: Folder) -> tuple[list[int], int]:
        """The UIDs and the UIDVALIDITY; numbers of mails hold for one connection alone."""
        for _ in range(_LISTINGS):
            count, validity = self._connection.examine(folder.name)
            opened = self._connection.times_opened
            try:
                uids = list(self._uids(count))
            except RefusedError:
                if self._connection.times_opened == opened:
                    raise
                continue
            if self._connection.times_opened == opened:
                return uids, validity
        raise UnavailableError(
            f"The connection broke each time while the folder {folder.name} was listed; it is tried again.",
            code="source_unreachable",
        )

    def _uids(self, count: int) -> Iterator[int]:
        for start in range(1, count + 1, _LISTED):
            numbers = range(start, min(start + _LISTED, count + 1))
            found = self._connection.fetch(numbers, ["UID", "FLAGS", "INTERNALDATE"], uids=False)
            for about in found.values():
                arrived = about.get(b"INTERNALDATE")
                early = self._since and arrived and arrived.date() < self._since
                if b"UID" in about and b"\\Deleted" not in about.get(b"FLAGS", ()) and not early:
                    yield int(about[b"UID"])

    def _summaries(self, uids: list[int], validity: int) -> list[Mail]:
        items = ["RFC822.SIZE", "INTERNALDATE", HEADERS]
        apart = self._settings.attachments
        try:
            found = self._connection.fetch(uids, [*items, "BODYSTRUCTURE"])
        except ClosedError:
            raise
        except RefusedError:
            # One mail that the server cannot tell of would hold up all others: ask one by one.
            return [mail for uid in uids for mail in self._one_summary(uid, items, validity)]
        return [read_summary(n, about, apart=apart) for n, about in found.items() if not is_gone(about)]

    def _one_summary(self, uid: int, items: list[str], validity: int) -> list[Mail]:
        said = ""
        for asked in ([*items, "BODYSTRUCTURE"], items):
            try:
                found = self._connection.fetch([uid], asked)
            except ClosedError:
                raise
            except RefusedError as error:
                said = error.said
                continue
            apart = self._settings.attachments
            return [read_summary(n, about, apart=apart) for n, about in found.items() if not is_gone(about)]
        _log.warning("mail_refused", uid=uid, said=said)
        return [refused_mail(uid, validity)]

    def _namespaces(self) -> "Namespaces":
        if not self._connection.has("NAMESPACE"):
            return Namespaces([""], [], [])
        spaces = self._connection.run(lambda client: client.namespace())
        own, others, shared = (
            [prefix for prefix, _ in space or ()] for space in (spaces.personal, spaces.other, spaces.shared)
        )
        return Namespaces(own or [""], others, shared)

    def _folder(self, name: str, external_id: str, shared: bool, owner: str | None, asks_acl: bool) -> Folder:
        alone = frozenset({Principal.user(owner)}) if owner else NOBODY
        if not shared and not (owner and asks_acl):
            return Folder(name, external_id, alone, shared=False)
        if not asks_acl:
            return Folder(name, external_id, self._context.default_access, shared=True)
        try:
            entries = self._connection.run(lambda client: client.getacl(name))
        except RefusedError:
            access = NOBODY if shared else alone
            return Folder(name, external_id, access, shared=shared, acl_refused=shared)
        told = [(self._who(_text(who), shared), _text(rights)) for who, rights in entries]
        domain = (self._settings.owner or "").partition("@")[2]
        named = read_acl(told, owner=owner, domain=domain)
        # Servers leave out the owner, who may read whatever the list says of others.
        return Folder(name, external_id, named | alone, shared=shared)

    def _who(self, identifier: str, shared: bool) -> str:
        # The account's own name in its own folders stands for the person whom the settings name.
        mine = not shared and identifier.removeprefix("-").lower() == self._settings.username.lower()
        return identifier[: identifier.startswith("-")] + "owner" if mine else identifier


@dataclass(frozen=True, slots=True)
class Namespaces:
    """How the names of one's own folders begin, of other people's, and of those that are nobody's."""

    own: list[str]
    others: list[str]
    shared: list[str]

    def whose(self, name: str, separator: str, me: str | None) -> tuple[bool, str | None]:
        """Whether a folder is shared, and the e-mail address of its owner where it has one."""
        own, other = _longest(name, self.own), _longest(name, self.others)
        if len(max(other, _longest(name, self.shared), key=len)) <= len(own):
            return False, me
        if len(other) <= len(_longest(name, self.shared)) or not separator:
            return True, None
        user = person(name[len(other) :].partition(separator)[0], (me or "").partition("@")[2])
        return True, user.name if user else None


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
