"""Steps from the question to the trail: streamed, metered by the real ledger, kept, shown to who may see."""

from dataclasses import replace

import pytest

from app.core.config import Settings
from app.core.identity import Principal
from billing.ledger import Ledger
from billing.price_book import PriceBook
from routing.policy import OnePolicy, Policy
from routing.question import AskRequest
from routing.tier import TierLimits
from routing.updates import CONFLICT_NOTE, PassagesUpdate, StepUpdate, Update
from tests.fakes.openai_server import OpenAiServer, Reply, Tool
from tests.routing.world import ANA, Document, World, answer_of, kinds, problem_of, receipt_of

HARD = (
    "Why do the annual leave and the hotel limit differ between the sister companies Northwind and Contoso, "
    "and which of both was not changed since 2019?"
)
BOTH = "There are 28 days of annual leave [1][2][3][4]. The hotel limit is 140 euros a night [1][2][3][4]."
MANY = [
    Document(
        f"note{n}", f"Note {n}", f"Note {n} says how leave and the hotel limit compare and why they differ."
    )
    for n in range(10)
]
PARKING = Document("parking", "Parking", "A parking space in Gdansk costs 30 zloty a month.")


def searching(query: str = "parking space Gdansk") -> Reply:
    return Reply("", tools=(Tool.search(query, "the price of parking"),), input_tokens=1000, output_tokens=20)


@pytest.fixture
def crowded(premium_world: World, settings: Settings) -> World:
    """So many near documents that the question's own search does not reach the one on parking."""
    premium_world.documents[:] = [*MANY, PARKING]
    return premium_world


def ask(world: World, tier: str = "premium") -> list[Update]:
    return list(world.answerer.ask(ANA, AskRequest(HARD, tier=tier)))


def step_of(updates: list[Update]) -> StepUpdate:
    return next(u for u in updates if isinstance(u, StepUpdate))


PARKS = "Parking in Gdansk costs 30 zloty a month [9]. Leave and the hotel limit compare [1]."


def test_a_step_is_told_priced_and_kept(crowded: World, settings: Settings, provider: OpenAiServer) -> None:
    ledger = Ledger(crowded.database, PriceBook.load(), settings.price_plan)
    crowded.answerer._parts = replace(crowded.answerer._parts, meter=ledger)
    provider.script(searching(), Reply(PARKS, input_tokens=2000, output_tokens=40))
    updates = ask(crowded)
    assert kinds(updates) == ["Passages", "Route", "Step", "Delta", "Answer", "Receipt"]
    step = step_of(updates)
    assert (step.ordinal, step.tier, step.text) == (1, "premium", "Looking for the price of parking")
    assert (step.input_tokens, step.cost_nano) == (1000, 1000 * 2_000 + 20 * 10_000)
    answer, told = answer_of(updates), receipt_of(updates)
    assert "parking" in {c.document_id for c in answer.citations}
    cost = 3000 * 2_000 + 60 * 10_000
    assert told.receipt.cost_nano == cost
    assert told.receipt.price_nano == told.receipt.baseline_nano == cost * 120 // 100
    assert [a.outcome for a in told.attempts] == ["step", "answered"]
    kept = ledger.receipt(answer.query_id)
    assert kept is not None and (kept.price_nano, kept.cost_nano) == (told.receipt.price_nano, cost)
    assert ledger.open_reservations() == () and ledger.verify().ok
    crowded.history._receipt_of = ledger.receipt
    shown = crowded.history.query(ANA, answer.query_id)
    assert shown.steps == (step,)
    again = list(crowded.history.updates(ANA, answer.query_id))
    assert kinds(again) == ["Passages", "Route", "Step", "Answer", "Receipt"]
    first = next(u for u in updates if isinstance(u, PassagesUpdate))
    second = next(u for u in again if isinstance(u, PassagesUpdate))
    assert [p.chunk_id for p in first.passages] == [p.chunk_id for p in second.passages]


