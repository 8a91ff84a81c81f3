import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import DatabaseError
from sqlmodel import Session, SQLModel, select

from app.core.db import Database
from app.core.directory import Directory
from app.core.errors import (
    BudgetExceededError,
    BudgetScope,
    ConfigurationError,
    ForbiddenError,
    InputError,
    NotFoundError,
)
from app.core.identity import DEFAULT_WORKSPACE_ID, Caller
from billing.budgets.amounts import MAX_CAP_NANO, parse_cap
from billing.budgets.book import Budgets
from billing.budgets.forecast import forecast_nano
from billing.budgets.tables import BudgetRow, ShareRow
from billing.budgets.values import Target
from billing.ledger import Ledger
from billing.price_book import PriceBook
from billing.tables import AccountRow, LedgerRow
from tests.billing.conftest import PRICES_NANO, Books, SetClock, caller, work
from tests.billing.plans import flat_plan

PREMIUM = PRICES_NANO["premium"]
COMPANY = Target("workspace", "", "")
FINANCE = Target("team", "finance", "")
ANA = Target("user", "ana", "")
ADMIN = Caller(
    DEFAULT_WORKSPACE_ID, "boss", "boss@example.com", "Boss", "company", frozenset(), is_admin=True
)


def budgets_of(books: Books) -> Budgets:
    people = Directory(books.database)
    return Budgets(books.database, people, currency="EUR", setting_nano=books.cap_nano, clock=books.clock)


def share(books: Books, scope: str, scope_id: str, period: str = "2026-11") -> tuple[int, int]:
    """Spent and held."""
    with books.database.read() as session:
        row = session.get(ShareRow, (DEFAULT_WORKSPACE_ID, period, scope, scope_id))
        return (row.spent_nano, row.held_nano) if row else (0, 0)


def of_team(user_id: str, team: str) -> Caller:
    return replace(caller(user_id), team=team)


@pytest.mark.parametrize(
    ("target", "code", "whose"),
    [
        (ANA, "user_budget_exceeded", "Your budget of this month"),
        (FINANCE, "team_budget_exceeded", "The team's budget of this month"),
        (COMPANY, "budget_exceeded", "The company's budget of this month"),
    ],
)
def test_each_scope_holds_and_says_whose_budget_it_is(
    books: Books, target: Target, code: str, whose: str
) -> None:
    budgets_of(books).set(ADMIN, target, PREMIUM + 1)
    books.reserve()
    with pytest.raises(
        BudgetExceededError, match=r"may cost 0\.50 ct, and 0\.0000001 ct of .* is left"
    ) as no:
        books.reserve("q2")
    assert (no.value.code, no.value.whose, no.value.scope) == (code, whose, target.scope)
    assert len(books.ledger.entries().entries) == 1
    assert share(books, "user", "ana") == share(books, "team", "finance") == (0, PREMIUM)
    assert books.reserve("q3", work("cached")).held_nano == 0


def test_of_several_used_up_budgets_the_askers_own_is_named(books: Books) -> None:
    for target in (COMPANY, FINANCE, ANA):
        budgets_of(books).set(ADMIN, target, 0)
    with pytest.raises(BudgetExceededError) as no:
        books.reserve()
    assert no.value.scope == "user"


def test_another_person_or_team_is_not_held_back(books: Books) -> None:
    budgets_of(books).set(ADMIN, FINANCE, PREMIUM)
    budgets_of(books).set(ADMIN, Target("user", "tom", ""), 0)
    books.reserve()
    assert books.reserve("q2", who=of_team("eva", "sales")).held_nano == PREMIUM
    with pytest.raises(BudgetExceededError):
        books.reserve("q3", who=of_team("tom", "sales"))


def test_the_latest_entry_counts_and_none_is_overwritten(books: Books) -> None:
    budgets = budgets_of(books)
    budgets.set(ADMIN, ANA, 0)
    with pytest.raises(BudgetExceededError):
        books.reserve()
    books.clock.now += timedelta(hours=1)
    assert budgets.set(ADMIN, ANA, PREMIUM).left_nano == PREMIUM
    books.reserve("q2")
    budgets.remove(ADMIN, ANA)
    assert budgets.of(DEFAULT_WORKSPACE_ID, ANA).cap_nano is None
    books.reserve("q3")
    history = budgets.history(DEFAULT_WORKSPACE_ID)
    assert [(entry.cap_nano, entry.set_by, entry.target.scope) for entry in history] == [
        (None, "boss", "user"),
        (PREMIUM, "boss", "user"),
        (0, "boss", "user"),
    ]
    assert history[0].since - history[2].since == timedelta(hours=1)


