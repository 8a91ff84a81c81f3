"""The ledger: holds, charges and releases money for questions, and proves afterwards what it did.

Lock order is the workspace's chain, then its accounts, in every function here, so that questions queue for
each other and never deadlock.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlmodel import Session, select

from app.core.clock import Clock, new_id, utc_now
from app.core.db import Database
from app.core.errors import InputError
from app.core.identity import DEFAULT_WORKSPACE_ID, Caller
from app.core.usage import Receipt, Reservation, Work
from billing import entry, statement
from billing.budgets import accounts
from billing.budgets.accounts import Payer
from billing.chain import Chain, VerifyReport, verify
from billing.entry import Reserved
from billing.money import format_money
from billing.price_book import Plan, PriceBook, refuse_changed, refuse_edited
from billing.rating import full_price_of, highest_price
from billing.statement import Charge, EntryFilter, EntryPage, UsageSummary
from billing.tables import PlanUseRow

_EVERY_ENTRY = EntryFilter()


class Ledger:
    """The ledger of one installation; implements `app.core.usage.Meter`.

    `reserve`, `release` and `settle_open` open transactions of their own: never call them inside one.

    Args:
        plan_name: the plan that new questions are priced by.
        budget_cap_nano: most that a workspace may spend and hold in a calendar month (UTC); budgets that
            admins set count beside it.

    Raises:
        ConfigurationError: `unknown_plan`.
    """

    def __init__(
        self,
        database: Database,
        price_book: PriceBook,
        plan_name: str,
        *,
        clock: Clock = utc_now,
        budget_cap_nano: int | None = None,
    ) -> None:
        self._database = database
        self._book = price_book
        self._plan = price_book.plan(plan_name)
        self._clock = clock
        self._cap_nano = budget_cap_nano

    @property
    def plan(self) -> Plan:
        """The plan that new questions are priced by."""
        return self._plan

    def price_of(self, work: Work) -> int:
        """See `Meter.price_of`. Raises ConfigurationError `unpriced_tier`, InputError `negative_quantity`."""
        return full_price_of(self._plan, work)

    def reserve(self, caller: Caller, query_id: str, at_most: Sequence[Work]) -> Reservation:
        """See `Meter.reserve`. The question is accounted in the month it is reserved in.

        Raises:
            BudgetExceededError: says what is left; nothing is held then.
            ConfigurationError: `unpriced_tier`, or `currency_mixed`.
            IntegrityError: `plan_edited`.
        """
        plan, now = self._plan, self._clock()
        reservation = Reservation(
            id=new_id(),
            query_id=query_id,
            workspace_id=caller.workspace_id,
            team=caller.team,
            user_id=caller.user_id,
            held_nano=highest_price(plan, at_most),
            currency=plan.currency,
        )
        payer = Payer(caller.workspace_id, caller.team, caller.user_id, accounts.period_of(now))
        with self._database.write() as session:
            connection = session.connection()
            chain = Chain.lock(connection, caller.workspace_id)
            refuse_edited(connection, plan, now)
            accounts.hold(
                connection,
                payer,
                currency=plan.currency,
                nano=reservation.held_nano,
                setting_nano=self._cap_nano,
            )
            chain.append(entry.reserve_row(reservation, plan, payer.period, now))
        return reservation

    def commit(
        self, session: Session, reservation: Reservation, attempts: Sequence[Work], baseline: Work
    ) -> Receipt:
        """See `Meter.commit`. Priced by the plan of the reservation, also where that has changed since.

        Call it last in the transaction: it locks the workspace's chain until the end. Work whose hold was
        released in the meantime was still done, so it is charged all the same.

        Raises:
            InputError: `no_attempts` or `negative_quantity`.
            NotFoundError: `no_such_reservation`.
            ConfigurationError: `unpriced_tier` or `unknown_plan`.
            IntegrityError: `plan_edited`.
        """
        if not attempts:
            raise InputError("A commit needs at least one attempt; release it instead.", code="no_attempts")
        connection = session.connection()
        chain = Chain.lock(connection, reservation.workspace_id)
        reserved, later = entry.find(connection, reservation)
        if "commit" in later:
            return statement.receipt_from(entry.find_committed(session, reservation))
        plan, now = self._book.plan(reserved.price_book), self._clock()
        refuse_edited(connection, plan, now)
        freed_nano = 0 if later else reserved.held_nano
        rows = entry.commit_rows(reserved, plan, attempts, baseline, now)
        rows[0].held_nano = -freed_nano
        spent_nano = sum(row.price_nano for row in rows)
        rows[-1].note = _note(reserved, spent_nano, released=bool(later))
        accounts.settle(connection, _payer(reserved), freed_nano=freed_nano, spent_nano=spent_nano)
        return statement.receipt_from(chain.append(*rows))

    def release(self, reservation: Reservation, reason: str) -> None:
        """See `Meter.release`. Does nothing for what is committed or released already.

        Args:
            reason: a few words for the ledger, never the text of a question; kept to 200 characters.

        Raises:
            NotFoundError: `no_such_reservation`.
        """
        with self._database.write() as session:
            self._release(session, reservation, reason)

    def open_reservations(self) -> tuple[Reservation, ...]:
        """Every reservation that is neither committed nor released, oldest first."""
        with self._database.read() as session:
            return entry.find_open(session, None)

    def settle_open(self, reason: str, *, older_than: timedelta = timedelta(0)) -> tuple[Reservation, ...]:
        """Releases what a killed process left held, and returns it. For the start of the web server.

        Args:
            older_than: spares younger reservations, for where other processes answer questions meanwhile.
                One that is released too early is still charged when its answer comes.
        """
        before = self._clock() - older_than
        with self._database.read() as session:
            left_open = entry.find_open(session, before)
        released = []
        for reservation in left_open:
            with self._database.write() as session:
                if self._release(session, reservation, reason):
                    released.append(reservation)
        return tuple(released)

    def receipt(self, query_id: str) -> Receipt | None:
        """The receipt of a question, or nothing where no attempt was charged to it."""
        with self._database.read() as session:
            return statement.receipt(session, query_id)

    def charges(self, workspace_id: str, since: datetime) -> dict[str, Charge]:
        """What each question committed since then was charged, by query id."""
        with self._database.read() as session:
            return statement.charges(session, workspace_id, since)

    def entries(
        self,
        wanted: EntryFilter = _EVERY_ENTRY,
        *,
        workspace_id: str = DEFAULT_WORKSPACE_ID,
        before_seq: int | None = None,
        limit: int = 50,
    ) -> EntryPage:
        """A page of entries, newest first. Raises InputError `invalid_limit` outside 1 to 500."""
        with self._database.read() as session:
            return statement.entries(session, workspace_id, wanted, before_seq=before_seq, limit=limit)

    def summary(
        self,
        period: str | None = None,
        *,
        workspace_id: str = DEFAULT_WORKSPACE_ID,
        user_id: str | None = None,
    ) -> UsageSummary:
        """The sums of a month, this one by default, for a workspace or for one person in it."""
        with self._database.read() as session:
            return statement.summary(
                session,
                workspace_id,
                period or accounts.period_of(self._clock()),
                user_id=user_id,
                default_currency=self._plan.currency,
            )

    def verify(self) -> VerifyReport:
        """Checks every entry, the end of every chain and every account."""
        with self._database.read() as session:
            return verify(session)

    def check_plans(self) -> None:
        """Checks that each plan ever used is still here as it was. Reads only.

        Raises:
            IntegrityError: `plan_edited`.
            ConfigurationError: `unknown_plan` when the file of a used plan is gone.
        """
        with self._database.read() as session:
            for used in session.exec(select(PlanUseRow)).all():
                refuse_changed(used, self._book.plan(used.name))

    def _release(self, session: Session, reservation: Reservation, reason: str) -> bool:
        """Whether there was a hold to free."""
        connection = session.connection()
        chain = Chain.lock(connection, reservation.workspace_id)
        reserved, later = entry.find(connection, reservation)
        if later:
            return False
        accounts.settle(connection, _payer(reserved), freed_nano=reserved.held_nano, spent_nano=0)
        chain.append(entry.release_row(reserved, reason, self._clock()))
        return True


def _payer(reserved: Reserved) -> Payer:
    """The accounts that were held in, also where the asker has changed teams since."""
    return Payer(reserved.workspace_id, reserved.team, reserved.user_id, reserved.period)


def _note(reserved: Reserved, spent_nano: int, *, released: bool) -> str | None:
    """What an auditor should know about a commit that is not as usual."""
    notes = []
    if released:
        notes.append("charged after its hold was released")
    if spent_nano > reserved.held_nano:
        excess = format_money(spent_nano - reserved.held_nano, reserved.currency)
        notes.append(f"{excess} more than was held")
    return "; ".join(notes) or None
