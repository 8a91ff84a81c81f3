"""Who may read a file by its own rights: owner, group and everyone, as the file system keeps them.

A person must also get through every folder on the way, from the source's folder down. What cannot be told for
sure (a number without a name, an extended list of rights) counts for nobody.
"""

import errno
import grp
import os
import pwd
import stat
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from app.core.errors import InputError
from app.core.identity import EVERYONE, NOBODY, AccessList, Principal

_EXTENDED_RIGHTS = ("system.posix_acl_access", "system.nfs4_acl", "security.NTACL")
_NONE_THERE = frozenset({errno.ENODATA, errno.ENOTSUP, errno.EOPNOTSUPP})

NameOf = Callable[[int], str | None]


class FileOwners:
    """Maps owners and rights to access lists.

    Args:
        root: the source's folder, resolved; folders above it do not count.
        domain: what makes an e-mail address of a user's name; without it owners count for nobody.
        user_name, group_name: for tests; the machine's own names by default.
    """

    def __init__(
        self,
        root: Path,
        domain: str,
        *,
        user_name: NameOf | None = None,
        group_name: NameOf | None = None,
    ) -> None:
        self._root = root
        self._domain = domain
        self._user_name = user_name or _user_name
        self._group_name = group_name or _group_name
        self._folders: dict[Path, tuple[os.stat_result, bool]] = {}

    def of_file(self, path: Path, about: os.stat_result) -> AccessList:
        """Who may read a file.

        Args:
            path: resolved, below the root.
        """
        try:
            folders = [self._folder(folder) for folder in path.parents if self._inside(folder)]
            extended = has_extended_rights(path)
        except OSError:
            # It vanished or may not be looked at; who reads it can then not be told.
            return NOBODY
        if not folders:
            return NOBODY
        plain = not extended and not any(more for _, more in folders)
        # In the file system's order a narrower class comes first: what the group may not, not everyone may.
        if plain and _has(about, 0o444) and all(_has(folder, 0o111) for folder, _ in folders):
            return frozenset({EVERYONE})
        found = {self._owner(about, folders)}
        if plain:
            found.add(self._group(about, folders))
        return frozenset(principal for principal in found if principal is not None)

    def _inside(self, folder: Path) -> bool:
        return folder == self._root or self._root in folder.parents

    def _folder(self, path: Path) -> tuple[os.stat_result, bool]:
        if path not in self._folders:
            self._folders[path] = path.stat(), has_extended_rights(path)
        return self._folders[path]

    def _owner(self, about: os.stat_result, folders: list[tuple[os.stat_result, bool]]) -> Principal | None:
        def lets_through(folder: os.stat_result, extended: bool) -> bool:
            mine = folder.st_uid == about.st_uid and _has(folder, 0o100)
            return mine or (not extended and folder.st_uid != about.st_uid and _has(folder, 0o011))

        if not _has(about, 0o400) or not all(lets_through(*folder) for folder in folders):
            return None
        name = self._user_name(about.st_uid)
        return _principal(lambda: Principal.user(f"{name}@{self._domain}")) if name and self._domain else None

    def _group(self, about: os.stat_result, folders: list[tuple[os.stat_result, bool]]) -> Principal | None:
        def lets_through(folder: os.stat_result) -> bool:
            if folder.st_gid == about.st_gid:
                return _has(folder, 0o010)
            return _has(folder, 0o011)

        if not _has(about, 0o440) or not all(lets_through(folder) for folder, _ in folders):
            return None
        name = self._group_name(about.st_gid)
        return _principal(lambda: Principal.group(name)) if name else None


def has_extended_rights(path: Path) -> bool:
    """Whether more than owner, group and others have rights of their own; the group's bits then mislead."""
    if not hasattr(os, "getxattr"):
        return False
    for name in _EXTENDED_RIGHTS:
        try:
            os.getxattr(path, name, follow_symlinks=False)
        except OSError as error:
            if error.errno not in _NONE_THERE:
                raise
        else:
            return True
    return False


def _has(about: os.stat_result, bits: int) -> bool:
    return stat.S_IMODE(about.st_mode) & bits == bits


def _principal(make: Callable[[], Principal]) -> Principal | None:
    try:
        return make()
    except InputError:
        return None


@lru_cache(maxsize=4096)
def _user_name(uid: int) -> str | None:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return None


@lru_cache(maxsize=4096)
def _group_name(gid: int) -> str | None:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return None