def test_what_was_set_cannot_be_changed_behind_its_back(books: Books) -> None:
    budgets_of(books).set(ADMIN, ANA, 5)
    for statement in ("UPDATE budget_entry SET cap_nano = 9", "DELETE FROM budget_entry"):
        with pytest.raises(DatabaseError, match="set anew"), books.database.write() as session:
            session.connection().execute(text(statement))
    with books.database.read() as session:
        assert [row.cap_nano for row in session.exec(select(BudgetRow))] == [5]


def test_an_entry_cannot_be_replaced_on_sqlite(sqlite_database: Database) -> None:
    books = Books(sqlite_database)
    budgets_of(books).set(ADMIN, ANA, 5)
    replacing = (
        "INSERT OR REPLACE INTO budget_entry"
        " (workspace_id, number, scope, scope_id, cap_nano, currency, set_by, since)"
        " SELECT workspace_id, number, scope, scope_id, 9, currency, set_by, since FROM budget_entry"
    )
    with pytest.raises(DatabaseError, match="REPLACE refused"), books.database.write() as session:
        session.connection().execute(text(replacing))


def test_only_an_admin_sets_budgets_and_only_what_is_there_is_removed(books: Books) -> None:
    budgets = budgets_of(books)
    with pytest.raises(ForbiddenError):
        budgets.set(caller(), ANA, 5)
    with pytest.raises(ForbiddenError):
        budgets.remove(caller(), ANA)
    with pytest.raises(NotFoundError) as refused:
        budgets.remove(ADMIN, ANA)
    assert refused.value.code == "no_such_budget"
    budgets.set(ADMIN, ANA, 5)
    budgets.remove(ADMIN, ANA)
    with pytest.raises(NotFoundError):
        budgets.remove(ADMIN, ANA)


def test_the_setting_and_the_workspaces_budget_both_hold(database: Database) -> None:
    books = Books(database, cap_nano=2 * PREMIUM)
    budgets = budgets_of(books)
    assert budgets.list(DEFAULT_WORKSPACE_ID)[0].from_setting
    assert budgets.set(ADMIN, COMPANY, PREMIUM).cap_nano == PREMIUM
    books.reserve()
    with pytest.raises(BudgetExceededError):
        books.reserve("q2")
    raised = budgets.set(ADMIN, COMPANY, 9 * PREMIUM)
    assert (raised.cap_nano, raised.from_setting, raised.left_nano) == (2 * PREMIUM, True, PREMIUM)
    books.reserve("q3")
    with pytest.raises(BudgetExceededError):
        books.reserve("q4")


def test_a_question_counts_for_the_team_it_was_asked_in(books: Books) -> None:
    reservation = books.reserve(who=of_team("ana", "finance"))
    books.ask("q2", work("premium"), who=of_team("ana", "sales"))
    books.commit(reservation, [work("premium")])
    assert share(books, "team", "finance") == share(books, "team", "sales") == (PREMIUM, 0)
    assert share(books, "user", "ana") == (2 * PREMIUM, 0)
    assert books.ledger.verify().ok


def test_a_budget_is_of_a_month(books: Books) -> None:
    budgets_of(books).set(ADMIN, ANA, PREMIUM)
    books.reserve()
    books.clock.now += timedelta(days=30)
    assert books.reserve("q2").held_nano == PREMIUM


def test_workspaces_share_no_budget(books: Books) -> None:
    budgets_of(books).set(ADMIN, FINANCE, 0)
    assert books.reserve(who=caller(workspace_id="acme")).held_nano == PREMIUM


def test_a_budget_in_a_currency_the_plan_has_left_is_said_and_never_compared(books: Books) -> None:
    budgets_of(books).set(ADMIN, ANA, PREMIUM)
    plan = flat_plan(PRICES_NANO, "flat.2026-12", "USD")
    dollars = Ledger(books.database, PriceBook({plan.name: plan}), plan.name, clock=books.clock)
    with pytest.raises(ConfigurationError, match=r"EUR.*USD") as refused:
        dollars.reserve(caller(), "q1", [work("premium")])
    assert refused.value.code == "budget_currency"
    assert dollars.reserve(caller(), "q2", [work("cached")]).held_nano == 0
    shown = Budgets(books.database, Directory(books.database), currency="USD", clock=books.clock)
    assert shown.of(DEFAULT_WORKSPACE_ID, ANA).other_currency
    assert shown.of(DEFAULT_WORKSPACE_ID, ANA).left_nano is None
    shown.set(ADMIN, ANA, PREMIUM)
    assert dollars.reserve(caller(), "q3", [work("premium")]).currency == "USD"


