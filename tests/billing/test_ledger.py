from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlmodel import Session, SQLModel, select

from app.core.db import Database
from app.core.errors import BudgetExceededError, ConfigurationError, IntegrityError, NotFoundError
from app.core.usage import Receipt, Reservation, Work
from billing.ledger import Ledger
from billing.price_book import PriceBook
from billing.statement import EntryFilter
from billing.tables import AccountRow, LedgerRow, PlanUseRow
from tests.billing.conftest import PRICES_NANO, Books, caller, work
from tests.billing.plans import flat_plan


def account(books: Books, period: str = "2026-11") -> tuple[int, int]:
    """Spent and held."""
    with books.database.read() as session:
        row = session.get_one(AccountRow, ("default", period))
        return row.spent_nano, row.held_nano


def test_every_step_is_an_entry(books: Books) -> None:
    reservation = books.reserve()
    assert account(books) == (0, 5_000_000)
    books.commit(reservation, [work("reader", "escalated", 3), work("premium", cost_nano=40)])
    assert account(books) == (5_000_000, 0)
    books.ledger.release(books.reserve("q2"), "cancelled")
    found = list(reversed(books.ledger.entries().entries))
    assert [(e.seq, e.kind, e.held_nano, e.price_nano, e.cost_nano) for e in found] == [
        (1, "reserve", 5_000_000, 0, 0),
        (2, "commit", -5_000_000, 0, 3),
        (3, "commit", 0, 5_000_000, 40),
        (4, "reserve", 5_000_000, 0, 0),
        (5, "release", -5_000_000, 0, 0),
    ]
    assert [e.baseline_nano for e in found] == [0, 0, 5_000_000, 0, 0]
    assert [e.note for e in found] == [None, None, None, None, "cancelled"]
    assert {e.period for e in found} == {"2026-11"}


def test_an_attempt_is_stored_as_it_was_reported(books: Books) -> None:
    done = Work("premium", "gpt-x", "answered", 1_234, 56, 789, 4_321, "req_1", estimated=True)
    receipt = books.ask("q1", done)
    (entry,) = books.ledger.entries(EntryFilter(kind="commit")).entries
    stored = (entry.tier, entry.model, entry.outcome, entry.input_tokens, entry.output_tokens)
    assert stored == ("premium", "gpt-x", "answered", 1_234, 56)
    assert (entry.cost_nano, entry.duration_ms, entry.provider_request_id) == (789, 4_321, "req_1")
    assert (entry.user_id, entry.team, entry.query_id) == ("ana", "finance", "q1")
    assert entry.estimated and "tokens" not in (entry.note or "")
    assert entry.occurred_at == books.clock.now
    assert any("token counts" in note for note in receipt.notes)


def test_text_that_a_database_cannot_store_does_not_lose_the_answer(books: Books) -> None:
    strange = replace(work(), model="m\x00\ud800", provider_request_id="r\x00" + "x" * 1000)
    books.ask("q1", strange)
    (entry,) = books.ledger.entries(EntryFilter(kind="commit")).entries
    assert entry.model == "m\ufffd\ufffd"
    assert entry.provider_request_id is not None and len(entry.provider_request_id) == 200
    assert books.ledger.verify().ok


def test_amounts_of_64_bits_are_stored(books: Books) -> None:
    books.ask("q1", replace(work(), cost_nano=2**62, input_tokens=2**40))
    assert books.ledger.summary().cost_nano == 2**62
    assert books.ledger.verify().ok


def test_the_receipt_of_a_question_is_what_its_commit_gave(books: Books) -> None:
    given = books.ask("q1", work("premium", "failed", 5), work())
    assert books.ledger.receipt("q1") == given
    assert books.ledger.receipt("never-asked") is None
    books.reserve("q2")
    assert books.ledger.receipt("q2") is None


def test_the_receipt_of_no_answer_says_that_nothing_is_charged(books: Books) -> None:
    receipt = books.ask("q1", work("reader", "abstained", 5))
    assert receipt.price_nano == 0
    assert any("nothing is charged" in note for note in receipt.notes)


def test_a_price_above_the_hold_is_charged_and_noted(books: Books) -> None:
    books.commit(books.reserve("q1", work("reader")), [work("premium")])
    (entry,) = books.ledger.entries(EntryFilter(kind="commit")).entries
    assert entry.note == "0.40 ct more than was held"
    assert account(books) == (5_000_000, 0)
    assert books.ledger.verify().ok


