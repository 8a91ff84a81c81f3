"""What a question does when a rung fails or is not sure: with the real ledger, on both databases where money
is at stake."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from app.core.config import Settings
from app.core.db import Database
from billing.ledger import Ledger
from billing.price_book import PriceBook
from routing.policy import NOT_SURE, OnePolicy, Policy
from routing.question import AskRequest
from routing.updates import DeltaUpdate, EscalationUpdate, ProblemUpdate, RouteUpdate, Update
from tests.fakes.openai_server import Failure, OpenAiServer, Reply
from tests.routing.world import (
    ANA,
    World,
    answer_of,
    kinds,
    problem_of,
    receipt_of,
    with_local,
    with_premium,
)

HARD = (
    "Why do the annual leave and the hotel limit differ between the sister companies Northwind and Contoso, "
    "and which of both was not changed since 2019?"
)
BOTH = "There are 28 days of annual leave [1][2][3][4]. The hotel limit is 140 euros a night [1][2][3][4]."
DOUBTFUL = "Perhaps some leave [1]."
BETTER = "Premium says: 28 days of annual leave and a hotel limit of 140 euros a night [1][2][3][4]."


@pytest.fixture
def local() -> Iterator[OpenAiServer]:
    with OpenAiServer(default=Reply(BOTH)) as server:
        yield server


@pytest.fixture
def premium() -> Iterator[OpenAiServer]:
    with OpenAiServer(default=Reply(BETTER)) as server:
        yield server


class Money:
    """A world with the real ledger."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self.world = World(database, settings)
        self.ledger = Ledger(database, PriceBook.load(), settings.price_plan)
        self.world.answerer._parts = replace(self.world.answerer._parts, meter=self.ledger)

    def ask(self, tier: str = "auto") -> list[Update]:
        return list(self.world.answerer.ask(ANA, AskRequest(HARD, tier=tier)))

    def always_climb(self) -> None:
        parts = self.world.answerer._parts
        self.world.answerer._parts = replace(
            parts, policies=OnePolicy(Policy(skip_above=2.0, climb_above=0.0))
        )


@pytest.fixture
def only_local(sqlite_database: Database, settings: Settings, local: OpenAiServer) -> Money:
    return Money(sqlite_database, with_local(settings, local.base_url))


@pytest.fixture
def both(database: Database, settings: Settings, local: OpenAiServer, premium: OpenAiServer) -> Money:
    return Money(database, with_local(with_premium(settings, premium.base_url), local.base_url))


def shown(updates: list[Update]) -> str:
    return "".join(u.text for u in updates if isinstance(u, DeltaUpdate))


def escalations(updates: list[Update]) -> list[tuple[str, str]]:
    return [(u.from_tier, u.to_tier) for u in updates if isinstance(u, EscalationUpdate)]


def test_a_hard_question_is_answered_by_the_local_model_at_its_price(only_local: Money) -> None:
    updates = only_local.ask()
    answer, receipt = answer_of(updates), receipt_of(updates).receipt
    assert answer.tier == "local" and not answer.abstained
    assert receipt.price_nano == 2_000_000 and receipt.cost_nano > 0
    assert receipt == replace(only_local.ledger.receipt(answer.query_id) or receipt, notes=receipt.notes)
    # Nothing stands above it, so its words are shown as they come.
    assert kinds(updates) == ["Passages", "Route", "Delta", "Answer", "Receipt"]
    assert len([u for u in updates if isinstance(u, DeltaUpdate)]) > 5


def test_a_local_answer_that_premium_will_replace_never_flashes_by(both: Money, local: OpenAiServer) -> None:
    local.default = Reply(DOUBTFUL, logprob=-2.5)
    updates = both.ask()
    assert answer_of(updates).tier == "premium"
    assert escalations(updates)[-1] == ("local", "premium")
    assert "Perhaps" not in shown(updates) and shown(updates).startswith("Premium says")
    outcomes = [(a.tier, a.outcome) for a in receipt_of(updates).attempts]
    assert outcomes[-2:] == [("local", "escalated"), ("premium", "answered")]


def test_a_local_answer_that_is_good_enough_is_shown_after_it_is_judged(
    both: Money, local: OpenAiServer
) -> None:
    parts = both.world.answerer._parts
    both.world.answerer._parts = replace(parts, policies=OnePolicy(Policy(climb_above=2.0)))
    updates = both.ask()
    assert answer_of(updates).tier == "local" and shown(updates) == BOTH
    assert escalations(updates) == []


def test_what_nothing_better_can_replace_stays_with_a_word_of_warning(
    only_local: Money, local: OpenAiServer
) -> None:
    only_local.always_climb()
    updates = only_local.ask()
    assert answer_of(updates).tier == "local" and not answer_of(updates).abstained
    assert NOT_SURE in receipt_of(updates).receipt.notes


FAILURES = [
    (Failure(500, "EngineDeadError"), False),
    (Failure(400, "This model's maximum context length is 1024 tokens."), False),
    (Failure(404, "The model does not exist."), False),
    (Reply(BOTH, cut_after=4), True),
    (Reply(BOTH, stall_after=4), True),
    (Reply(BOTH, error_after=4), True),
]


