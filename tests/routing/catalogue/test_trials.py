"""Trials of prompts, through the real premium rung against a provider on loopback."""

from dataclasses import replace

import pytest
from sqlmodel import select

from app.core.errors import ConfigurationError, ForbiddenError, InputError, NotFoundError
from app.core.identity import Caller
from routing.catalogue.tables import PromptTrialAnswerRow
from tests.fakes.openai_server import Failure, OpenAiServer, Reply
from tests.routing.catalogue.conftest import ADMIN, Company
from tests.routing.world import ANA, BEN, caller

LEAVE_ASKED = "How much annual leave does everyone have?"
SALARY_ASKED = "What is the secret salary of the director?"
TESTS = 15  # of premium.v1


def accept(company: Company, question: str, asker: Caller = ANA) -> str:
    query_id = company.ask(question, asker=asker)[-1].query_id
    company.world.answerer.feedback(asker, query_id, good=True)
    return query_id


def stored(company: Company) -> list[PromptTrialAnswerRow]:
    with company.world.database.read() as session:
        return list(session.exec(select(PromptTrialAnswerRow)).all())


def test_both_prompts_answer_the_test_set_and_the_past_and_the_admin_pays(
    company: Company, provider: OpenAiServer
) -> None:
    accept(company, LEAVE_ASKED)
    events, asked = len(company.world.meter.events), len(provider.requests)
    trial = company.catalogue.trials.run(ADMIN, "premium.v1", on="past", limit=10)
    ours, theirs = trial.sides
    assert (ours.prompt_id, theirs.prompt_id) == ("premium.v1", "premium.v2")
    assert (trial.prompt_id, trial.against, trial.model) == ("premium.v1", "premium.v2", "openai/fake-large")
    assert ours.tests == theirs.tests == TESTS
    assert len(provider.requests) - asked == 2 * (TESTS + 1)
    assert (ours.past, ours.rated) == (1, 1) and ours.agreement == pytest.approx(1.0)
    assert 0 <= ours.passed < TESTS and ("one-fact", "it does not say 26") in ours.broken
    assert ours.p50_ms is not None and ours.p95_ms is not None and ours.p50_ms <= ours.p95_ms
    new = company.world.meter.events[events:]
    assert len(new) == 2 * (TESTS + 1) and company.world.meter.held_nano == 0
    assert trial.cost_nano == sum(event.work.cost_nano for event in new) > 0
    assert all(event.baseline_nano == event.price_nano for event in new if event.price_nano)
    assert company.catalogue.trials.list("default", "premium.v1") == (trial,)
    assert company.catalogue.trials.list("elsewhere") == ()


def test_no_text_of_an_answer_to_a_past_question_is_kept_and_its_asker_sees_nothing(
    small_company: Company,
) -> None:
    query_id = accept(small_company, LEAVE_ASKED)
    before = small_company.world.history.query(ANA, query_id)
    small_company.catalogue.trials.run(ADMIN, "premium.v1", on="past")
    past = [row for row in stored(small_company) if row.kind == "past"]
    assert {row.case_id for row in past} == {query_id} and {row.text for row in past} == {""}
    assert small_company.world.history.query(ANA, query_id) == before
    assert len(small_company.world.history.conversations(ANA)) == 1


def test_a_question_whose_asker_may_no_longer_read_its_documents_is_left_out(
    small_company: Company, provider: OpenAiServer
) -> None:
    provider.default = Reply("The salary is 190000 euros [1].")
    accept(small_company, SALARY_ASKED, BEN)
    accept(small_company, LEAVE_ASKED, caller("gone"))
    world = small_company.world
    world.documents[2] = replace(world.documents[2], access=frozenset())
    asked = len(provider.requests)
    trial = small_company.catalogue.trials.run(ADMIN, "premium.v1", on="past")
    assert trial.left_out == 2 and trial.sides[0].past == 0
    assert not any("190000" in request.prompt for request in provider.requests[asked:])
    assert "No past question" in trial.verdict


def test_the_same_question_is_asked_once_and_one_nobody_judged_is_not_rated(small_company: Company) -> None:
    small_company.ask(LEAVE_ASKED)
    small_company.ask(LEAVE_ASKED.lower())
    trial = small_company.catalogue.trials.run(ADMIN, "premium.v1", on="past")
    assert (trial.sides[0].past, trial.sides[0].rated, trial.sides[0].agreement) == (1, 0, None)


def test_failures_are_counted_with_their_true_cost(small_company: Company, provider: OpenAiServer) -> None:
    provider.default = Failure(401)
    trial = small_company.catalogue.trials.run(ADMIN, "premium.v1")
    assert trial.sides[0].failed == TESTS and trial.sides[0].passed == 0
    assert trial.sides[0].p50_ms is None
    assert small_company.world.meter.held_nano == 0


def test_what_breaks_in_the_middle_holds_no_money(
    small_company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(*_: object) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr("routing.catalogue.trials._outputs", breaks)
    with pytest.raises(RuntimeError):
        small_company.catalogue.trials.run(ADMIN, "premium.v1")
    assert small_company.world.meter.held_nano == 0


def test_a_budget_ends_it_and_what_was_done_is_kept(small_company: Company) -> None:
    meter = small_company.world.meter
    meter.cap_nano = 4 * meter.prices_nano["premium"]
    trial = small_company.catalogue.trials.run(ADMIN, "premium.v1")
    assert "do not fit" in trial.stopped
    assert trial.sides[0].tests + trial.sides[1].tests == 4 == len(stored(small_company))


def test_the_prompt_in_service_can_be_tried_alone(small_company: Company) -> None:
    trial = small_company.catalogue.trials.run(ADMIN, "premium.v2")
    assert [side.prompt_id for side in trial.sides] == ["premium.v2"]
    assert "nothing to compare" in trial.verdict


def test_what_cannot_be_tried_is_refused(small_company: Company) -> None:
    trials = small_company.catalogue.trials
    with pytest.raises(ForbiddenError):
        trials.run(ANA, "premium.v1")
    with pytest.raises(NotFoundError):
        trials.run(ADMIN, "premium.v99")
    with pytest.raises(InputError):
        trials.run(ADMIN, "premium.v1", limit=0)
    with pytest.raises(ConfigurationError, match="RUNG_LOCAL_URL"):
        trials.run(ADMIN, "local.v1")
    assert stored(small_company) == []