def test_what_a_step_looked_for_is_hidden_with_what_it_found(
    small_world: World, provider: OpenAiServer
) -> None:
    small_world.documents[:] = [*MANY, PARKING]
    provider.script(searching(), Reply("Leave and the hotel limit compare [1]."))
    query_id = answer_of(ask(small_world)).query_id
    parking = next(d for d in small_world.documents if d.id == "parking")
    small_world.documents[small_world.documents.index(parking)] = replace(
        parking, access=frozenset({Principal.user("ben@example.com")})
    )
    asked = small_world.history.query(ANA, query_id)
    assert asked.answer is not None and not asked.withheld
    (step,) = asked.steps
    assert step.passages == () and step.query == "" and "parking" not in step.text
    assert "parking" not in " ".join(attempt.reason for attempt in asked.attempts)


def test_a_search_again_finds_only_what_the_asker_may_read(
    small_world: World, provider: OpenAiServer
) -> None:
    provider.script(searching("secret salary of the director"), Reply(BOTH))
    updates = ask(small_world)
    assert step_of(updates).passages == ()
    assert "190000" not in "".join(sent.prompt for sent in provider.requests)
    assert not answer_of(updates).abstained


def test_steps_of_a_question_that_fails_are_kept_at_their_cost_and_no_price(
    premium_world: World, settings: Settings, provider: OpenAiServer
) -> None:
    ledger = Ledger(premium_world.database, PriceBook.load(), settings.price_plan)
    premium_world.answerer._parts = replace(premium_world.answerer._parts, meter=ledger)
    provider.script(searching(), Reply("28 days [1] of annual leave", cut_after=4))
    problem = problem_of(ask(premium_world))
    assert problem.code == "cut_connection"
    receipt = ledger.receipt(problem.query_id)
    assert receipt is not None and receipt.price_nano == 0
    assert receipt.cost_nano > 1000 * 2_000 + 20 * 10_000
    shown = premium_world.history.query(ANA, problem.query_id)
    assert [step.text for step in shown.steps] == ["Looking for the price of parking"]
    assert shown.answer is None and ledger.open_reservations() == ()


def test_a_whole_loop_fits_into_what_was_held(small_world: World, provider: OpenAiServer) -> None:
    provider.default = Reply("", tools=(Tool('{"query": "x'),), input_tokens=7000, output_tokens=1500)
    most = small_world.ladder.get("premium").at_most().cost_nano
    problem = problem_of(ask(small_world))
    assert 0 < sum(event.work.cost_nano for event in small_world.meter.events) <= most
    assert problem.code in ("provider_empty_answer", "question_limit")


def test_the_policys_limits_reach_the_rung(small_world: World, provider: OpenAiServer) -> None:
    policy = OnePolicy(Policy(limits=TierLimits(steps=1)))
    small_world.answerer._parts = replace(small_world.answerer._parts, policies=policy)
    provider.script(Reply(BOTH))
    ask(small_world)
    assert "tools" not in provider.requests[0].body


def test_a_quick_answer_is_handed_over_when_its_asker_wants_a_better_one(
    small_world: World, provider: OpenAiServer
) -> None:
    quick = answer_of(ask(small_world, "reader"))
    list(small_world.answerer.escalate(ANA, quick.query_id))
    sent = provider.requests[0].messages[-1]["content"]
    assert ("<<<EARLIER ATTEMPT" in sent) != quick.abstained
    assert "the asker wanted a better answer" in sent


def test_sources_that_differ_are_noted_only_to_who_may_read_them(
    small_world: World, provider: OpenAiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    note = f"{CONFLICT_NOTE}“28 days” (A, 2026-01-01) against “26 days” (B, 2024-01-01)."
    monkeypatch.setattr("routing.tiers.premium.tier.conflict_notes", lambda _: (note,))
    provider.script(Reply(BOTH))
    query_id = answer_of(ask(small_world)).query_id
    assert note in small_world.history.trail(ANA, query_id).notes
    small_world.documents.clear()
    assert note not in small_world.history.trail(ANA, query_id).notes
    receipt = small_world.history.query(ANA, query_id).receipt
    assert receipt is not None and note not in receipt.notes