def test_a_charge_after_a_release_is_noted_and_the_sums_stay_right(books: Books) -> None:
    reservation = books.reserve()
    books.ledger.release(reservation, "given up")
    books.commit(reservation)
    (entry,) = books.ledger.entries(EntryFilter(kind="commit")).entries
    assert entry.note == "charged after its hold was released"
    assert account(books) == (1_000_000, 0)
    assert books.ledger.verify().ok


def test_a_commit_joins_the_callers_transaction(books: Books) -> None:
    reservation = books.reserve()
    before = books.ledger.entries()
    with pytest.raises(ZeroDivisionError), books.database.write() as session:
        books.ledger.commit(session, reservation, [work()], work("premium"))
        session.add(PlanUseRow(name="witness", sha256="", first_used_at=books.clock.now))
        session.flush()
        raise ZeroDivisionError
    assert books.ledger.entries() == before
    assert account(books) == (0, 5_000_000)
    with books.database.read() as session:
        assert session.get(PlanUseRow, "witness") is None
    books.commit(reservation)
    assert books.ledger.verify().ok


def test_a_refused_budget_says_what_is_left_and_writes_nothing(database: Database) -> None:
    books = Books(database, cap_nano=6_000_000)
    books.reserve()
    with pytest.raises(BudgetExceededError, match=r"0\.50 ct, and 0\.10 ct of .* 0\.60 ct is left"):
        books.reserve("q2")
    assert len(books.ledger.entries().entries) == 1
    assert books.ledger.summary().cap_nano == 6_000_000


def test_a_question_counts_in_the_month_in_which_it_was_reserved(books: Books) -> None:
    books.clock.now = datetime(2026, 12, 1, 1, 30, tzinfo=timezone(timedelta(hours=2)))
    reservation = books.reserve()
    books.clock.now = datetime(2026, 12, 1, 0, 0, 1, tzinfo=UTC)
    books.commit(reservation)
    assert account(books, "2026-11") == (1_000_000, 0)
    books.ask("q2")
    assert account(books, "2026-12") == (1_000_000, 0)
    assert books.ledger.verify().ok


def test_a_new_month_has_its_whole_budget(database: Database) -> None:
    books = Books(database, cap_nano=5_000_000)
    books.reserve()
    books.clock.now += timedelta(days=30)
    assert books.reserve("q2").held_nano == 5_000_000


def other_plan(books: Books, **changes: object) -> Ledger:
    """The same installation after a restart with another price book."""
    old = flat_plan(PRICES_NANO)
    new = replace(old, **changes)  # type: ignore[arg-type]
    return Ledger(books.database, PriceBook({old.name: old, new.name: new}), new.name, clock=books.clock)


def test_a_plan_edited_after_its_first_use_is_refused(books: Books) -> None:
    edited = other_plan(books, sha256="other")
    edited.check_plans()
    reservation = books.reserve()
    for act in (
        edited.check_plans,
        lambda: edited.reserve(caller(), "q2", [work()]),
        lambda: _commit(books, edited, reservation),
    ):
        with pytest.raises(IntegrityError, match=r"flat\.2026-01") as refused:
            act()
        assert refused.value.code == "plan_edited"
    assert len(books.ledger.entries().entries) == 1


def _commit(books: Books, ledger: Ledger, reservation: Reservation) -> Receipt:
    with books.database.write() as session:
        return ledger.commit(session, reservation, [work()], work("premium"))


def test_a_used_plan_whose_file_is_gone_is_noticed(books: Books) -> None:
    books.reserve()
    plan = flat_plan(PRICES_NANO, "other.2026-01")
    with pytest.raises(ConfigurationError) as refused:
        Ledger(books.database, PriceBook({plan.name: plan}), plan.name).check_plans()
    assert refused.value.code == "unknown_plan"


def test_a_question_is_priced_by_the_plan_it_was_reserved_under(books: Books) -> None:
    reservation = books.reserve()
    dearer = flat_plan({"reader": 9_000_000, "premium": 9_000_000}, "flat.2026-12")
    later = other_plan(books, name=dearer.name, prices=dearer.prices, sha256=dearer.sha256)
    _commit(books, later, reservation)
    receipt = later.receipt("q1")
    assert receipt is not None
    assert (receipt.price_nano, receipt.price_book) == (1_000_000, "flat.2026-01")
    assert later.reserve(caller(), "q2", [work()]).held_nano == 9_000_000


