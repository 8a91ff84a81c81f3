"""What every meter promises (`app.core.usage.Meter`): the ledger on both databases, and the fake."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import pytest

from app.core.db import Database
from app.core.errors import BudgetExceededError, ConfigurationError, InputError, NotFoundError
from app.core.identity import DEFAULT_WORKSPACE_ID, Caller
from app.core.usage import Meter, Outcome, Receipt, Reservation, Work
from tests.fakes.meter import PRICES_NANO, MemoryMeter

READER, PREMIUM = PRICES_NANO["reader"], PRICES_NANO["premium"]
ANA = Caller(DEFAULT_WORKSPACE_ID, "ana", "ana@example.com", "Ana", "finance", frozenset())


def work(tier: str = "reader", outcome: Outcome = "answered", cost_nano: int = 0) -> Work:
    return Work(tier, f"{tier}-model", outcome, 100, 20, cost_nano, 7)


@dataclass(frozen=True)
class Metering:
    """A meter and the database whose transactions it joins."""

    meter: Meter
    database: Database

    def reserve(self, *at_most: Work, query_id: str = "q1") -> Reservation:
        return self.meter.reserve(ANA, query_id, at_most or (work(),))

    def commit(
        self, reservation: Reservation, attempts: Sequence[Work], baseline: Work | None = None
    ) -> Receipt:
        with self.database.write() as session:
            return self.meter.commit(session, reservation, attempts, baseline or work("premium"))

    def has_room_for(self, *at_most: Work) -> bool:
        try:
            probe = self.reserve(*at_most, query_id="probe")
        except BudgetExceededError:
            return False
        self.meter.release(probe, "probe")
        return True


MakeMetering = Callable[[int | None], Metering]


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def metering(request: pytest.FixtureRequest) -> MakeMetering:
    """Makes a meter with the budget that is given in nano-units, or with none."""
    kind = "sqlite" if request.param == "memory" else request.param
    database: Database = request.getfixturevalue(f"{kind}_database")
    if request.param == "memory":
        return lambda cap: Metering(MemoryMeter(cap_nano=cap), database)
    from billing.ledger import Ledger
    from tests.billing.plans import flat_book

    book = flat_book(PRICES_NANO)
    return lambda cap: Metering(Ledger(database, book, "flat.2026-01", budget_cap_nano=cap), database)


def test_a_hold_is_the_highest_price_of_what_may_happen(metering: MakeMetering) -> None:
    held = metering(None).reserve(work("reader"), work("premium"), work("cached"))
    assert held.held_nano == PREMIUM
    assert (held.query_id, held.workspace_id) == ("q1", DEFAULT_WORKSPACE_ID)
    assert (held.user_id, held.team, held.currency) == ("ana", "finance", "EUR")


def test_what_is_held_is_not_there_for_others(metering: MakeMetering) -> None:
    m = metering(PREMIUM + READER - 1)
    m.reserve(work("premium"))
    assert not m.has_room_for(work("reader"))


def test_a_refused_question_holds_nothing(metering: MakeMetering) -> None:
    m = metering(PREMIUM - 1)
    with pytest.raises(BudgetExceededError) as refused:
        m.reserve(work("premium"))
    assert refused.value.code == "budget_exceeded"
    assert m.has_room_for(work("local")) and m.has_room_for(work("local"))


def test_a_rung_that_costs_nothing_always_fits(metering: MakeMetering) -> None:
    m = metering(0)
    assert m.has_room_for(work("cached"))
    assert not m.has_room_for(work("reader"))


def test_a_commit_charges_the_price_and_frees_the_rest(metering: MakeMetering) -> None:
    m = metering(PREMIUM + READER)
    receipt = m.commit(m.reserve(work("premium")), [work("reader", cost_nano=3)])
    assert (receipt.tier, receipt.price_nano, receipt.cost_nano) == ("reader", READER, 3)
    assert (receipt.query_id, receipt.currency) == ("q1", "EUR")
    assert m.has_room_for(work("premium"))
    m.commit(m.reserve(query_id="q2"), [work()])
    assert not m.has_room_for(work("premium"))


def test_a_receipt_sums_all_attempts_and_prices_the_answered_one(metering: MakeMetering) -> None:
    m = metering(None)
    attempts = [work("reader", "escalated", 1), work("premium", "failed", 20), work("premium", cost_nano=300)]
    receipt = m.commit(m.reserve(work("premium")), attempts)
    assert (receipt.tier, receipt.price_nano, receipt.cost_nano) == ("premium", PREMIUM, 321)
    assert (receipt.input_tokens, receipt.output_tokens, receipt.duration_ms) == (300, 60, 21)
    assert (receipt.baseline_nano, receipt.baseline_method, receipt.saved_nano) == (PREMIUM, "observed", 0)


def test_the_baseline_is_modelled_where_premium_did_not_answer(metering: MakeMetering) -> None:
    m = metering(None)
    receipt = m.commit(m.reserve(), [work("premium", "failed"), work("reader")])
    assert (receipt.baseline_nano, receipt.baseline_method) == (PREMIUM, "modelled")
    assert receipt.saved_nano == PREMIUM - READER


@pytest.mark.parametrize("outcome", ["abstained", "escalated", "failed"])
def test_only_an_answer_has_a_price(metering: MakeMetering, outcome: Outcome) -> None:
    m = metering(PREMIUM)
    receipt = m.commit(m.reserve(work("premium")), [work("premium", outcome, 900)])
    assert (receipt.price_nano, receipt.cost_nano) == (0, 900)
    assert m.has_room_for(work("premium"))


def test_committing_twice_charges_once_and_gives_the_same_receipt(metering: MakeMetering) -> None:
    m = metering(PREMIUM)
    reservation = m.reserve()
    first = m.commit(reservation, [work()])
    assert m.commit(reservation, [work()]) == first
    assert m.commit(reservation, [work("premium")]) == first
    assert m.has_room_for(work("local"))
    with m.database.write() as session:
        assert m.meter.commit(session, reservation, [work()], work("premium")) == first
        assert m.meter.commit(session, reservation, [work()], work("premium")) == first


def test_committing_twice_in_one_transaction_charges_once(metering: MakeMetering) -> None:
    m = metering(2 * READER)
    reservation = m.reserve()
    with m.database.write() as session:
        first = m.meter.commit(session, reservation, [work()], work("premium"))
        assert m.meter.commit(session, reservation, [work()], work("premium")) == first
    assert m.has_room_for(work("reader")) and not m.has_room_for(work("local"))


def test_a_rolled_back_commit_charges_nothing_and_keeps_the_hold(metering: MakeMetering) -> None:
    m = metering(PREMIUM)
    reservation = m.reserve(work("premium"))
    with pytest.raises(ZeroDivisionError), m.database.write() as session:
        m.meter.commit(session, reservation, [work("reader")], work("premium"))
        raise ZeroDivisionError
    assert not m.has_room_for(work("reader"))
    receipt = m.commit(reservation, [work("local")])
    assert receipt.tier == "local"


def test_a_release_frees_the_hold_once(metering: MakeMetering) -> None:
    m = metering(2 * PREMIUM)
    first = m.reserve(work("premium"))
    m.reserve(work("premium"), query_id="q2")
    m.meter.release(first, "cancelled")
    m.meter.release(first, "cancelled again")
    m.reserve(work("premium"), query_id="q3")
    assert not m.has_room_for(work("reader"))


def test_releasing_what_was_committed_changes_nothing(metering: MakeMetering) -> None:
    m = metering(READER)
    reservation = m.reserve()
    m.commit(reservation, [work()])
    m.meter.release(reservation, "too late")
    assert not m.has_room_for(work())


def test_work_that_was_done_is_charged_even_after_a_release(metering: MakeMetering) -> None:
    m = metering(READER)
    reservation = m.reserve()
    m.meter.release(reservation, "given up")
    assert m.commit(reservation, [work()]).price_nano == READER
    assert not m.has_room_for(work())


def test_sixty_racing_questions_with_room_for_twenty_admit_exactly_twenty(metering: MakeMetering) -> None:
    m = metering(20 * READER + READER // 2)
    start = threading.Barrier(60)

    def ask(number: int) -> bool:
        start.wait()
        try:
            m.reserve(query_id=f"q{number}")
        except BudgetExceededError:
            return False
        return True

    with ThreadPoolExecutor(60) as threads:
        assert sum(threads.map(ask, range(60))) == 20


def test_racing_commits_of_one_reservation_charge_once(metering: MakeMetering) -> None:
    m = metering(2 * READER)
    reservation = m.reserve()
    with ThreadPoolExecutor(8) as threads:
        receipts = list(threads.map(lambda _: m.commit(reservation, [work()]), range(8)))
    assert len(set(receipts)) == 1
    assert m.has_room_for(work("reader")) and not m.has_room_for(work("local"))


def test_an_unpriced_rung_is_refused_and_never_free(metering: MakeMetering) -> None:
    m = metering(None)
    with pytest.raises(ConfigurationError) as refused:
        m.reserve(work("oracle"))
    assert refused.value.code == "unpriced_tier"
    reservation = m.reserve()
    with pytest.raises(ConfigurationError):
        m.commit(reservation, [work("oracle")])
    with pytest.raises(ConfigurationError):
        m.commit(reservation, [work()], baseline=work("oracle"))


def test_what_makes_no_sense_is_refused(metering: MakeMetering) -> None:
    m = metering(None)
    with pytest.raises(InputError):
        m.meter.reserve(ANA, "q1", [])
    reservation = m.reserve()
    with pytest.raises(InputError):
        m.commit(reservation, [])
    with pytest.raises(InputError) as refused:
        m.commit(reservation, [replace(work(), input_tokens=-1)])
    assert refused.value.code == "negative_quantity"
    with pytest.raises(NotFoundError) as unknown:
        m.commit(replace(reservation, id="never-made"), [work()])
    assert unknown.value.code == "no_such_reservation"
