"""A folder of files on this machine, or on a drive mounted here."""

import errno
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar

from pydantic import Field, field_validator

from app.core.errors import UnavailableError
from app.core.identity import NOBODY, AccessList
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
    Unchanged,
    Upsert,
)
from ingest.connectors.access_files import AccessFiles
from ingest.document import SourceDocument
from ingest.parsing.formats import supports, unsupported

_CHECKPOINT_EVERY = 50
_READ_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class FolderSettings(ConnectorSettings):
    """What a folder source needs."""

    path: Path = Field(
        title="Folder", description="The folder to read, as an absolute path on the machine that runs Rung."
    )

    @field_validator("path")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        if "\x00" in str(value) or not str(value).strip():
            raise ValueError("name a folder")
        return value.expanduser().absolute()


@dataclass(frozen=True, slots=True)
class _File:
    """A file found on the walk. `real` is where it lies after links; `about` is of that place."""

    external_id: str
    real: Path
    about: os.stat_result
    access: AccessList


@dataclass(frozen=True, slots=True)
class _UnreadableFolder:
    """A folder that could not be listed: nobody can say what is in it."""

    failure: Failure


_Found = _File | Failure | _UnreadableFolder
_Key = tuple[str, ...]


class FolderConnector:
    """Reads every supported file below a folder. Ids are paths from there; hidden names are left out.

    Links are followed inside the folder only. Access comes from the nearest `.access.toml` at the place
    where the file really lies.
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
        self._path = settings.path
        self._context = context

    def check(self) -> Check:
        """Whether the folder is there and can be listed."""
        try:
            with os.scandir(self._path):
                return Check(True, f"{self._path} can be read.")
        except OSError as error:
            return Check(
                False, f"{self._path} cannot be read: {error.strerror}. Check the path and its rights."
            )

    def pull(self, checkpoint: str, known: KnownRevision) -> Iterator[Change]:
        """See `Connector.pull`. Files are read one by one, as they are asked for."""
        root = self._root()
        access = AccessFiles(root, self._context.default_access)
        after = _key(checkpoint) if checkpoint else ()
        last, since = checkpoint, 0
        for found in self._walk(root, access, after):
            yield from self._invalid_access_files(root, access)
            yield self._change(found, known)
            external_id = _id_of(found)
            if isinstance(found, _UnreadableFolder):
                continue
            last, since = external_id, since + 1
            if since == _CHECKPOINT_EVERY:
                yield Checkpoint(last)
                since = 0
        yield from self._invalid_access_files(root, access)
        yield Checkpoint("", last=True)

    def fetch(self, external_id: str) -> Upsert | Delete | Failure:
        """See `Connector.fetch`."""
        root = self._root()
        access = AccessFiles(root, self._context.default_access)
        for found in self._walk(root, access, ()):
            if _id_of(found) == external_id:
                change = self._change(found, lambda _: None)
                assert isinstance(change, Upsert | Failure)  # noqa: S101 - nothing is known of it
                return change
        return Delete(external_id)

    def estimate(self) -> Estimate:
        """See `Connector.estimate`."""
        root = self._root()
        files = [f for f in self._walk(root, AccessFiles(root, NOBODY), ()) if isinstance(f, _File)]
        return Estimate(len(files), sum(file.about.st_size for file in files))

    def close(self) -> None:
        """Nothing is open between calls."""

    def list_ids(self) -> Iterator[str]:
        """See `Connector.list_ids`."""
        root = self._root()
        unreadable: list[str] = []
        for found in self._walk(root, AccessFiles(root, self._context.default_access), ()):
            if isinstance(found, _UnreadableFolder):
                if found.failure.code != "vanished":
                    unreadable.append(found.failure.external_id)
            else:
                yield _id_of(found)
        if unreadable:
            raise UnavailableError(
                f"These folders cannot be listed: {', '.join(unreadable)}; give Rung's user the right to.",
                code="listing_incomplete",
            )

    def _root(self) -> Path:
        try:
            root = self._path.resolve(strict=True)
            with os.scandir(root):
                return root
        except OSError as error:
            raise UnavailableError(
                f"The folder {self._path} cannot be read: {error.strerror}. Check the path and its rights.",
                code="source_unreachable",
            ) from error

    def _invalid_access_files(self, root: Path, access: AccessFiles) -> Iterator[Failure]:
        for invalid in access.take_invalid():
            yield Failure(
                escape_name(os.path.relpath(invalid.path, root)),
                "access_file_invalid",
                f"Nobody may read what it covers, because {invalid.reason}.",
            )

    def _walk(self, root: Path, access: AccessFiles, after: _Key) -> Iterator[_Found]:
        about = root.stat()
        yield from self._folder(_Walk(root, access, after), (), root, {(about.st_dev, about.st_ino)})

    def _folder(self, walk: "_Walk", key: _Key, real: Path, above: set[tuple[int, int]]) -> Iterator[_Found]:
        try:
            with os.scandir(real) as entries:
                names = sorted((escape_name(entry.name), entry.name) for entry in entries)
        except OSError as error:
            failure = _failure("/".join(key) or ".", error)
            yield _UnreadableFolder(replace(failure, access=NOBODY, whole_folder=True))
            return
        for shown, name in names:
            here = (*key, shown)
            if name.startswith((".", "~$")) or here < walk.after[: len(here)]:
                continue
            for found in self._entry(walk, here, real / name, above):
                if isinstance(found, _UnreadableFolder) or _key(_id_of(found)) > walk.after:
                    yield found

    def _entry(self, walk: "_Walk", key: _Key, path: Path, above: set[tuple[int, int]]) -> Iterator[_Found]:
        external_id = "/".join(key)
        try:
            real = path.resolve(strict=True) if path.is_symlink() else path
            about = real.stat(follow_symlinks=False)
        except OSError as error:
            yield _failure(external_id, error, is_link=path.is_symlink())
            return
        except RuntimeError:
            yield _loop(external_id)
            return
        if real != walk.root and walk.root not in real.parents:
            yield Failure(
                external_id, "outside_source", "The link leads out of the folder; copy the file in.", NOBODY
            )
        elif stat.S_ISDIR(about.st_mode):
            identity = (about.st_dev, about.st_ino)
            if identity in above:
                yield _loop(external_id)
            else:
                yield from self._folder(walk, key, real, above | {identity})
        elif not stat.S_ISREG(about.st_mode):
            yield Failure(external_id, "not_a_file", "It is a pipe, socket or device.")
        else:
            yield _File(external_id, real, about, walk.access.of_folder(real.parent))

    def _change(self, found: _Found, known: KnownRevision) -> Change:
        if isinstance(found, _UnreadableFolder):
            return found.failure
        if isinstance(found, Failure):
            return found
        if not supports(found.external_id):
            error = unsupported(found.external_id)
            return Failure(found.external_id, error.code, error.reason, found.access)
        if known(found.external_id) == _revision(found.about):
            return Unchanged(found.external_id, found.access)
        return self._read(found)

    def _read(self, found: _File) -> Change:
        limit = self._context.max_file_bytes
        try:
            with os.fdopen(os.open(found.real, _READ_FLAGS), "rb") as file:
                about = os.fstat(file.fileno())
                # The size is asked first, so that a huge file is never in memory; it may still grow.
                content = file.read(limit + 1) if about.st_size <= limit else None
        except OSError as error:
            return replace(_failure(found.external_id, error), access=found.access)
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
                file_name=_key(found.external_id)[-1],
                content=content,
                revision=_revision(about),
                access=found.access,
                updated_at=datetime.fromtimestamp(about.st_mtime, UTC),
            )
        )


@dataclass(frozen=True, slots=True)
class _Walk:
    """What stays the same during one walk."""

    root: Path
    access: AccessFiles
    after: _Key


def escape_name(name: str) -> str:
    """A file name as printable text that stands for this name alone: `a\\nb`, `\\udce9`."""
    if name.isprintable() and "\\" not in name:
        return name
    return "".join(
        "\\\\" if char == "\\" else char if char.isprintable() else char.encode("unicode_escape").decode()
        for char in name
    )


def _key(external_id: str) -> _Key:
    return tuple(external_id.split("/"))


def _id_of(found: _Found) -> str:
    return found.failure.external_id if isinstance(found, _UnreadableFolder) else found.external_id


def _revision(about: os.stat_result) -> str:
    return f"{about.st_size}-{about.st_mtime_ns}-{about.st_ino}"


def _loop(external_id: str) -> Failure:
    return Failure(external_id, "symlink_loop", "The link leads back to where it lies; remove it.", NOBODY)


def _failure(external_id: str, error: OSError, *, is_link: bool = False) -> Failure:
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        if is_link:
            return Failure(
                external_id, "broken_link", "The link leads to nothing; remove or mend it.", NOBODY
            )
        return Failure(external_id, "vanished", "It was there when the folder was listed and is gone now.")
    if isinstance(error, PermissionError):
        return Failure(external_id, "permission_denied", "Rung may not read it; give its user the right to.")
    if error.errno == errno.ELOOP:
        return _loop(external_id)
    return Failure(external_id, "unreadable", f"It cannot be read: {error.strerror or error}.")
