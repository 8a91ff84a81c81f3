"""Who may read a folder: its owner, and whom its access list names."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from app.core.errors import InputError
from app.core.identity import EVERYONE, NOBODY, AccessList, Principal

_ANYONE, _AUTHENTICATED, _GROUP, _USER, _OVERRIDE = range(5)
_MARKS = {"$": _GROUP, "group:": _GROUP, "group=": _GROUP, "!": _OVERRIDE}


@dataclass(frozen=True, slots=True)
class _Entry:
    """`principal` is nobody that Rung can name where it is `None`. A `rank` replaces those below it."""

    rank: int
    principal: Principal | None
    reads: bool
    negative: bool


def read_acl(entries: Iterable[tuple[str, str]], *, owner: str | None, domain: str = "") -> AccessList:
    """An access list from what GETACL gives: identifiers with rights, those with a dash in front taken away.

    An identifier replaces what a wider one gives, so one without the right to read takes it away from its
    own. Where that cannot be said as a list of those who may read, the list is nobody.

    Args:
        owner: the e-mail address of the person whose folder it is, if of one person.
        domain: what is added to names without one.
    """
    read = [_entry(who, rights, owner, domain) for who, rights in entries]
    given = [each for each in read if each.reads and not each.negative]
    wide = [each for each in given if each.principal is not None and each.principal.kind != "user"]
    taken: set[Principal | None] = set()
    for each in read:
        if each.reads and not each.negative:
            continue
        if each.negative and not each.reads:
            continue
        replaced = wide if each.negative else [other for other in wide if other.rank < each.rank]
        if each.rank in (_ANYONE, _AUTHENTICATED) and not each.negative:
            taken |= {EVERYONE for other in replaced if other.rank == _ANYONE}
        elif each.rank == _USER and not replaced and each.principal is not None:
            taken.add(each.principal)
        elif replaced or each.negative or each.rank == _OVERRIDE:
            return NOBODY
    return frozenset(each.principal for each in given if each.principal is not None) - taken


def _entry(identifier: str, rights: str, owner: str | None, domain: str) -> _Entry:
    negative = identifier.startswith("-")
    name = identifier.removeprefix("-").strip().removeprefix("#")
    reads, low = "r" in rights, name.lower()
    if low == "anyone":
        return _Entry(_ANYONE, EVERYONE, reads, negative)
    if low == "authenticated":
        return _Entry(_AUTHENTICATED, EVERYONE, reads, negative)
    for mark, rank in _MARKS.items():
        if low.startswith(mark):
            return _Entry(rank, _named(Principal.group, name[len(mark) :]), reads, negative)
    name = name.removeprefix("user=").removeprefix("user:")
    if low == "owner":
        return _Entry(_USER, Principal.user(owner) if owner else None, reads, negative)
    return _Entry(_USER, person(name, domain), reads, negative)


def person(name: str, domain: str) -> Principal | None:
    """A user by the name that the server knows, with this domain where the name has none."""
    return _named(Principal.user, f"{name}@{domain}" if "@" not in name and domain else name)


def _named(make: Callable[[str], Principal], name: str) -> Principal | None:
    try:
        return make(name)
    except InputError:
        return None
