"""What admins set: one dated entry a decision. The latest of each scope counts, and none is overwritten."""

from collections.abc import Iterator

from sqlmodel import Session, col, select

from app.core.clock import Clock, utc_now
from app.core.db import Database
from app.core.directory import Directory, Person
from app.core.errors import BudgetScope, ForbiddenError, InputError, NotFoundError
from app.core.identity import Caller, normalise_email
from billing.budgets.accounts import lowest, period_of
from billing.budgets.forecast import forecast_nano
from billing.budgets.tables import BudgetRow, ShareRow
from billing.budgets.values import Budget, BudgetEntry, Target
from billing.chain import Chain
from billing.tables import AccountRow


class Budgets:
    """The budgets of an installation. Amounts are nano-units of the price plan's currency.

    Args:
        setting_nano: the workspace's limit from the settings; no entry reaches above it.
    """

    def __init__(
        self,
        database: Database,
        directory: Directory,
        *,
        currency: str,
        setting_nano: int | None = None,
        clock: Clock = utc_now,
    ) -> None:
        self._database = database
        self._directory = directory
        self._setting_nano = setting_nano
        self._clock = clock
        self.currency = currency

    @property
    def setting_nano(self) -> int | None:
        """The workspace's limit from the settings."""
        return self._setting_nano

    @property
    def period(self) -> str:
        """The running month, such as `2026-11`."""
        return period_of(self._clock())

    def list(self, workspace_id: str) -> tuple[Budget, ...]:
        """The workspace's, limited or not, then every team's and person's that is set, by name."""
        names = self._names()
        with self._database.read() as session:
            latest = {(row.scope, row.scope_id): row for row in _rows(session, workspace_id)}
            keys = [key for key, row in latest.items() if key[0] != "workspace" and row.cap_nano is not None]
            targets = [_target(scope, scope_id, names) for scope, scope_id in keys]
            company = _target("workspace", "", names)
            ordered = [company, *sorted(targets, key=lambda it: (it.scope, it.name.lower(), it.id))]
            return tuple(
                self._budget(session, workspace_id, it, latest.get((it.scope, it.id))) for it in ordered
            )

    def of(self, workspace_id: str, target: Target) -> Budget:
        """One budget, set or not."""
        with self._database.read() as session:
            row = _latest(session, workspace_id, target)
            return self._budget(session, workspace_id, target, row)

    def own(self, caller: Caller) -> Budget | None:
        """The caller's own budget, or nothing where they have none."""
        found = self.of(caller.workspace_id, Target("user", caller.user_id, caller.name))
        return found if found.cap_nano is not None else None

    def history(self, workspace_id: str, *, limit: int = 20) -> tuple[BudgetEntry, ...]:
        """What was decided, newest first."""
        names = self._names()
        with self._database.read() as session:
            newest = session.exec(
                select(BudgetRow)
                .where(BudgetRow.workspace_id == workspace_id)
                .order_by(col(BudgetRow.number).desc())
                .limit(limit)
            )
            return tuple(
                BudgetEntry(
                    _target(row.scope, row.scope_id, names), row.cap_nano, row.currency, row.set_by, row.since
                )
                for row in newest
            )

    def teams(self, workspace_id: str) -> tuple[str, ...]:
        """Every team that somebody is in, or that was charged for a question this month."""
        with self._database.read() as session:
            charged = session.exec(
                select(ShareRow.scope_id).where(
                    ShareRow.workspace_id == workspace_id,
                    ShareRow.scope == "team",
                    ShareRow.period == self.period,
                )
            ).all()
        return tuple(sorted({person.team for person in self.people()} | set(charged)))

    def people(self) -> tuple[Person, ...]:
        """Everyone who may ask, by address."""
        return tuple(person for person in self._directory.list() if not person.disabled)

    def target(self, workspace_id: str, scope: str, value: str) -> Target:
        """Whose budget is meant.

        Args:
            scope: `workspace`, `team` or `user`.
            value: a team's name or a person's e-mail address; empty for the workspace.

        Raises:
            InputError: `bad_scope` or `invalid_email`.
            NotFoundError: `no_such_team` or `no_such_user`.
        """
        if scope == "workspace" and not value:
            return _target("workspace", "", {})
        if scope == "team" and value:
            return self._team(workspace_id, value)
        if scope == "user" and value:
            return self._person(workspace_id, normalise_email(value))
        raise InputError("Say whose budget: the workspace's, a team's or a person's.", code="bad_scope")

    def set(self, caller: Caller, target: Target, cap_nano: int) -> Budget:
        """Sets a budget from now on; the next question counts by it.

        Raises:
            ForbiddenError: `admin_only`.
        """
        self._write(caller, target, cap_nano)
        return self.of(caller.workspace_id, target)

    def remove(self, caller: Caller, target: Target) -> None:
        """Takes a budget away from now on.

        Raises:
            ForbiddenError: `admin_only`.
            NotFoundError: `no_such_budget`.
        """
        self._write(caller, target, None)

    def _write(self, caller: Caller, target: Target, cap_nano: int | None) -> None:
        if not caller.is_admin:
            raise ForbiddenError("Only an admin may set budgets.", code="admin_only")
        with self._database.write() as session:
            # Questions of this workspace wait meanwhile: none is held by half of a decision.
            Chain.lock(session.connection(), caller.workspace_id)
            before = _latest(session, caller.workspace_id, target)
            if cap_nano is None and (before is None or before.cap_nano is None):
                raise NotFoundError(
                    f"{target.name} has no budget that could be removed.", code="no_such_budget"
                )
            session.add(
                BudgetRow(
                    workspace_id=caller.workspace_id,
                    number=_last_number(session, caller.workspace_id) + 1,
                    scope=target.scope,
                    scope_id=target.id,
                    cap_nano=cap_nano,
                    currency=self.currency,
                    set_by=caller.user_id,
                    since=self._clock(),
                )
            )

    def _budget(self, session: Session, workspace_id: str, target: Target, row: BudgetRow | None) -> Budget:
        now = self._clock()
        spent, held = _used(session, workspace_id, period_of(now), target)
        entered = row.cap_nano if row else None
        setting = self._setting_nano if target.scope == "workspace" else None
        cap = lowest(entered, setting)
        is_set = row is not None and entered is not None
        other_currency = row is not None and is_set and row.currency != self.currency
        return Budget(
            target=target,
            cap_nano=cap,
            currency=row.currency if row is not None and is_set else self.currency,
            spent_nano=spent,
            held_nano=held,
            left_nano=None if cap is None or other_currency else max(cap - spent - held, 0),
            forecast_nano=forecast_nano(spent, now),
            set_by=row.set_by if row is not None and is_set else None,
            since=row.since if row is not None and is_set else None,
            from_setting=setting is not None and (entered is None or setting < entered),
            other_currency=other_currency,
        )

    def _team(self, workspace_id: str, name: str) -> Target:
        if name not in self.teams(workspace_id) and not self._was_set(workspace_id, "team", name):
            known = ", ".join(self.teams(workspace_id)) or "none yet"
            raise NotFoundError(f"There is no team {name[:80]!r}. Teams here: {known}.", code="no_such_team")
        return _target("team", name, {})

    def _person(self, workspace_id: str, email: str) -> Target:
        found = next((person for person in self._directory.list() if person.email == email), None)
        if found is None or (found.disabled and not self._was_set(workspace_id, "user", found.id)):
            raise NotFoundError(f"There is nobody here with the address {email}.", code="no_such_user")
        return _target("user", found.id, {found.id: found.name})

    def _was_set(self, workspace_id: str, scope: BudgetScope, scope_id: str) -> bool:
        with self._database.read() as session:
            return _latest(session, workspace_id, Target(scope, scope_id, "")) is not None

    def _names(self) -> dict[str, str]:
        return {person.id: person.name for person in self._directory.list()}


