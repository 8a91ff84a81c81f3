"""Who asks, and who may read: plain values that every folder shares.

The rule of access is one line and lives in `may_read`: a person may read what names at least one of
their principals. An empty access list, or one that cannot be read, names nobody.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, Self

from app.core.errors import InputError

PrincipalKind = Literal["user", "group", "everyone", "public"]

DEFAULT_WORKSPACE_ID = "default"

OPERATOR = "operator"
"""Who acts on the command line, in the audit log."""

SYSTEM = "system"
"""Who acts when Rung does something by itself, such as a scheduled sync."""

_PART = r"[^@\s:,;<>()\[\]\\\"]+"
_EMAIL = re.compile(rf"{_PART}@{_PART}\.{_PART}")
_GROUP = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")


def normalise_email(text: str) -> str:
    """The one spelling under which an e-mail address is stored and compared.

    Raises:
        InputError: `invalid_email` when it is not an address.
    """
    email = text.strip().lower()
    # What cannot be printed looks like another address, and some databases cannot store it.
    if len(email) > 254 or not email.isprintable() or not _EMAIL.fullmatch(email):
        raise InputError(
            f"{text!r} is not an e-mail address; write it as name@example.com.", code="invalid_email"
        )
    return email


@dataclass(frozen=True, slots=True, order=True)
class Principal:
    """A user, a group, everyone who is signed in, or the public. Its text form is what the index stores."""

    kind: PrincipalKind
    name: str = ""

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}" if self.name else self.kind

    @classmethod
    def user(cls, email: str) -> Self:
        return cls("user", normalise_email(email))

    @classmethod
    def group(cls, name: str) -> Self:
        normal = name.strip().lower()
        if not _GROUP.fullmatch(normal):
            raise InputError(
                f"{name!r} is not a group name; use letters, digits, dot, dash and underscore.",
                code="invalid_group",
            )
        return cls("group", normal)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads `everyone`, `public`, `group:finance` or `user:name@example.com`.

        Raises:
            InputError: `invalid_principal` for anything else, so that a typo never widens access.
        """
        kind, colon, name = text.strip().partition(":")
        if kind in ("everyone", "public") and not colon:
            return cls("everyone" if kind == "everyone" else "public")
        if kind == "group":
            return cls.group(name)
        if kind == "user":
            return cls.user(name)
        raise InputError(
            f"{text!r} names nobody; write everyone, group:NAME or user:EMAIL.", code="invalid_principal"
        )


EVERYONE = Principal("everyone")
PUBLIC = Principal("public")

AccessList = frozenset[Principal]
"""The principals that may read a document. Empty means nobody."""

NOBODY: AccessList = frozenset()


def parse_access(entries: Iterable[str]) -> AccessList:
    """Reads an access list from its text forms.

    Raises:
        InputError: when any entry cannot be read; the whole list is refused then.
    """
    return frozenset(Principal.parse(entry) for entry in entries)


def may_read(access: AccessList, principals: frozenset[Principal]) -> bool:
    """The rule of access: true if the list names at least one of these principals."""
    return not access.isdisjoint(principals)


@dataclass(frozen=True, slots=True)
class Caller:
    """The person on whose behalf something is done, with every principal they stand for.

    `principals` holds the user, their groups, `everyone` and `public`; it is built by `app.core.directory`
    alone. `team` is the cost centre that pays.
    """

    workspace_id: str
    user_id: str
    email: str
    name: str
    team: str
    principals: frozenset[Principal]
    is_admin: bool = False
