"""Going through a folder, always in the same order: files, and what cannot be read."""

import errno
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from app.core.errors import UnavailableError
from app.core.identity import NOBODY, AccessList
from ingest.connector import Failure
from ingest.connectors.folder.access_files import ACCESS_FILE
from ingest.connectors.folder.settings import FolderSettings
from ingest.connectors.paths import PathPatterns, printable, unprintable

AccessOf = Callable[[Path, os.stat_result], AccessList]
"""Who may read the file that really lies here."""

Key = tuple[str, ...]

_SHARE_AWAY = frozenset(
    getattr(errno, name)
    for name in ("ESTALE", "ETIMEDOUT", "EHOSTDOWN", "EHOSTUNREACH", "ENOTCONN", "ESHUTDOWN", "ENONET")
    if hasattr(errno, name)
)


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file found on the walk. `real` is where it lies after links; `about` is of that place."""

    external_id: str
    real: Path
    about: os.stat_result
    access: AccessList


@dataclass(frozen=True, slots=True)
class UnreadableFolder:
    """A folder that could not be listed: nobody can say what is in it."""

    failure: Failure


Found = FoundFile | Failure | UnreadableFolder


class Walk:
    """One walk over the folder.

    Args:
        root: resolved.
        after: only what comes after this place, in the walk's order.
    """

    def __init__(self, root: Path, settings: FolderSettings, access_of: AccessOf, after: Key = ()) -> None:
        self._root = root
        self._hidden = settings.hidden
        self._patterns = PathPatterns(settings.include, settings.exclude)
        self._never = PathPatterns((), settings.exclude)
        self._access_of = access_of
        self._after = after

    def all(self) -> Iterator[Found]:
        """Everything, by name, folder for folder."""
        about = self._root.stat()
        yield from self._folder((), self._root, {(about.st_dev, about.st_ino)})

    def one(self, external_id: str) -> Found | None:
        """One item alone, or nothing where none is there or it is not wanted."""
        key = key_of(external_id)
        real, above = self._root, {_identity(self._root.stat())}
        for depth, part in enumerate(key):
            if not self._wants(key[: depth + 1], unprintable(part)) or part in ("", ".", ".."):
                return None
            here = real / unprintable(part)
            if depth + 1 == len(key):
                return next(self._entry(key, here, above, deep=False), None)
            try:
                real = here.resolve(strict=True)
                above = above | {_identity(real.stat())}
            except (OSError, RuntimeError):
                return None
            if real != self._root and self._root not in real.parents:
                return None
        return None

    def _wants(self, key: Key, name: str) -> bool:
        if name == ACCESS_FILE or name.startswith("~$") or (name.startswith(".") and not self._hidden):
            return False
        # No file has this name, so only a pattern for all that lies in the folder matches it.
        return self._never.wants("/".join((*key, "\x00")))

    def _folder(self, key: Key, real: Path, above: set[tuple[int, int]]) -> Iterator[Found]:
        try:
            with os.scandir(real) as entries:
                names = sorted((printable(entry.name), entry.name) for entry in entries)
        except OSError as error:
            failure = failure_of("/".join(key) or ".", error)
            yield UnreadableFolder(replace(failure, access=NOBODY, whole_folder=True))
            return
        for shown, name in names:
            here = (*key, shown)
            if not self._wants(here, name) or here < self._after[: len(here)]:
                continue
            for found in self._entry(here, real / name, above):
                if isinstance(found, UnreadableFolder) or key_of(id_of(found)) > self._after:
                    yield found

    def _entry(
        self, key: Key, path: Path, above: set[tuple[int, int]], *, deep: bool = True
    ) -> Iterator[Found]:
        external_id = "/".join(key)
        try:
            real = path.resolve(strict=True) if path.is_symlink() else path
            about = real.stat(follow_symlinks=False)
        except OSError as error:
            yield failure_of(external_id, error, is_link=path.is_symlink())
            return
        except RuntimeError:
            yield _loop(external_id)
            return
        if real != self._root and self._root not in real.parents:
            yield Failure(
                external_id, "outside_source", "The link leads out of the folder; copy the file in.", NOBODY
            )
        elif stat.S_ISDIR(about.st_mode):
            identity = _identity(about)
            if identity in above:
                yield _loop(external_id)
            elif deep:
                yield from self._folder(key, real, above | {identity})
        elif not self._patterns.wants(external_id):
            return
        elif not stat.S_ISREG(about.st_mode):
            yield Failure(external_id, "not_a_file", "It is a pipe, socket or device.")
        else:
            yield FoundFile(external_id, real, about, self._access_of(real, about))


def key_of(external_id: str) -> Key:
    return tuple(external_id.split("/"))


def id_of(found: Found) -> str:
    return found.failure.external_id if isinstance(found, UnreadableFolder) else found.external_id


def revision_of(about: os.stat_result) -> str:
    return f"{about.st_size}-{about.st_mtime_ns}-{about.st_ino}"


def failure_of(external_id: str, error: OSError, *, is_link: bool = False) -> Failure:
    """An item that cannot be read, by the system's error.

    Raises:
        UnavailableError: `source_unreachable` when the error is the whole share's.
    """
    if error.errno in _SHARE_AWAY:
        raise UnavailableError(
            f"The share does not answer ({error.strerror}). Is its server up, and is it still mounted?",
            code="source_unreachable",
        ) from error
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


def _identity(about: os.stat_result) -> tuple[int, int]:
    return about.st_dev, about.st_ino


def _loop(external_id: str) -> Failure:
    return Failure(external_id, "symlink_loop", "The link leads back to where it lies; remove it.", NOBODY)