def _target(scope: str, scope_id: str, names: dict[str, str]) -> Target:
    if scope == "workspace":
        return Target("workspace", "", "The whole company")
    if scope == "team":
        return Target("team", scope_id, f"Team {scope_id}")
    return Target("user", scope_id, names.get(scope_id, "Somebody who left"))


def _rows(session: Session, workspace_id: str) -> Iterator[BudgetRow]:
    return iter(
        session.exec(
            select(BudgetRow).where(BudgetRow.workspace_id == workspace_id).order_by(col(BudgetRow.number))
        )
    )


def _latest(session: Session, workspace_id: str, target: Target) -> BudgetRow | None:
    return session.exec(
        select(BudgetRow)
        .where(
            BudgetRow.workspace_id == workspace_id,
            BudgetRow.scope == target.scope,
            BudgetRow.scope_id == target.id,
        )
        .order_by(col(BudgetRow.number).desc())
        .limit(1)
    ).first()


def _last_number(session: Session, workspace_id: str) -> int:
    found = session.exec(
        select(BudgetRow.number)
        .where(BudgetRow.workspace_id == workspace_id)
        .order_by(col(BudgetRow.number).desc())
        .limit(1)
    ).first()
    return found or 0


def _used(session: Session, workspace_id: str, period: str, target: Target) -> tuple[int, int]:
    account: AccountRow | ShareRow | None
    if target.scope == "workspace":
        account = session.get(AccountRow, (workspace_id, period))
    else:
        account = session.get(ShareRow, (workspace_id, period, target.scope, target.id))
    return (account.spent_nano, account.held_nano) if account else (0, 0)