@pytest.mark.parametrize("scope", ["team", "user"])
def test_an_altered_share_is_found(books: Books, scope: str) -> None:
    books.ask("q1")
    with books.database.write() as session:
        session.connection().execute(
            text("UPDATE ledger_share SET spent_nano = 0 WHERE scope = :scope"), {"scope": scope}
        )
    report = books.ledger.verify()
    assert not report.ok and report.first_bad is not None
    assert (report.first_bad.check, report.first_bad.period) == ("sum", "2026-11")
    assert {"team": "team finance", "user": "person ana"}[scope] in report.first_bad.message


def test_a_share_without_entries_is_found(books: Books) -> None:
    books.ask("q1")
    with books.database.write() as session:
        session.add(
            ShareRow(workspace_id="default", period="2026-11", scope="team", scope_id="x", spent_nano=1)
        )
    assert not books.ledger.verify().ok


@pytest.fixture
def company(books: Books) -> Iterator[Budgets]:
    people = Directory(books.database)
    people.add("ana@example.com", name="Ana", team="finance")
    people.add("left@example.com", name="Lee", team="sales")
    people.disable("left@example.com")
    yield budgets_of(books)


def test_whose_budget_is_found_by_name_and_address(company: Budgets) -> None:
    assert company.target("default", "workspace", "") == Target("workspace", "", "The whole company")
    assert company.target("default", "team", "finance") == Target("team", "finance", "Team finance")
    assert company.target("default", "user", " Ana@Example.com ").name == "Ana"


@pytest.mark.parametrize(
    ("scope", "value", "code"),
    [
        ("team", "sales", "no_such_team"),
        ("team", "Finance", "no_such_team"),
        ("team", "", "bad_scope"),
        ("user", "eva@example.com", "no_such_user"),
        ("user", "left@example.com", "no_such_user"),
        ("user", "nonsense", "invalid_email"),
        ("planet", "mars", "bad_scope"),
        ("workspace", "x", "bad_scope"),
    ],
)
def test_an_unknown_team_or_person_is_refused(company: Budgets, scope: str, value: str, code: str) -> None:
    with pytest.raises((NotFoundError, InputError)) as refused:
        company.target("default", scope, value)
    assert refused.value.code == code


def test_the_budget_of_who_left_can_still_be_removed(books: Books, company: Budgets) -> None:
    (ana,) = (person for person in company.people())
    target = company.target("default", "user", "ana@example.com")
    company.set(ADMIN, target, 5)
    Directory(books.database).disable(ana.email)
    company.remove(ADMIN, company.target("default", "user", "ana@example.com"))
    assert len(company.list("default")) == 1


def test_the_list_shows_what_each_has_used(books: Books, company: Budgets) -> None:
    person = company.target("default", "user", "ana@example.com")
    company.set(ADMIN, person, 10 * PREMIUM)
    company.set(ADMIN, company.target("default", "team", "finance"), PREMIUM)
    who = replace(caller(person.id), name="Ana")
    books.clock.now = datetime(2026, 11, 16, tzinfo=UTC)
    books.ask("q1", work("premium"), who=who)
    company_row, team, own = company.list("default")
    assert (company_row.cap_nano, company_row.spent_nano, company_row.left_nano) == (None, PREMIUM, None)
    assert (team.target.name, team.left_nano, team.forecast_nano) == ("Team finance", 0, 2 * PREMIUM)
    assert (own.spent_nano, own.held_nano, own.left_nano) == (PREMIUM, 0, 9 * PREMIUM)
    assert company.own(who) == own
    assert company.own(caller("tom")) is None


def test_a_forecast_needs_a_day() -> None:
    assert forecast_nano(100, datetime(2026, 11, 1, 23, 59, tzinfo=UTC)) is None
    assert forecast_nano(100, datetime(2026, 11, 2, tzinfo=UTC)) == 3000
    assert forecast_nano(100, datetime(2026, 2, 15, tzinfo=UTC)) == 200


def test_an_amount_is_read_in_the_plans_currency() -> None:
    assert (
        parse_cap("50.00", "EUR")
        == parse_cap(" 50 EUR ", "EUR")
        == parse_cap("50.00 eur", "EUR")
        == 50 * 10**9
    )
    assert parse_cap("0", "EUR") == 0
    assert parse_cap("1000000000", "EUR") == MAX_CAP_NANO


