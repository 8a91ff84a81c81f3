"""The answer and the real ledger: stored together, or neither."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from sqlmodel import Session, select

from app.core.config import Settings
from app.core.usage import Receipt, Reservation, Work
from billing.ledger import Ledger
from billing.price_book import PriceBook
from routing.question import AskRequest
from routing.tables import CitationRow, QueryRow
from tests.fakes.openai_server import OpenAiServer, Reply
from tests.routing.world import ANA, World, answer_of, problem_of, receipt_of

EASY = "How many days of annual leave does everyone have a year?"


class FullDisk(Ledger):
    """A ledger whose disk fills up after its rows were written and before they are committed."""

    def commit(
        self, session: Session, reservation: Reservation, attempts: Sequence[Work], baseline: Work
    ) -> Receipt:
        super().commit(session, reservation, attempts, baseline)
        raise OSError("disk full")


def with_ledger(world: World, kind: type[Ledger], settings: Settings) -> Ledger:
    ledger = kind(world.database, PriceBook.load(), settings.price_plan)
    world.answerer._parts = replace(world.answerer._parts, meter=ledger)
    return ledger


def test_a_receipt_is_what_the_ledger_holds(
    premium_world: World, settings: Settings, provider: OpenAiServer
) -> None:
    ledger = with_ledger(premium_world, Ledger, settings)
    provider.script(Reply("There are 28 days of annual leave [1].", input_tokens=1000, output_tokens=50))
    for tier in ("reader", "premium"):
        updates = list(premium_world.answerer.ask(ANA, AskRequest(EASY, tier=tier)))
        told, kept = receipt_of(updates).receipt, ledger.receipt(answer_of(updates).query_id)
        assert kept is not None
        assert (told.price_nano, told.cost_nano, told.baseline_nano) == (
            kept.price_nano, kept.cost_nano, kept.baseline_nano,
        )  # fmt: skip
        assert told.tier == tier and told.price_nano > 0
    assert ledger.open_reservations() == () and ledger.verify().ok


@pytest.mark.parametrize("tier", ["reader", "premium"])
def test_a_store_that_fails_leaves_no_answer_and_no_charge(
    premium_world: World, settings: Settings, provider: OpenAiServer, tier: str
) -> None:
    ledger = with_ledger(premium_world, FullDisk, settings)
    problem = problem_of(list(premium_world.answerer.ask(ANA, AskRequest(EASY, tier=tier))))
    assert problem.code == "internal_error"
    assert ledger.receipt(problem.query_id) is None
    assert ledger.verify().ok
    with premium_world.database.read() as session:
        row = session.exec(select(QueryRow)).one()
        assert row.answer_text == "" and session.exec(select(CitationRow)).all() == []
    # A reader's failure is written down and its hold freed. What premium cost could not be written either:
    # its hold stays, for the ledger to settle at the next start.
    assert (row.state, len(ledger.open_reservations())) == (
        ("failed", 0) if tier == "reader" else ("running", 1)
    )


def test_the_cost_of_a_failed_answer_is_in_the_ledger_at_no_price(
    premium_world: World, settings: Settings, provider: OpenAiServer
) -> None:
    ledger = with_ledger(premium_world, Ledger, settings)
    provider.script(Reply("There are 28 days of leave", cut_after=3))
    problem = problem_of(list(premium_world.answerer.ask(ANA, AskRequest(EASY, tier="premium"))))
    receipt = ledger.receipt(problem.query_id)
    assert receipt is not None and receipt.cost_nano > 0 and receipt.price_nano == 0
    assert ledger.open_reservations() == ()
