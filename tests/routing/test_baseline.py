"""What premium would have cost: one call, or as many as such questions took it before."""

from dataclasses import replace

import pytest

from app.core.config import Settings
from billing.ledger import Ledger
from billing.price_book import PriceBook
from routing.question import AskRequest
from routing.tier import PastCalls, WorksInSteps
from routing.tiers import build_ladder
from tests.fakes.openai_server import OpenAiServer, Reply, Tool
from tests.fakes.reader import WordReader
from tests.routing.world import ANA, LEAVE, World, answer_of, receipt_of, request

HARD = "Why do the annual leave and the hotel limit differ between Northwind and Contoso?"
SEARCHES = Reply("", tools=(Tool.search("parking", "parking"),), input_tokens=1000, output_tokens=20)
SAYS = Reply("There are 28 days of annual leave a year [1].", input_tokens=1500, output_tokens=40)


def ask(world: World, tier: str, question: str = HARD) -> str:
    return answer_of(list(world.answerer.ask(ANA, AskRequest(question, tier=tier)))).query_id


def test_a_baseline_counts_the_calls_that_premium_took_before(
    premium_world: World, settings: Settings, provider: OpenAiServer
) -> None:
    world = premium_world
    ledger = Ledger(world.database, PriceBook.load(), settings.price_plan)
    world.answerer._parts = replace(world.answerer._parts, meter=ledger)
    question = "How many days of annual leave does everyone have a year, and which company pays parking?"
    before = receipt_of(list(world.answerer.ask(ANA, AskRequest(question, tier="reader")))).receipt
    assert before.baseline_method == "modelled" and before.baseline_nano > 0
    provider.script(SEARCHES, SAYS)
    ask(world, "premium")
    # The count is kept for a minute: the question after it sees the new one.
    world.answerer._parts.records._past_calls.clear()
    after = receipt_of(list(world.answerer.ask(ANA, AskRequest(question, tier="reader")))).receipt
    assert after.baseline_method == "modelled_steps" and after.baseline_nano > before.baseline_nano
    assert world.answerer._parts.records.past_calls("another", "premium") is None
    kept = ledger.receipt(after.query_id)
    assert kept is not None and kept.baseline_method == "modelled_steps"


def test_failed_calls_and_one_call_questions_do_not_count(
    premium_world: World, provider: OpenAiServer
) -> None:
    world = premium_world
    records, workspace = world.answerer._parts.records, ANA.workspace_id
    assert records.past_calls(workspace, "premium") is None
    records._past_calls.clear()
    provider.script(SEARCHES, SAYS, SEARCHES, SEARCHES, SAYS)
    ask(world, "premium")
    assert records.past_calls(workspace, "premium") == PastCalls(2, 1)
    records._past_calls.clear()
    ask(world, "premium", "Why does the travel allowance differ between Northwind and Contoso?")
    found = records.past_calls(workspace, "premium")
    assert found is not None and found.questions == 2 and found.calls >= 4


@pytest.mark.parametrize(("calls", "times"), [(4, 0), (8, 1), (12, 2), (400, 3)])
def test_steps_are_added_in_whole_money_and_within_the_limit_of_steps(
    premium_settings: Settings, calls: int, times: int
) -> None:
    premium = build_ladder(premium_settings, WordReader(), "EUR").get("premium")
    assert isinstance(premium, WorksInSteps)
    asked = request(HARD, *LEAVE.passages())
    asked = replace(asked, limits=replace(asked.limits, steps=4))
    one = premium.expected(asked)
    work = premium.expected_in_steps(asked, PastCalls(calls, 4))
    reading = one.cost_nano - one.output_tokens * 10_000
    assert work == replace(one, steps_cost_nano=reading * times)


def test_a_question_that_one_call_answers_is_modelled_as_one(premium_settings: Settings) -> None:
    premium = build_ladder(premium_settings, WordReader(), "EUR").get("premium")
    assert isinstance(premium, WorksInSteps)
    near = replace(next(iter(LEAVE.passages())), dense_score=0.8)
    asked = request("How many days of annual leave a year?", near)
    assert premium.expected_in_steps(asked, PastCalls(30, 10)) == premium.expected(asked)