@pytest.mark.parametrize(
    ("written", "code"),
    [
        ("", "no_amount"),
        ("  ", "no_amount"),
        ("-5", "negative_amount"),
        ("-0.000000001", "negative_amount"),
        ("1000000000.000000001", "amount_too_large"),
        ("99999999999999999999", "amount_too_large"),
        ("9" * 5000, "amount_too_large"),
        ("12,50", "invalid_amount"),
        ("1e9", "invalid_amount"),
        ("NaN", "invalid_amount"),
        ("Infinity", "invalid_amount"),
        ("٣", "invalid_amount"),
        ("1.0000000001", "invalid_amount"),
        ("€5", "invalid_amount"),
        ("5 €", "invalid_amount"),
        ("5 USD", "other_currency"),
        ("five", "invalid_amount"),
        ("5\x00", "invalid_amount"),
    ],
)
def test_what_is_no_budget_is_refused(written: str, code: str) -> None:
    with pytest.raises(InputError) as refused:
        parse_cap(written, "EUR")
    assert refused.value.code == code
    assert len(refused.value.message) < 200


def test_eight_hundred_at_once_against_room_for_a_hundred_admit_exactly_a_hundred(books: Books) -> None:
    budgets_of(books).set(ADMIN, COMPANY, 300 * PREMIUM)
    budgets_of(books).set(ADMIN, FINANCE, 100 * PREMIUM + PREMIUM - 1)
    budgets_of(books).set(ADMIN, ANA, 200 * PREMIUM)
    books.ledger.release(books.reserve("first"), "opens the accounts")
    start = threading.Barrier(800)

    def ask(number: int) -> str:
        start.wait(60)
        try:
            reservation = books.reserve(f"q{number}", work("premium"))
        except BudgetExceededError:
            reservation = books.reserve(f"q{number}", work("cached"))
        return "premium" if reservation.held_nano else "cached"

    with ThreadPoolExecutor(800) as threads:
        rungs = list(threads.map(ask, range(800)))
    assert (rungs.count("premium"), rungs.count("cached")) == (100, 700)
    assert share(books, "user", "ana") == share(books, "team", "finance") == (0, 100 * PREMIUM)
    assert books.ledger.verify().ok


def test_racing_questions_of_several_people_pass_no_budget_and_never_deadlock(books: Books) -> None:
    budgets = budgets_of(books)
    budgets.set(ADMIN, COMPANY, 77 * PREMIUM)
    budgets.set(ADMIN, FINANCE, 20 * PREMIUM)
    for user in ("u0", "u1"):
        budgets.set(ADMIN, Target("user", user, ""), 7 * PREMIUM)

    def ask(number: int) -> None:
        who = of_team(f"u{number % 6}", ("finance", "sales")[number % 2])
        try:
            books.ask(f"q{number}", work("premium"), who=who)
        except BudgetExceededError:
            return

    with ThreadPoolExecutor(12) as threads:
        list(threads.map(ask, range(150)))
    assert share(books, "user", "u0")[0] <= 7 * PREMIUM
    assert share(books, "user", "u1") == (7 * PREMIUM, 0)
    assert share(books, "team", "finance") == (20 * PREMIUM, 0)
    assert share(books, "team", "sales") == (57 * PREMIUM, 0)
    assert books.ledger.verify().ok


USERS, TEAMS = ("ana", "tom"), ("finance", "sales")
a_step = st.one_of(
    st.tuples(st.just("reserve"), st.sampled_from(USERS), st.sampled_from(TEAMS)),
    st.tuples(st.sampled_from(["commit", "release", "roll back"]), st.integers(0, 5), st.just("")),
    st.tuples(
        st.just("set"),
        st.sampled_from(["workspace:", *(f"team:{t}" for t in TEAMS), *(f"user:{u}" for u in USERS)]),
        st.integers(0, 4),
    ),
)


@pytest.fixture(scope="module")
def spare_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("any-order") / "rung.db"


@settings(max_examples=25, deadline=None)
@given(steps=st.lists(a_step, max_size=25))
def test_in_any_order_no_budget_is_passed_and_the_accounts_are_the_sums_of_the_chain(
    spare_database: Path, steps: list[tuple[str, str | int, str | int]]
) -> None:
    spare_database.unlink(missing_ok=True)
    database = Database(f"sqlite:///{spare_database}")
    SQLModel.metadata.create_all(database.engine)
    world = World(Books(database))
    try:
        for kind, first, second in steps:
            world.take(kind, first, second)
        assert world.books.ledger.verify().ok
        world.compare()
    finally:
        database.close()


