"""Who may read the files of a folder: the nearest `.access.toml`, from the file's own folder up to the root.

A file that cannot be read as an access list means nobody, never the next one up: a typo must not widen
access.
"""

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from app.core.errors import InputError
from app.core.identity import NOBODY, AccessList, parse_access

ACCESS_FILE = ".access.toml"
_MAX_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class InvalidAccessFile:
    """An access file that names nobody because it cannot be understood."""

    path: Path
    reason: str


class AccessFiles:
    """Reads each access file once.

    Args:
        root: the folder above which no access file counts. It must be resolved.
        default: who may read where there is no access file at all.
    """

    def __init__(self, root: Path, default: AccessList) -> None:
        self._root = root
        self._default = default
        self._known: dict[Path, AccessList] = {}
        self._invalid: dict[Path, InvalidAccessFile] = {}

    def of_folder(self, folder: Path) -> AccessList:
        """Who may read the files in a folder.

        Args:
            folder: resolved, the root or below it. For what a link leads to it is the real place, so
                that a link never widens access.
        """
        if folder not in self._known:
            self._known[folder] = self._read(folder)
        return self._known[folder]

    def take_invalid(self) -> Iterator[InvalidAccessFile]:
        """The access files found invalid since the last call."""
        found, self._invalid = list(self._invalid.values()), {}
        yield from found

    def _read(self, folder: Path) -> AccessList:
        path = folder / ACCESS_FILE
        try:
            with path.open("rb") as file:
                return read_access(file.read(_MAX_BYTES + 1))
        except FileNotFoundError:
            if path.is_symlink():
                return self._refuse(path, "it is a link to nothing")
        except OSError as error:
            return self._refuse(path, error.strerror or str(error))
        except InputError as error:
            return self._refuse(path, error.message)
        if folder == self._root or self._root not in folder.parents:
            return self._default if folder == self._root else NOBODY
        return self.of_folder(folder.parent)

    def _refuse(self, path: Path, reason: str) -> AccessList:
        self._invalid[path] = InvalidAccessFile(path, reason)
        return NOBODY


def read_access(content: bytes) -> AccessList:
    """An access list from the content of an access file: `allow = ["everyone", "group:finance"]`.

    Raises:
        InputError: when it is anything else than one such list.
    """
    if len(content) > _MAX_BYTES:
        raise InputError("it is far too long for an access list")
    try:
        table = tomllib.loads(content.decode())
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"it is not valid TOML ({error})") from error
    allow = table.get("allow")
    unknown = sorted(set(table) - {"allow"})
    if unknown:
        raise InputError(f"it holds {', '.join(unknown)}; only allow = [...] is known")
    if not isinstance(allow, list) or not all(isinstance(entry, str) for entry in allow):
        raise InputError('it needs one list of texts: allow = ["everyone", "group:NAME", "user:EMAIL"]')
    return parse_access(allow)
