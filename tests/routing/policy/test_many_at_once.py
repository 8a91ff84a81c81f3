"""Many questions at once against a budget and a share: exactly as many go up as there is room for."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from app.core.db import Database
from billing.ledger import Ledger
from routing.answer import Answerer
from routing.flow import OVER_BUDGET
from routing.policy import OnePolicy, Policy
from routing.policy.decisions import TOO_HARD_SHARE
from routing.policy.store import ShareGate
from routing.question import AskRequest
from routing.tier import Ladder
from tests.billing.plans import flat_book
from tests.fakes.embedder import HashEmbedder
from tests.routing.policy.conftest import NOON, Rung
from tests.routing.world import ANA, LEAVE, ExactFinder, answer_of, receipt_of

CENT = 10_000_000
QUESTION = "How many days of annual leave does everyone have a year?"


def asking(database: Database, ledger: Ledger, policy: Policy) -> Answerer:
    return Answerer(
        database=database,
        searcher=ExactFinder([LEAVE], HashEmbedder()),
        ladder=Ladder([Rung("reader", "reader"), Rung("premium")]),
        meter=ledger,
        may_read_document=lambda caller, document_id: True,
        policies=OnePolicy(policy),
    )


def ask_many(answerer: Answerer, count: int) -> tuple[Counter[str], list[str]]:
    """How many each rung answered, and every note and text that was told."""

    def one(_: int) -> tuple[str, str]:
        updates = list(answerer.ask(ANA, AskRequest(QUESTION)))
        answer = answer_of(updates)
        return answer.tier, " ".join((answer.text, *receipt_of(updates).receipt.notes))

    with ThreadPoolExecutor(16) as pool:
        told = list(pool.map(one, range(count)))
    return Counter(tier for tier, _ in told), [text for _, text in told]


def test_800_at_once_against_room_for_100_admit_exactly_100(database: Database) -> None:
    book = flat_book({"reader": 0, "premium": CENT})
    ledger = Ledger(database, book, "flat.2026-01", budget_cap_nano=100 * CENT + CENT // 2)
    # The cheap answer is never good enough, and where nothing better can be had it is shown all the same.
    answerer = asking(database, ledger, Policy(climb_above=0.0, withhold_above=2.0))
    by_tier, told = ask_many(answerer, 800)
    assert by_tier == {"premium": 100, "reader": 700}
    note = OVER_BUDGET.format(whose="The company's budget of this month")
    assert sum(note in text for text in told) == 700
    summary = ledger.summary()
    assert (summary.spent_nano, summary.held_nano) == (100 * CENT, 0)
    assert ledger.open_reservations() == () and ledger.verify().ok


def test_racing_questions_stay_within_the_share(database: Database) -> None:
    ledger = Ledger(database, flat_book({"reader": 0, "premium": CENT}), "flat.2026-01")
    gate = ShareGate(database, lambda: NOON, "default", 0.1, 30)
    answerer = asking(database, ledger, Policy(climb_above=0.0, withhold_above=0.0, gate=gate))
    by_tier, told = ask_many(answerer, 120)
    asked, top = gate.used()
    assert (asked, top) == (120, by_tier["premium"])
    # A question that comes while few have been asked finds less room than it would later: never more.
    assert 1 <= top <= 12
    assert sum(TOO_HARD_SHARE in text for text in told) == 120 - top
