"""From planned documents to changes: reads only what is not known."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from app.core.identity import AccessList
from ingest.connector import Change, Failure, KnownRevision, Unchanged, Upsert
from ingest.connectors.imap.connection import ClosedError, MailConnection, RefusedError
from ingest.connectors.imap.folders import Folder
from ingest.connectors.imap.mail.content import GoneError, as_mbox, attachment_bytes, fetch_whole, mail_bytes
from ingest.connectors.imap.mail.items import Item
from ingest.connectors.imap.mail.mails import Part
from ingest.document import SourceDocument
from ingest.parsing.formats import supports, unsupported

_AT_ONCE_BYTES = 8_000_000
_ENCRYPTED = {"application/pkcs7-mime", "application/x-pkcs7-mime", "application/pgp-encrypted"}


class Reader:
    """Reads documents of the folder that is open."""

    def __init__(self, connection: MailConnection, limit_bytes: int) -> None:
        self._connection = connection
        self._limit = limit_bytes

    def changes(
        self, items: Sequence[Item], folder: Folder, known: KnownRevision, before: str | None
    ) -> Iterator[Change]:
        """The changes of these items, with as few questions as it takes. `before` was the folder's id."""
        new = [item for item in items if known(item.external_id) != item.revision]
        wanted = {item.external_id for item in new}
        ahead = self._ahead(new)
        for item in items:
            if item.external_id not in wanted:
                yield Unchanged(item.external_id, folder.access)
                continue
            change = self.read(item, folder.access, ahead)
            if before is not None and isinstance(change, Upsert) and known(item.external_id) is None:
                old = before + item.external_id[len(folder.id) :]
                if known(old) is not None:
                    change = Upsert(replace(change.document, moved_from=old))
            yield change

    def read(self, item: Item, access: AccessList, ahead: Mapping[int, bytes]) -> Upsert | Failure:
        """One document. A mail that went away meanwhile is a failure; the next pass sees the rest."""
        refused = self._refusal(item, access)
        if refused is not None:
            return refused
        try:
            content = self._content(item, ahead)
        except ClosedError:
            raise
        except RefusedError as error:
            return _refused(item, error.said, access)
        except GoneError:
            return Failure(item.external_id, "vanished", "A mail went away while it was read.", access)
        except ValueError as error:
            return Failure(
                item.external_id, "damaged", f"The attachment cannot be unpacked: {error}.", access
            )
        if len(content) > 2 * self._limit:
            return self._too_large(item, len(content), access)
        return Upsert(self._document(item, content, access))

    def _ahead(self, items: Sequence[Item]) -> dict[int, bytes]:
        uids: list[int] = []
        size = 0
        for item in items:
            if item.part is None and all(mail.whole for mail in item.mails):
                size += sum(mail.size_bytes for mail in item.mails)
                if size > _AT_ONCE_BYTES:
                    break
                uids += [mail.uid for mail in item.mails if mail.size_bytes <= self._limit]
        try:
            return fetch_whole(self._connection, uids, self._limit)
        except ClosedError:
            raise
        except RefusedError:
            return {}  # one of them cannot be read: each is asked for alone

    def _refusal(self, item: Item, access: AccessList) -> Failure | None:
        if item.part is not None:
            return self._refused_part(item, item.part, access)
        if any(mail.refused for mail in item.mails):
            return _refused(item, "it tells nothing of it", access)
        size = sum(mail.text_bytes for mail in item.mails)
        if size > self._limit:
            return self._too_large(item, size, access)
        parts = [part for mail in item.mails for part in (*mail.attachments, *mail.texts)]
        if any(part.media_type in _ENCRYPTED for part in parts) and len(item.mails) == 1:
            return Failure(
                item.external_id, "encrypted", "The mail is encrypted; its text cannot be read.", access
            )
        return None

    def _refused_part(self, item: Item, part: Part, access: AccessList) -> Failure | None:
        size = part.size_bytes * 3 // 4 if part.encoding == "base64" else part.size_bytes
        if part.media_type == "application/ms-tnef" or part.file_name.lower() == "winmail.dat":
            return Failure(
                item.external_id,
                "unsupported_format",
                "winmail.dat: Outlook packed the attachments in its own form; send such mail as HTML.",
                access,
            )
        if not supports(part.file_name, part.media_type):
            error = unsupported(part.file_name)
            return Failure(item.external_id, error.code, error.reason, access)
        return self._too_large(item, size, access) if size > self._limit else None

    def _too_large(self, item: Item, size: int, access: AccessList) -> Failure:
        return Failure(
            item.external_id,
            "too_large",
            f"{size:,} bytes are more than the {self._limit:,} allowed (RUNG_MAX_FILE_BYTES).",
            access,
        )

    def _content(self, item: Item, ahead: Mapping[int, bytes]) -> bytes:
        if item.part is not None:
            return attachment_bytes(self._connection, item.mails[0], item.part)
        messages = mail_bytes(self._connection, item.mails, self._limit, ahead)
        return messages[0] if len(messages) == 1 else as_mbox(messages)

    def _document(self, item: Item, content: bytes, access: AccessList) -> SourceDocument:
        first, last = item.mails[0], item.mails[-1]
        if item.part is not None:
            name, media_type, title = item.part.file_name, item.part.media_type, item.part.file_name
        else:
            mbox = len(item.mails) > 1
            name = "thread.mbox" if mbox else "mail.eml"
            media_type = "application/mbox" if mbox else "message/rfc822"
            title = first.subject or "(no subject)"
        return SourceDocument(
            external_id=item.external_id,
            file_name=name,
            content=content,
            revision=item.revision,
            access=access,
            title=title,
            author=first.author or None,
            updated_at=last.date,
            media_type=media_type,
        )


def _refused(item: Item, said: str, access: AccessList) -> Failure:
    return Failure(
        item.external_id,
        "refused_by_server",
        f"The mail server does not hand it over ({said}); look into its log. The next sync tries again.",
        access,
    )
