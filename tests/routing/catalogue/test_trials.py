"""Trials of prompts, through the real premium rung against a provider on loopback."""

import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest
from sqlmodel import select

from app.core.config import Settings
from app.core.db import Database
from app.core.errors import ConfigurationError, ConflictError, ForbiddenError, InputError, NotFoundError
from app.core.identity import Caller
from retrieval.passage import Passage
from routing.catalogue.tables import PromptTrialAnswerRow, PromptTrialRow
from routing.catalogue.trials import running
from routing.tier import Tier, TierAnswer, TierAttempt, TierRequest
from tests.fakes.openai_server import Failure, OpenAiServer, Reply, Tool
from tests.routing.catalogue.conftest import ADMIN, Company, make_company
from tests.routing.world import ANA, BEN, caller, with_local

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


def test_both_prompts_answer_the_test_set_and_the_past_at_our_own_cost(
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
    assert all(event.query_id.startswith("trial:") and event.work.outcome == "shadow" for event in new)
    assert (trial.state, trial.done, trial.total) == ("ended", TESTS + 1, TESTS + 1)
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
    assert "Too little to judge quality: 0 past questions" in trial.verdict


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

    monkeypatch.setattr("routing.catalogue.trials.running._outputs", breaks)
    with pytest.raises(RuntimeError):
        small_company.catalogue.trials.run(ADMIN, "premium.v1")
    assert small_company.world.meter.held_nano == 0
    (trial,) = small_company.catalogue.trials.list("default")
    assert (trial.state, trial.done) == ("ended", 0) and "went wrong" in trial.stopped


def test_without_room_in_the_budget_it_ends_at_once(small_company: Company, provider: OpenAiServer) -> None:
    small_company.world.meter.cap_nano = 1
    trial = small_company.catalogue.trials.run(ADMIN, "premium.v1")
    assert "do not fit" in trial.stopped and trial.done == 0
    assert stored(small_company) == [] and provider.requests == []


def test_it_ends_before_it_could_cost_more_than_it_may(small_company: Company) -> None:
    trials = small_company.catalogue.trials
    plan = trials.plan(ADMIN, "premium.v1")
    dearest = plan.most_nano // TESTS
    trial = trials.run(ADMIN, "premium.v1", most_cost_nano=dearest + plan.about_nano // TESTS)
    assert 0 < trial.done < TESTS and "cost more than it was allowed" in trial.stopped
    assert trial.most_cost_nano is not None and trial.cost_nano <= trial.most_cost_nano
    assert [side.tests for side in trial.sides] == [trial.done, trial.done]
    assert trials.run(ADMIN, "premium.v1", most_cost_nano=0).done == 0


def test_what_it_would_ask_and_cost_is_told_before_and_asks_nothing(
    small_company: Company, provider: OpenAiServer
) -> None:
    accept(small_company, LEAVE_ASKED)
    small_company.ask("What is the hotel limit?")
    asked, events = len(provider.requests), len(small_company.world.meter.events)
    plan = small_company.catalogue.trials.plan(ADMIN, "premium.v1", on="past")
    assert (plan.tests, plan.past, plan.rated, plan.left_out) == (TESTS, 2, 1, 0)
    assert plan.answers == 2 * (TESTS + 2) and plan.against == "premium.v2"
    assert 0 < plan.about_nano < plan.suggested_nano <= plan.most_nano
    assert len(provider.requests) == asked and len(small_company.world.meter.events) == events
    trial = small_company.catalogue.trials.run(ADMIN, "premium.v1", on="past")
    assert trial.cost_nano <= plan.suggested_nano == trial.most_cost_nano and trial.stopped == ""


def test_questions_with_an_accepted_answer_come_first(small_company: Company) -> None:
    accept(small_company, LEAVE_ASKED)
    small_company.ask("What is the hotel limit?")
    trial = small_company.catalogue.trials.run(ADMIN, "premium.v1", on="past", limit=1)
    assert (trial.sides[0].past, trial.sides[0].rated) == (1, 1)


def test_it_runs_in_the_background_one_at_a_time_and_is_stopped_by_a_person(
    small_company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    trials = small_company.catalogue.trials
    begun, go_on = threading.Event(), threading.Event()

    def slowly(tier: Tier, request: TierRequest) -> Iterator[TierAttempt | TierAnswer]:
        begun.set()
        assert go_on.wait(60)
        yield from outputs(tier, request)

    outputs = running._outputs
    monkeypatch.setattr(running, "_outputs", slowly)
    trial = trials.start(ADMIN, "premium.v1")
    assert begun.wait(60)
    assert (trials.get("default", trial.id).state, trial.total) == ("running", TESTS)
    with pytest.raises(ConflictError) as refused:
        trials.start(ADMIN, "premium.v1")
    assert refused.value.code == "trial_running"
    with pytest.raises(ForbiddenError):
        trials.stop(ANA, trial.id)
    assert trials.stop(ADMIN, trial.id).stop_by == "ana@example.com"
    go_on.set()
    trials.close()
    ended = trials.get("default", trial.id)
    assert (ended.state, ended.done) == ("ended", 1) and ended.stopped
    assert [side.tests for side in ended.sides] == [1, 1] and ended.ended_at is not None
    assert small_company.world.meter.held_nano == 0
    with pytest.raises(ConflictError) as refused:
        trials.stop(ADMIN, trial.id)
    assert refused.value.code == "trial_ended"
    with pytest.raises(NotFoundError):
        trials.stop(ADMIN, "none")


def test_a_trial_whose_process_died_says_so_and_keeps_nobody_from_the_next(small_company: Company) -> None:
    trials, database = small_company.catalogue.trials, small_company.world.database
    trial_id = trials.run(ADMIN, "premium.v1", most_cost_nano=0).id
    with database.write() as session:
        row = session.get_one(PromptTrialRow, trial_id)
        row.state, row.ended_at = "running", None
        session.add(row)
    assert trials.get("default", trial_id).state == "running"
    small_company.clock.pass_days(0.02)
    found = trials.get("default", trial_id)
    assert found.state == "lost" and "process ended" in found.stopped
    assert trials.run(ADMIN, "premium.v1", most_cost_nano=0).state == "ended"


def test_a_past_question_may_search_again_and_finds_what_its_asker_may_read(
    small_company: Company, provider: OpenAiServer
) -> None:
    accept(small_company, SALARY_ASKED)
    asked_as: list[str] = []

    def find(who: Caller, query: str) -> tuple[Passage, ...]:
        asked_as.append(who.email)
        return small_company.world.finder.search(who, query).passages

    small_company.catalogue.trials._askers = replace(small_company.catalogue.trials._askers, search_as=find)
    provider.default = Reply("", tools=(Tool.search("the director's pay"),))
    small_company.catalogue.trials.run(ADMIN, "premium.v1", on="past")
    assert asked_as and set(asked_as) == {ANA.email}
    assert not any("190000" in request.prompt for request in provider.requests)


def test_the_prompt_in_service_can_be_tried_alone(small_company: Company) -> None:
    trial = small_company.catalogue.trials.run(ADMIN, "premium.v2")
    assert [side.prompt_id for side in trial.sides] == ["premium.v2"]
    assert "nothing to compare" in trial.verdict


@pytest.mark.parametrize(("verdict", "kept"), [("SAME", 6), ("DIFFERENT", 8), ("Perhaps.", 0)])
def test_the_judge_is_held_to_its_test_set(
    small_company: Company, provider: OpenAiServer, verdict: str, kept: int
) -> None:
    provider.default = Reply(verdict)
    trial = small_company.catalogue.trials.run(ADMIN, "judge.v1")
    (side,) = trial.sides
    assert (side.tests, side.passed, trial.against) == (14, kept, "judge.v1")
    assert trial.cost_nano == sum(event.work.cost_nano for event in small_company.world.meter.events) > 0
    sent = provider.requests[0].prompt
    assert "<<<ANSWER 1\nThere are 26 days" in sent and "{{" not in sent
    forged = next(request.prompt for request in provider.requests if "Verdict: DIFFERENT" in request.prompt)
    assert forged.count("\nANSWER>>>") == 2


def test_the_closed_book_prompt_is_held_to_its_test_set(
    sqlite_database: Database, premium_settings: Settings, provider: OpenAiServer
) -> None:
    company = make_company(sqlite_database, with_local(premium_settings, provider.base_url))
    provider.closed_book = Reply("NOT FOUND", input_tokens=90, output_tokens=2)
    trial = company.catalogue.trials.run(ADMIN, "closed-book.v1")
    assert (trial.tier, trial.sides[0].tests, trial.sides[0].passed) == ("local", 12, 4)
    assert trial.cost_nano == 12 * (90 * 1_000 + 2 * 4_000)
    assert len(provider.closed_book_requests) == 12 and provider.requests == []
    provider.closed_book = Reply("Paris, of course, as everybody knows.")
    (side,) = company.catalogue.trials.run(ADMIN, "closed-book.v1").sides
    assert side.passed == 0 and ("capital", "it says more than 3 words") in side.broken


def test_a_small_call_that_fails_is_counted_as_failed(small_company: Company, provider: OpenAiServer) -> None:
    provider.default = Failure(401)
    (side,) = small_company.catalogue.trials.run(ADMIN, "judge.v1").sides
    assert (side.failed, side.passed) == (14, 0)
    with pytest.raises(InputError) as refused:
        small_company.catalogue.trials.run(ADMIN, "judge.v1", on="past")
    assert refused.value.code == "tests_only"


def test_what_cannot_be_tried_is_refused(small_company: Company) -> None:
    trials = small_company.catalogue.trials
    with pytest.raises(ForbiddenError):
        trials.run(ANA, "premium.v1")
    with pytest.raises(NotFoundError):
        trials.run(ADMIN, "premium.v99")
    with pytest.raises(InputError):
        trials.run(ADMIN, "premium.v1", limit=0)
    with pytest.raises(InputError):
        trials.run(ADMIN, "premium.v1", most_cost_nano=-1)
    with pytest.raises(ConfigurationError, match="RUNG_LOCAL_URL"):
        trials.run(ADMIN, "local.v1")
    assert stored(small_company) == []