class World:
    """Steps in any order. A budget may be set below what is used: then nothing more may be held."""

    def __init__(self, books: Books) -> None:
        self.books = books
        self.budgets = budgets_of(books)
        self.caps: dict[tuple[str, str], int] = {}
        self.made = []  # type: ignore[var-annotated]

    def take(self, kind: str, first: str | int, second: str | int) -> None:
        if kind == "set":
            scope, _, scope_id = str(first).partition(":")
            self.set_cap(scope, scope_id, int(second) * PREMIUM)  # type: ignore[arg-type]
        elif kind == "reserve":
            self.reserve(str(first), str(second))
        elif self.made:
            self.end(kind, self.made[int(first) % len(self.made)])

    def set_cap(self, scope: BudgetScope, scope_id: str, cap_nano: int) -> None:
        self.budgets.set(ADMIN, Target(scope, scope_id, ""), cap_nano)
        self.caps[scope, scope_id] = cap_nano

    def reserve(self, user_id: str, team: str) -> None:
        keys = (("workspace", ""), ("team", team), ("user", user_id))
        fits = all(self.used(*key) + PREMIUM <= self.caps.get(key, 2**62) for key in keys)
        try:
            self.made.append(self.books.reserve(f"q{len(self.made)}", who=of_team(user_id, team)))
        except BudgetExceededError as refused:
            assert not fits
            assert (
                self.used(refused.scope, dict(keys)[refused.scope]) + PREMIUM
                > self.caps[refused.scope, dict(keys)[refused.scope]]
            )
        else:
            assert fits

    def end(self, kind: str, reservation) -> None:  # type: ignore[no-untyped-def]
        if kind == "commit":
            self.books.commit(reservation, [work("premium")])
        elif kind == "release":
            self.books.ledger.release(reservation, "test")
        else:
            with pytest.raises(ZeroDivisionError), self.books.database.write() as session:
                self.books.ledger.commit(session, reservation, [work()], work("premium"))
                raise ZeroDivisionError

    def used(self, scope: str, scope_id: str) -> int:
        """Spent and held, from the chain alone."""
        with self.books.database.read() as session:
            return sum(
                row.held_nano + row.price_nano
                for row in session.exec(select(LedgerRow))
                if scope == "workspace" or scope_id == (row.team if scope == "team" else row.user_id)
            )

    def compare(self) -> None:
        with self.books.database.read() as session:
            for row in session.exec(select(ShareRow)):
                assert row.spent_nano + row.held_nano == self.used(row.scope, row.scope_id)
                assert row.held_nano >= 0
            for account in session.exec(select(AccountRow)):
                assert account.spent_nano + account.held_nano == self.used("workspace", "")


def test_an_older_ledger_gets_its_shares_by_migration(
    database: Database, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    if database.is_sqlite:
        old = Database(f"sqlite:///{tmp_path / 'old.db'}")
    else:
        old = request.getfixturevalue("make_postgres")()
    try:
        _migrate(old, "0006")
        _copy_ledger_into(old, database)
        _migrate(old, "0007")
        books = Books(old, clock=SetClock())
        with old.read() as session:
            assert _shares(session) == {
                ("team", "finance"): (PREMIUM, PREMIUM),
                ("team", "sales"): (PREMIUM, 0),
                ("user", "ana"): (2 * PREMIUM, 0),
                ("user", "tom"): (0, PREMIUM),
            }
        report = books.ledger.verify()
        assert report.ok, report.problem
    finally:
        old.close()


def _migrate(database: Database, revision: str) -> None:
    from app import migrations

    folder = Path(migrations.__file__).parent
    config = Config()
    config.set_main_option("script_location", str(folder))
    config.attributes["engine"] = database.engine
    command.upgrade(config, revision)


def _copy_ledger_into(old: Database, used: Database) -> None:
    """Questions asked on the newest tables, carried over to the old ones."""
    books = Books(used)
    books.ask("q1", work("premium"))
    books.ask("q2", work("premium"), who=of_team("ana", "sales"))
    books.reserve("q3", who=of_team("tom", "finance"))
    for name in ("price_plan_use", "ledger_head", "ledger_account", "ledger"):
        table = SQLModel.metadata.tables[name]
        with used.read() as session, old.write() as writing:
            rows = [dict(row) for row in session.connection().execute(table.select()).mappings()]
            writing.connection().execute(table.insert(), rows)


def _shares(session: Session) -> dict[tuple[str, str], tuple[int, int]]:
    return {
        (row.scope, row.scope_id): (row.spent_nano, row.held_nano) for row in session.exec(select(ShareRow))
    }