def test_a_month_has_one_currency(books: Books) -> None:
    books.reserve()
    dollars = other_plan(books, name="flat.2026-12", currency="USD")
    with pytest.raises(ConfigurationError) as refused:
        dollars.reserve(caller(), "q2", [work()])
    assert refused.value.code == "currency_mixed"
    books.clock.now += timedelta(days=30)
    assert dollars.reserve(caller(), "q3", [work()]).currency == "USD"


def test_open_reservations_are_found_and_settled(books: Books) -> None:
    left_open = books.reserve("q1")
    books.ask("q2")
    books.ledger.release(books.reserve("q3"), "cancelled")
    books.clock.now += timedelta(minutes=10)
    young = books.reserve("q4")
    assert books.ledger.open_reservations() == (left_open, young)
    assert books.ledger.settle_open("restart", older_than=timedelta(minutes=5)) == (left_open,)
    assert books.ledger.settle_open("restart") == (young,)
    assert books.ledger.settle_open("restart") == ()
    assert account(books) == (1_000_000, 0)
    assert books.ledger.entries(EntryFilter(kind="release", query_id="q1")).entries[0].note == "restart"
    assert books.ledger.verify().ok


def test_workspaces_have_chains_and_budgets_of_their_own(database: Database) -> None:
    books = Books(database, cap_nano=5_000_000)
    books.reserve()
    other = books.reserve("q2", who=caller(workspace_id="acme"))
    assert other.workspace_id == "acme"
    assert [e.seq for e in books.ledger.entries(workspace_id="acme").entries] == [1]
    report = books.ledger.verify()
    assert report.ok and [(h.workspace_id, h.seq) for h in report.heads] == [("acme", 1), ("default", 1)]
    with pytest.raises(NotFoundError):
        books.ledger.release(replace(other, workspace_id="default"), "not theirs")


def test_questions_at_once_from_two_processes_make_one_whole_chain(books: Books) -> None:
    # A second Database on the same address shares no lock with the first, as another process would not.
    address = books.database.engine.url.render_as_string(hide_password=False)
    second = Books(Database(address))

    def ask(number: int) -> None:
        it = (books, second)[number % 2]
        reservation = it.reserve(f"q{number}")
        if number % 3:
            it.commit(reservation)
        else:
            it.ledger.release(reservation, "cancelled")

    try:
        with ThreadPoolExecutor(12) as threads:
            list(threads.map(ask, range(48)))
    finally:
        second.database.close()
    report = books.ledger.verify()
    assert (report.ok, report.rows) == (True, 96)
    assert account(books) == (32 * 1_000_000, 0)


steps = st.lists(st.tuples(st.sampled_from(["reserve", "commit", "release", "roll back"]), st.integers(0, 5)))


@pytest.fixture(scope="module")
def spare_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("any-order")


@settings(max_examples=25, deadline=None)
@given(steps=steps)
def test_in_any_order_the_sums_hold_and_no_question_is_charged_twice(
    spare_database: Path, steps: list[tuple[str, int]]
) -> None:
    path = spare_database / "rung.db"
    path.unlink(missing_ok=True)
    database = Database(f"sqlite:///{path}")
    SQLModel.metadata.create_all(database.engine)
    books = Books(database, cap_nano=20_000_000)
    try:
        made: list[Reservation | None] = []
        for step, number in steps:
            if step == "reserve":
                made.append(_reserve_if_room(books, f"q{len(made)}"))
            elif made and (reservation := made[number % len(made)]) is not None:
                _take(books, step, reservation)
        report = books.ledger.verify()
        assert report.ok, report.problem
        with database.read() as session:
            prices = _price_by_query(session)
        assert set(prices.values()) <= {0, 1_000_000}
    finally:
        database.close()


def _reserve_if_room(books: Books, query_id: str) -> Reservation | None:
    try:
        return books.reserve(query_id)
    except BudgetExceededError:
        return None


def _take(books: Books, step: str, reservation: Reservation) -> None:
    if step == "commit":
        _commit(books, books.ledger, reservation)
    elif step == "release":
        books.ledger.release(reservation, "test")
    else:
        with pytest.raises(ZeroDivisionError), books.database.write() as session:
            books.ledger.commit(session, reservation, [work()], work("premium"))
            raise ZeroDivisionError


def _price_by_query(session: Session) -> dict[str, int]:
    prices: dict[str, int] = {}
    for row in session.exec(select(LedgerRow)):
        prices[row.query_id] = prices.get(row.query_id, 0) + row.price_nano
    return prices
