"""A folder of files on this machine, or on a drive mounted here."""

import errno
import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar

from app.core.errors import RungError, UnavailableError
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
from ingest.connectors.folder.access_files import ACCESS_FILE, AccessFiles
from ingest.connectors.folder.memory import FolderMemory, mount_point
from ingest.connectors.folder.owners import FileOwners
from ingest.connectors.folder.settings import FolderSettings
from ingest.connectors.folder.walk import (
    Found,
    FoundFile,
    Key,
    UnreadableFolder,
    Walk,
    failure_of,
    id_of,
    key_of,
    revision_of,
)
from ingest.connectors.paths import printable, unprintable
from ingest.document import SourceDocument
from ingest.parsing.formats import supports, unsupported

_CHECKPOINT_EVERY = 50
_READ_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NETWORK = frozenset({"nfs", "nfs4", "cifs", "smb3", "fuse.sshfs", "9p", "afs", "fuse.glusterfs", "ceph"})


class FolderConnector:
    """Reads every supported file below a folder. Ids are paths from there.

    Links are followed inside the folder only. Access comes from the nearest `.access.toml` at the place
    where the file really lies, or from the files' own owners and rights.
    """

    kind: ClassVar[str] = "folder"
    about: ClassVar[About] = About(
        title="Folder",
        summary="Files on this machine, or on a network share that is mounted here.",
        needs="The folder's path, and the right to read it for the user that runs Rung.",
        tells_access=True,
    )
    settings_type: ClassVar[type[ConnectorSettings]] = FolderSettings
    lists_quickly: ClassVar[bool] = True

    def __init__(self, settings: FolderSettings, context: ReadContext) -> None:
        self.settings = settings
        self._path = settings.path
        self._context = context
        self._memory = FolderMemory(context.scratch)

    def check(self) -> Check:
        """Whether the folder is there and can be listed, and what can be read of its first files."""
        try:
            root = self._root()
        except RungError as error:
            return Check(False, error.message, (Finding(False, error.message),))
        findings = [Finding(True, f"{self._path} can be read.")]
        kind = _file_system(root)
        if kind in _NETWORK and self.settings.watch:
            remedy = "Have it synced as often as changes should be seen."
            findings.append(Finding(True, f"It is a network share ({kind}), which tells no changes.", remedy))
        if self.settings.access_from == "file owners" and not self.settings.owner_domain:
            remedy = "Fill in the domain of owners."
            findings.append(
                Finding(True, "Files that only their owner may read are shown to nobody.", remedy)
            )
        return Check(True, findings[0].what, tuple(findings))

    def pull(self, checkpoint: str, known: KnownRevision) -> Iterator[Change]:
        """See `Connector.pull`. Files are read one by one, as they are asked for."""
        root = self._root()
        access = AccessFiles(root, self._context.default_access)
        last, since = checkpoint, 0
        for found in self._walk(root, access, key_of(checkpoint) if checkpoint else ()).all():
            yield from self._invalid_access_files(root, access)
            yield self._change(root, found, known)
            if isinstance(found, UnreadableFolder):
                continue
            last, since = id_of(found), since + 1
            if since == _CHECKPOINT_EVERY:
                self._memory.commit()
                yield Checkpoint(last)
                since = 0
        yield from self._invalid_access_files(root, access)
        self._memory.commit()
        yield Checkpoint("", last=True)

    def fetch(self, external_id: str) -> Upsert | Delete | Failure:
        """See `Connector.fetch`."""
        root = self._root()
        access = AccessFiles(root, self._context.default_access)
        if key_of(external_id)[-1] == ACCESS_FILE:
            folder = root.joinpath(*map(unprintable, key_of(external_id)[:-1]))
            if folder == root or root in folder.resolve().parents:
                access.of_folder(folder)
            invalid = self._invalid_access_files(root, access)
            return next((f for f in invalid if f.external_id == external_id), Delete(external_id))
        found = self._walk(root, access, ()).one(external_id)
        if found is None or (isinstance(found, Failure) and found.code == "vanished"):
            return Delete(external_id)
        change = self._change(root, found, lambda _: None)
        assert isinstance(change, Upsert | Failure)  # noqa: S101 - nothing is known of it
        return change

    def estimate(self) -> Estimate:
        """See `Connector.estimate`."""
        root = self._root()
        walk = self._walk(root, AccessFiles(root, self._context.default_access), ())
        files = [found for found in walk.all() if isinstance(found, FoundFile)]
        return Estimate(len(files), sum(file.about.st_size for file in files))

    def close(self) -> None:
        """See `Connector.close`."""
        self._memory.close()

    def list_ids(self) -> Iterator[str]:
        """See `Connector.list_ids`."""
        root = self._root()
        unreadable: list[str] = []
        for found in self._walk(root, AccessFiles(root, self._context.default_access), ()).all():
            if isinstance(found, UnreadableFolder):
                if found.failure.code != "vanished":
                    unreadable.append(found.failure.external_id)
            else:
                yield id_of(found)
        if unreadable:
            raise UnavailableError(
                f"These folders cannot be listed: {', '.join(unreadable)}; give Rung's user the right to.",
                code="listing_incomplete",
            )

    def _root(self) -> Path:
        try:
            root = self._path.resolve(strict=True)
            with os.scandir(root):
                pass
        except OSError as error:
            raise UnavailableError(
                f"The folder {self._path} cannot be read: {error.strerror}. Check the path and its rights.",
                code="source_unreachable",
            ) from error
        self._memory.check_mount(root)
        return root

    def _walk(self, root: Path, access: AccessFiles, after: Key) -> Walk:
        if self.settings.access_from == "file owners":
            owners = FileOwners(root, self.settings.owner_domain)
            return Walk(root, self.settings, owners.of_file, after)
        return Walk(root, self.settings, lambda real, _: access.of_folder(real.parent), after)

    def _invalid_access_files(self, root: Path, access: AccessFiles) -> Iterator[Failure]:
        for invalid in access.take_invalid():
            yield Failure(
                printable(os.path.relpath(invalid.path, root)),
                "access_file_invalid",
                f"Nobody may read what it covers, because {invalid.reason}.",
            )

    def _change(self, root: Path, found: Found, known: KnownRevision) -> Change:
        if isinstance(found, UnreadableFolder):
            return found.failure
        if isinstance(found, Failure):
            return found
        if not supports(found.external_id):
            error = unsupported(found.external_id)
            return Failure(found.external_id, error.code, error.reason, found.access)
        revision, inode = revision_of(found.about), found.about.st_ino
        held = known(found.external_id)
        if held == revision:
            self._memory.note(found.external_id, inode, held=True)
            return Unchanged(found.external_id, found.access)
        change = self._read(found)
        if held is None and isinstance(change, Upsert):
            old = self._memory.moved_from(root, found.external_id, inode, revision, known)
            change = Upsert(replace(change.document, moved_from=old))
        self._memory.note(found.external_id, inode, held=False)
        return change

    def _read(self, found: FoundFile) -> Change:
        limit = self._context.max_file_bytes
        try:
            about, content = _content(found.real, limit)
        except OSError as error:
            return replace(failure_of(found.external_id, error), access=found.access)
        if content is None or len(content) > limit:
            return Failure(
                found.external_id,
                "too_large",
                f"{about.st_size:,} bytes are more than the {limit:,} allowed (RUNG_MAX_FILE_BYTES).",
                found.access,
            )
        return Upsert(
            SourceDocument(
                external_id=found.external_id,
                file_name=key_of(found.external_id)[-1],
                content=content,
                revision=revision_of(about),
                access=found.access,
                updated_at=datetime.fromtimestamp(about.st_mtime, UTC),
            )
        )


def _content(path: Path, limit: int) -> tuple[os.stat_result, bytes | None]:
    """A file's bytes, or nothing where it is too large. Raises `OSError`."""
    for again in (True, False):
        try:
            with os.fdopen(os.open(path, _READ_FLAGS), "rb") as file:
                about = os.fstat(file.fileno())
                # The size is asked first, so that a huge file is never in memory; it may still grow.
                return about, file.read(limit + 1) if about.st_size <= limit else None
        except OSError as error:
            # A file that was replaced on a share is stale once, and there at the second look.
            if not (again and error.errno == errno.ESTALE):
                raise
    raise AssertionError("unreachable")


def _file_system(path: Path) -> str:
    """The kind of file system that a folder lies on, where the system tells."""
    point, kind = str(mount_point(path)), ""
    try:
        lines = Path("/proc/self/mounts").read_text().splitlines()
    except OSError:
        return ""
    for line in lines:
        fields = line.split(" ")
        if len(fields) > 2 and fields[1].encode().decode("unicode_escape") == point:
            kind = fields[2]
    return kind