@pytest.mark.parametrize(("failure", "costs"), FAILURES)
def test_when_the_local_model_fails_premium_answers_and_the_failure_is_on_the_receipt(
    both: Money, local: OpenAiServer, failure: Failure | Reply, costs: bool
) -> None:
    local.default = failure
    updates = both.ask()
    answer, receipt = answer_of(updates), receipt_of(updates)
    assert answer.tier == "premium" and "28 days" in answer.text
    assert shown(updates) == BETTER
    escalation = next(u for u in updates if isinstance(u, EscalationUpdate) and u.from_tier == "local")
    assert "local model" in escalation.reason
    failed = [a for a in receipt.attempts if a.tier == "local"]
    assert failed and all(a.outcome == "failed" and a.reason for a in failed)
    assert (sum(a.cost_nano for a in failed) > 0) == costs
    kept = both.ledger.receipt(answer.query_id)
    assert kept is not None and kept.tier == "premium"
    assert kept.cost_nano == sum(a.cost_nano for a in receipt.attempts)
    assert kept.price_nano == receipt.receipt.price_nano
    assert both.ledger.open_reservations() == () and both.ledger.verify().ok


@pytest.mark.parametrize(("failure", "costs"), FAILURES)
def test_with_nothing_above_it_says_what_failed_and_shows_what_comes_closest(
    only_local: Money, local: OpenAiServer, failure: Failure | Reply, costs: bool
) -> None:
    local.default = failure
    updates = only_local.ask()
    answer, receipt = answer_of(updates), receipt_of(updates).receipt
    assert answer.abstained and "local model" in answer.text
    assert {c.document_id for c in answer.citations} == {"leave", "travel"}
    assert receipt.price_nano == 0 and (receipt.cost_nano > 0) == costs
    kept = only_local.ledger.receipt(answer.query_id)
    assert kept is not None and (kept.price_nano, kept.cost_nano) == (0, receipt.cost_nano)
    assert only_local.ledger.open_reservations() == ()


def test_a_doubtful_quick_answer_is_not_kept_when_the_local_model_fails(
    only_local: Money, local: OpenAiServer
) -> None:
    only_local.always_climb()
    local.default = Failure(500)
    updates = only_local.ask()
    assert answer_of(updates).abstained and answer_of(updates).text.startswith("The local model's server")
    assert receipt_of(updates).attempts[0].outcome == "escalated"


@pytest.mark.parametrize(
    ("failure", "code"), [(Failure(500), "provider_error"), (Reply(BOTH, cut_after=2), "cut_connection")]
)
def test_asked_by_name_a_failure_is_an_error_and_costs_the_asker_nothing(
    both: Money, local: OpenAiServer, premium: OpenAiServer, failure: Failure | Reply, code: str
) -> None:
    local.default = failure
    updates = both.ask("local")
    assert problem_of(updates).code == code and premium.requests == []
    receipt = both.ledger.receipt(problem_of(updates).query_id)
    assert (receipt.price_nano if receipt else 0) == 0
    assert both.ledger.open_reservations() == ()


def test_asked_by_name_its_words_are_shown_as_they_come(both: Money, local: OpenAiServer) -> None:
    local.default = Reply(DOUBTFUL, logprob=-2.5)
    updates = both.ask("local")
    assert answer_of(updates).tier == "local" and shown(updates) == DOUBTFUL
    assert "Local model was asked for" in next(u for u in updates if isinstance(u, RouteUpdate)).reasons


def test_a_dead_server_costs_one_question_its_wait_and_the_next_goes_past_it(
    both: Money, local: OpenAiServer
) -> None:
    local.stop()
    first, second = both.ask(), both.ask()
    assert answer_of(first).tier == answer_of(second).tier == "premium"
    assert ("local", "premium") in escalations(first)
    assert all("local" not in pair for pair in escalations(second))
    reasons = next(u for u in second if isinstance(u, RouteUpdate)).reasons
    assert any("could not be reached" in reason for reason in reasons)
    assert [a.tier for a in receipt_of(second).attempts if a.outcome == "failed"] == []


def test_while_it_rests_and_nothing_else_is_there_the_reason_is_told(
    only_local: Money, local: OpenAiServer
) -> None:
    local.stop()
    only_local.ask()
    answer = answer_of(only_local.ask())
    assert answer.abstained and "could not be reached" in answer.text and answer.citations


def test_premium_that_fails_is_told_in_the_same_way(
    both: Money, local: OpenAiServer, premium: OpenAiServer
) -> None:
    local.default, premium.default = Failure(500), Failure(401)
    updates = both.ask()
    answer = answer_of(updates)
    assert answer.abstained and "did not accept our key" in answer.text
    assert {a.outcome for a in receipt_of(updates).attempts} == {"failed"}
    assert both.ledger.open_reservations() == () and both.ledger.verify().ok


def test_without_room_for_premium_the_local_model_is_the_best_there_is(
    sqlite_database: Database, settings: Settings, local: OpenAiServer, premium: OpenAiServer
) -> None:
    world = World(sqlite_database, with_local(with_premium(settings, premium.base_url), local.base_url))
    world.meter.cap_nano = 3_000_000
    updates = list(world.answerer.ask(ANA, AskRequest(HARD)))
    assert answer_of(updates).tier == "local" and premium.requests == []
    assert world.meter.held_nano == 0 and not any(isinstance(u, ProblemUpdate) for u in updates)


def test_the_next_rung_up_is_one_that_can_be_used(
    sqlite_database: Database, settings: Settings, premium: OpenAiServer
) -> None:
    world = World(sqlite_database, with_premium(settings, premium.base_url))
    better = world.answerer.better_tier("reader")
    assert better is not None and better.name == "premium"
