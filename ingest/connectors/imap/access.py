"""Who may read a folder: its owner, or whom the access list of a shared folder names."""

from collections.abc import Iterable

from app.core.errors import InputError
from app.core.identity import EVERYONE, NOBODY, AccessList, Principal

_ALL = {"anyone", "authenticated"}


def read_acl(entries: Iterable[tuple[str, str]], *, owner: str | None) -> AccessList:
    """An access list from what GETACL gives: identifiers with rights, those with a dash in front taken away.

    Names without a domain get the owner's. What cannot be told apart is left out; where a right is taken from
    a group or from one of many, the list cannot be said here and is nobody.
    """
    given: set[Principal] = set()
    taken: set[Principal | None] = set()
    for who, rights in entries:
        if "r" not in rights:
            continue
        negative = who.startswith("-")
        principal = _principal(who.removeprefix("-"), owner)
        if negative:
            taken.add(principal)
        elif principal is not None:
            given.add(principal)
    if taken and (any(each is None or each.kind != "user" for each in taken) or _wide(given)):
        return NOBODY
    return frozenset(given - taken)


def _wide(given: set[Principal]) -> bool:
    return any(principal.kind != "user" for principal in given)


def _principal(identifier: str, owner: str | None) -> Principal | None:
    name = identifier.strip().removeprefix("#").removeprefix("!")
    try:
        if name.lower() in _ALL:
            return EVERYONE
        for mark in ("$", "group:", "group="):
            if name.lower().startswith(mark):
                return Principal.group(name[len(mark) :])
        name = name.removeprefix("user=").removeprefix("user:")
        if name.lower() == "owner":
            return Principal.user(owner) if owner else None
        if "@" not in name and owner:
            name = f"{name}@{owner.partition('@')[2]}"
        return Principal.user(name)
    except InputError:
        return None
