"""The connector of mailboxes."""

import hashlib
from collections.abc import Iterator
from typing import ClassVar

from app.core.errors import UnavailableError
from app.core.identity import NOBODY
from ingest.connector import (
    About,
    Change,
    Check,
    Checkpoint,
    ConnectorSettings,
    Delete,
    Estimate,
    Failure,
    KnownRevision,
    ReadContext,
    Upsert,
)
from ingest.connectors.imap.cache import MailCache
from ingest.connectors.imap.check import check_mailbox
from ingest.connectors.imap.connection import MailConnection, RefusedError, Status
from ingest.connectors.imap.folders import Folder, Folders
from ingest.connectors.imap.mail.items import Batch, plan
from ingest.connectors.imap.reading import Reader
from ingest.connectors.imap.settings import ImapSettings
from ingest.connectors.imap.state import At, Seen, State

_CHECKPOINT_EVERY = 50
_TOGETHER = 25
_PASSING = {"vanished", "refused_by_server"}


class ImapConnector:
    """Reads the mail of one account, folder by folder; nothing at the server is changed or marked as seen.

    A folder that is as it was after the last pass is not gone over again. In one that changed each thread is
    compared by its mails, so a new UIDVALIDITY alone makes nothing new.
    """

    kind: ClassVar[str] = "imap"
    about: ClassVar[About] = About(
        title="Mail (IMAP)",
        summary="The mail of one account: threads, attachments, and folders that are shared with it.",
        needs="The server's name, the account's user name, and a password or an app password.",
        tells_access=True,
    )
    settings_type: ClassVar[type[ConnectorSettings]] = ImapSettings
    lists_quickly: ClassVar[bool] = False

    def __init__(self, settings: ImapSettings, context: ReadContext) -> None:
        self._settings = settings
        self._context = context
        self._connection = MailConnection(settings, context)
        self._cache = MailCache(context.scratch)
        self._folders = Folders(settings, context, self._connection, self._cache)
        self._reader = Reader(self._connection, context.max_file_bytes)

    def check(self) -> Check:
        """See `Connector.check`."""
        return check_mailbox(self._settings, self._connection, self._folders)

    def estimate(self) -> Estimate:
        """The mails in the folders; threads are fewer documents, attachments more."""
        count, size, sized = 0, 0, True
        for folder in self._folders.all():
            try:
                status = self._connection.status(folder.name)
            except RefusedError:
                continue
            count += status.messages
            size += status.size_bytes or 0
            sized = sized and status.size_bytes is not None
        return Estimate(count, size if sized else None)

    def pull(self, checkpoint: str, known: KnownRevision) -> Iterator[Change]:
        """See `Connector.pull`."""
        state = State.read(checkpoint)
        looks = [(folder, self._look(folder)) for folder in self._folders.all()]
        now = {f.id: self._seen(f, look) for f, look in looks if isinstance(look, Status)}
        moved = state.moved(now)
        for folder, look in looks:
            if state.at and folder.id < state.at.folder:
                continue
            if isinstance(look, Failure):
                state.folders.pop(folder.id, None)
                yield look
            elif (state.at and state.at.folder == folder.id) or state.folders.get(folder.id) != now[
                folder.id
            ]:
                yield from self._read(folder, look, state, known, moved.get(folder.id))
        state.folders = {name: seen for name, seen in state.folders.items() if name in now}
        self._folders.forget_others([folder for folder, _ in looks])
        yield Checkpoint(state.write(), last=True)

    def fetch(self, external_id: str) -> Upsert | Delete | Failure:
        """See `Connector.fetch`."""
        for folder in self._folders.all():
            if not external_id.startswith(f"{folder.id}/"):
                continue
            look = self._look(folder)
            if isinstance(look, Failure):
                return look if look.code != "vanished" else Delete(external_id)
            for batch in self._plan(folder):
                for item in batch.items:
                    if item.external_id == external_id:
                        return self._reader.read(item, folder.access, {})
        return Delete(external_id)

    def list_ids(self) -> Iterator[str]:
        """See `Connector.list_ids`."""
        unreadable = []
        for folder in self._folders.all():
            look = self._look(folder)
            if isinstance(look, Failure):
                if look.code != "vanished":
                    unreadable.append(folder.name)
                continue
            for batch in self._plan(folder):
                yield from (item.external_id for item in batch.items)
        if unreadable:
            raise UnavailableError(
                f"These folders cannot be opened: {', '.join(unreadable)}; give the account the right to "
                "read them (r), or leave them out.",
                code="listing_incomplete",
            )

    def close(self) -> None:
        """See `Connector.close`."""
        self._connection.close()
        self._cache.close()

    def _read(
        self, folder: Folder, status: Status, state: State, known: KnownRevision, before: str | None
    ) -> Iterator[Change]:
        """A folder's changes; one that goes away meanwhile is a failure, and the others are read."""
        try:
            yield from self._folder(folder, status, state, known, before)
        except RefusedError:
            look = self._look(folder)
            if not isinstance(look, Failure):
                raise
            state.folders.pop(folder.id, None)
            yield look

    def _folder(
        self, folder: Folder, status: Status, state: State, known: KnownRevision, before: str | None
    ) -> Iterator[Change]:
        at = state.at if state.at and state.at.folder == folder.id else None
        seen = at.seen if at else self._seen(folder, status)
        clean, after = (at.clean, at.after) if at else (True, "")
        state.at = None
        waiting: list[Batch] = []
        for batch in [b for b in self._plan(folder) if b.root > after] + [None]:
            if batch is not None:
                waiting.append(batch)
                if sum(len(each.items) for each in waiting) < _TOGETHER:
                    continue
            items = [item for each in waiting for item in each.items]
            for change in self._reader.changes(items, folder, known, before):
                clean = clean and not (isinstance(change, Failure) and change.code in _PASSING)
                yield change
            state.since += len(items)
            if waiting and state.since >= _CHECKPOINT_EVERY:
                state.since = 0
                yield Checkpoint(state.write(At(folder.id, seen, waiting[-1].root, clean)))
            waiting = []
        if clean:
            state.folders[folder.id] = seen
        else:
            state.folders.pop(folder.id, None)

    def _look(self, folder: Folder) -> Status | Failure:
        try:
            status = self._connection.status(folder.name)
            self._connection.examine(folder.name)
        except RefusedError as error:
            if "nonexistent" in str(error).lower() or "doesn't exist" in str(error).lower():
                return Failure(
                    folder.id, "vanished", "The folder was listed and is gone now.", whole_folder=True
                )
            return Failure(
                folder.id,
                "permission_denied",
                f"The account may see the folder {folder.name} but not read it; give it the right r, or "
                "leave the folder out.",
                NOBODY,
                whole_folder=True,
            )
        return status

    def _plan(self, folder: Folder) -> list[Batch]:
        mails = self._folders.mails(folder)
        return plan(
            folder.id, mails, threads=self._settings.threads, limit_bytes=self._context.max_file_bytes
        )

    def _seen(self, folder: Folder, status: Status) -> Seen:
        settings = self._settings
        about = (
            f"{sorted(map(str, folder.access))} {settings.since} {settings.threads} {settings.attachments} "
            f"{self._context.max_file_bytes}"
        )
        digest = hashlib.sha256(about.encode()).hexdigest()[:12]
        return [status.uid_validity, status.uid_next, status.messages, status.mod_sequence, digest]
