"""People and groups, and the only place where a person's set of principals is built."""

from dataclasses import dataclass

from sqlmodel import Session, col, delete, select

from app.core.clock import Clock, new_id, utc_now
from app.core.db import Database
from app.core.errors import ConflictError, InputError, NotFoundError
from app.core.identity import (
    DEFAULT_WORKSPACE_ID,
    EVERYONE,
    PUBLIC,
    Caller,
    Principal,
    normalise_email,
)
from app.core.tables import MembershipRow, UserRow


@dataclass(frozen=True, slots=True)
class Person:
    """A person as the directory shows them."""

    id: str
    email: str
    name: str
    team: str
    groups: tuple[str, ...]
    is_admin: bool
    disabled: bool
    about: str = ""


class Directory:
    """The people of one workspace."""

    def __init__(
        self, database: Database, *, workspace_id: str = DEFAULT_WORKSPACE_ID, clock: Clock = utc_now
    ) -> None:
        self._database = database
        self._workspace_id = workspace_id
        self._clock = clock

    def add(
        self,
        email: str,
        *,
        name: str | None = None,
        groups: tuple[str, ...] = (),
        team: str | None = None,
        is_admin: bool = False,
        about: str = "",
    ) -> Person:
        """Adds a person. The name defaults to the address' local part, the team to the first group.

        Raises:
            InputError: the address or a group name cannot be used.
            ConflictError: `user_exists`.
        """
        address = normalise_email(email)
        names = _group_names(groups)
        with self._database.write() as session:
            if self._find(session, address) is not None:
                raise ConflictError(
                    f"{address} is already here; change it with `user set`.", code="user_exists"
                )
            row = UserRow(
                id=new_id(),
                workspace_id=self._workspace_id,
                email=address,
                name=name or address.partition("@")[0],
                team=team or (names[0] if names else "company"),
                about=about,
                is_admin=is_admin,
                created_at=self._clock(),
            )
            session.add(row)
            session.flush()
            session.add_all(MembershipRow(user_id=row.id, group_name=group) for group in names)
            return _person(row, names)

    def set_groups(self, email: str, groups: tuple[str, ...]) -> Person:
        """Replaces a person's groups; it counts from the next question on.

        Raises:
            NotFoundError: `no_such_user`.
        """
        names = _group_names(groups)
        with self._database.write() as session:
            row = self._get(session, normalise_email(email))
            session.exec(delete(MembershipRow).where(col(MembershipRow.user_id) == row.id))
            session.add_all(MembershipRow(user_id=row.id, group_name=group) for group in names)
            return _person(row, names)

    def disable(self, email: str) -> None:
        """Takes away a person's access at once: sign-ins, links and keys stop working."""
        with self._database.write() as session:
            self._get(session, normalise_email(email)).disabled_at = self._clock()

    def list(self) -> list[Person]:
        with self._database.read() as session:
            rows = session.exec(
                select(UserRow).where(UserRow.workspace_id == self._workspace_id).order_by(UserRow.email)
            ).all()
            return [_person(row, self._groups(session, row.id)) for row in rows]

    def caller(self, email: str) -> Caller:
        """The caller that an address stands for.

        Raises:
            NotFoundError: `no_such_user`, also for a disabled person.
        """
        with self._database.read() as session:
            return self._caller(session, self._get(session, normalise_email(email)))

    def caller_by_id(self, user_id: str) -> Caller | None:
        """The caller with this id, or nothing if the person is gone or disabled."""
        with self._database.read() as session:
            row = session.get(UserRow, user_id)
            if row is None or row.disabled_at is not None or row.workspace_id != self._workspace_id:
                return None
            return self._caller(session, row)

    def _caller(self, session: Session, row: UserRow) -> Caller:
        if row.disabled_at is not None:
            raise NotFoundError(f"{row.email} may no longer sign in.", code="no_such_user")
        groups = self._groups(session, row.id)
        principals = {Principal.user(row.email), EVERYONE, PUBLIC} | {
            Principal.group(name) for name in groups
        }
        return Caller(
            workspace_id=row.workspace_id,
            user_id=row.id,
            email=row.email,
            name=row.name,
            team=row.team,
            principals=frozenset(principals),
            is_admin=row.is_admin,
        )

    def _find(self, session: Session, email: str) -> UserRow | None:
        return session.exec(
            select(UserRow).where(UserRow.workspace_id == self._workspace_id, UserRow.email == email)
        ).first()

    def _get(self, session: Session, email: str) -> UserRow:
        row = self._find(session, email)
        if row is None:
            raise NotFoundError(f"There is nobody here with the address {email}.", code="no_such_user")
        return row

    @staticmethod
    def _groups(session: Session, user_id: str) -> tuple[str, ...]:
        rows = session.exec(select(MembershipRow.group_name).where(MembershipRow.user_id == user_id)).all()
        return tuple(sorted(rows))


def _group_names(groups: tuple[str, ...]) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(Principal.group(group).name for group in groups))
    if len(names) > 500:
        raise InputError("A person may be in at most 500 groups.", code="too_many_groups")
    return names


def _person(row: UserRow, groups: tuple[str, ...]) -> Person:
    return Person(
        id=row.id,
        email=row.email,
        name=row.name,
        team=row.team,
        groups=groups,
        is_admin=row.is_admin,
        disabled=row.disabled_at is not None,
        about=row.about,
    )
