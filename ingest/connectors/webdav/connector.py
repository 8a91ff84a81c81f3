"""The connector of WebDAV folders."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar
from urllib.parse import urlsplit

from app.core.errors import InputError, RungError, UnavailableError
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
    Finding,
    KnownRevision,
    ReadContext,
    Unchanged,
    Upsert,
)
from ingest.connectors.paths import PathPatterns
from ingest.connectors.webdav.moves import FileIds
from ingest.connectors.webdav.multistatus import Entry, path_of_id, request_path
from ingest.connectors.webdav.server import DavServer, ItemError, whole_source
from ingest.connectors.webdav.settings import WebdavSettings
from ingest.document import SourceDocument
from ingest.parsing.formats import supports, unsupported

_CHECKPOINT_EVERY = 50
_DEEPEST = 64
_COUNTED = 5_000
_Key = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _File:
    external_id: str
    entry: Entry


class WebdavConnector:
    """Reads every supported file below a folder. Ids are paths from there; hidden names are left out."""

    kind: ClassVar[str] = "webdav"
    about: ClassVar[About] = About(
        title="WebDAV",
        summary="A folder of Nextcloud, ownCloud, SharePoint on your own machines, or any WebDAV server.",
        needs="The folder's WebDAV address, and an account that may read it, best with an app password.",
        tells_access=False,
    )
    settings_type: ClassVar[type[ConnectorSettings]] = WebdavSettings
    lists_quickly: ClassVar[bool] = False

    def __init__(self, settings: WebdavSettings, context: ReadContext) -> None:
        self._settings = settings
        self._context = context
        self._root = request_path(urlsplit(settings.address).path)
        self._patterns = PathPatterns(settings.include, settings.exclude)
        self._server = DavServer(settings, context)

    def check(self) -> Check:
        """See `Connector.check`."""
        host = self._settings.host
        safe = self._settings.address.startswith("https:")
        try:
            entries = self._entries(self._root, ())
        except InputError as error:
            reached = Finding(True, f"{host} answers{' over TLS' if safe else ''}.")
            return Check(False, error.message, (reached, Finding(False, "It refuses.", error.message)))
        except RungError as error:
            return Check(False, error.message, (Finding(False, f"{host} cannot be read.", error.message),))
        except ItemError as error:
            message = whole_source(error).message
            return Check(False, message, (Finding(False, "The folder cannot be listed.", message),))
        findings = [Finding(True, f"{host} answers{' over TLS' if safe else ''}."), self._signed_in(safe)]
        findings.append(Finding(True, f"The folder can be listed: {len(entries)} items at its top."))
        if not entries:
            findings.append(
                Finding(False, "The folder is empty.", "Check that the address is the one meant.")
            )
        return Check(True, f"{len(entries)} items at the top of the folder can be listed.", tuple(findings))

    def _signed_in(self, safe: bool) -> Finding:
        settings = self._settings
        if not settings.username and not settings.bearer_token.get_secret_value():
            return Finding(True, "It is open without a sign-in.")
        if not safe:
            return Finding(
                False, "The password travels unencrypted.", "Give an https:// address, if there is one."
            )
        return Finding(True, f"{settings.username or 'The token'} is signed in.")

    def estimate(self) -> Estimate:
        """See `Connector.estimate`. Cut short after some thousand files."""
        count, size = 0, 0
        for found in self._walk(()):
            if isinstance(found, _File):
                count, size = count + 1, size + (found.entry.size_bytes or 0)
            if count >= _COUNTED or self._context.stopping():
                return Estimate(count, size, at_least=True)
        return Estimate(count, size)

    def pull(self, checkpoint: str, known: KnownRevision) -> Iterator[Change]:
        """See `Connector.pull`. Each pass goes over all folders and compares ETags."""
        file_ids = FileIds(self._context.scratch)
        since = 0
        for found in self._walk(_key(checkpoint) if checkpoint else ()):
            if isinstance(found, Failure):
                yield found
                continue
            held = known(found.external_id) is not None
            earlier = file_ids.saw(found.entry.file_id, found.external_id, held=held)
            yield self._change(found, known, earlier)
            since += 1
            if since == _CHECKPOINT_EVERY:
                since = 0
                yield Checkpoint(found.external_id)
        file_ids.keep(whole=not checkpoint)
        yield Checkpoint("", last=True)

    def fetch(self, external_id: str) -> Upsert | Delete | Failure:
        """See `Connector.fetch`."""
        key = _key(external_id)
        parent = self._root + path_of_id("/".join(key[:-1])) if key[:-1] else self._root
        try:
            entries = self._entries(parent, key[:-1])
        except ItemError as error:
            if error.code == "vanished" and key[:-1]:
                return Delete(external_id)
            return Failure(external_id, error.code, error.reason)
        for entry in entries:
            if entry.name == key[-1] and not entry.is_folder and self._patterns.wants(external_id):
                change = self._change(_File(external_id, entry), lambda _: None, ())
                assert isinstance(change, Upsert | Failure)  # noqa: S101 - nothing is known of it
                return change
        return Delete(external_id)

    def list_ids(self) -> Iterator[str]:
        """See `Connector.list_ids`."""
        unreadable = []
        for found in self._walk(()):
            if isinstance(found, _File):
                yield found.external_id
            elif found.code != "vanished":
                unreadable.append(found.external_id)
        if unreadable:
            raise UnavailableError(
                f"These folders cannot be listed: {', '.join(unreadable)}; share them with the account, or "
                "leave them out.",
                code="listing_incomplete",
            )

    def close(self) -> None:
        """See `Connector.close`."""
        self._server.close()

    def _walk(self, after: _Key) -> Iterator[_File | Failure]:
        try:
            entries = self._entries(self._root, ())
        except ItemError as error:
            raise whole_source(error) from error
        yield from self._files(entries, (), after)

    def _files(self, entries: list[Entry], above: _Key, after: _Key) -> Iterator[_File | Failure]:
        for entry in entries:
            key = (*above, entry.name)
            external_id = "/".join(key)
            if key < after[: len(key)]:
                continue
            if not entry.is_folder:
                if key > after and self._patterns.wants(external_id):
                    yield _File(external_id, entry)
                continue
            try:
                below = self._entries(entry.path, key)
            except ItemError as error:
                if self._patterns.wants(f"{external_id}/"):
                    yield Failure(external_id, error.code, error.reason, NOBODY, whole_folder=True)
                continue
            yield from self._files(below, key, after)

    def _entries(self, path: str, key: _Key) -> list[Entry]:
        if len(key) > _DEEPEST:
            raise ItemError("too_deep", f"It lies more than {_DEEPEST} folders deep; nothing below is read.")
        itself, entries = self._server.list(path)
        if not key and itself is not None and not itself.is_folder and not entries:
            raise InputError("The address is of a file; give that of a folder.", code="not_a_folder")
        return [entry for entry in entries if not entry.name.startswith((".", "~$"))]

    def _change(self, found: _File, known: KnownRevision, earlier: Sequence[str]) -> Change:
        entry, access = found.entry, self._context.default_access
        if not supports(found.external_id):
            error = unsupported(found.external_id)
            return Failure(found.external_id, error.code, error.reason, access)
        held = known(found.external_id)
        if entry.revision and held == entry.revision:
            return Unchanged(found.external_id, access)
        limit = self._context.max_file_bytes
        if entry.size_bytes is not None and entry.size_bytes > limit:
            reason = f"{entry.size_bytes:,} bytes are more than the {limit:,} allowed (RUNG_MAX_FILE_BYTES)."
            return Failure(found.external_id, "too_large", reason, access)
        try:
            content = self._server.read(entry.path)
        except ItemError as error:
            return Failure(found.external_id, error.code, error.reason)
        moved = next((place for place in earlier if held is None and known(place) is not None), None)
        return Upsert(
            SourceDocument(
                external_id=found.external_id,
                file_name=_key(found.external_id)[-1],
                content=content,
                revision=entry.revision or hashlib.sha256(content).hexdigest(),
                access=access,
                url=self._url(entry),
                author=entry.owner,
                updated_at=entry.modified,
                moved_from=moved,
            )
        )

    def _url(self, entry: Entry) -> str:
        start, mark, _ = self._root.partition("/remote.php/")
        if mark and entry.file_id.isalnum():
            return self._server.url(f"{start}/index.php/f/{entry.file_id}")
        return self._server.url(entry.path)


def _key(external_id: str) -> _Key:
    return tuple(external_id.split("/"))
