"""The whole way of a question, on both databases."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from sqlmodel import Session, select

from app.core.errors import (
    ConflictError,
    InputError,
    NotFoundError,
    RungError,
    TooLargeError,
    UnavailableError,
)
from app.core.usage import Receipt, Reservation, Work
from routing.answer import LONGEST_REASON
from routing.flow import OVER_BUDGET
from routing.history import Feedback
from routing.policy import TOO_HARD_BUDGET, TOO_HARD_UNAVAILABLE, OnePolicy, Policy
from routing.question import AskRequest
from routing.tables import AttemptRow, CitationRow, FeedbackRow, QueryPassageRow, QueryRow
from routing.updates import EscalationUpdate, PassagesUpdate, RouteUpdate
from tests.fakes.meter import PRICES_NANO, MemoryMeter
from tests.fakes.openai_server import Failure, OpenAiServer, Reply
from tests.routing.world import (
    ANA,
    BEN,
    LEAVE,
    World,
    answer_of,
    kinds,
    problem_of,
    receipt_of,
)

EASY = "How many days of annual leave does everyone have a year?"
HARD = (
    "Why do the annual leave and the hotel limit differ between the sister companies Northwind and Contoso, "
    "and which of both was not changed since 2019?"
)
BOTH = "There are 28 days of annual leave [1][2][3][4]. The hotel limit is 140 euros a night [1][2][3][4]."


def row_of(world: World, query_id: str) -> QueryRow:
    with world.database.read() as session:
        row = session.get(QueryRow, query_id)
    assert row is not None
    return row


def test_an_easy_question_is_answered_by_the_reader(world: World) -> None:
    updates = list(world.answerer.ask(ANA, AskRequest(EASY)))
    assert kinds(updates) == ["Passages", "Route", "Delta", "Answer", "Receipt"]
    answer = answer_of(updates)
    assert answer.tier == "reader" and not answer.abstained
    (citation,) = answer.citations
    assert citation.quote == LEAVE.text[citation.start : citation.end]
    receipt = receipt_of(updates)
    assert receipt.receipt.price_nano == PRICES_NANO["reader"]
    assert [(a.tier, a.outcome) for a in receipt.attempts] == [("reader", "answered")]
    assert world.meter.held_nano == 0
    assert any("reference prices" in note for note in receipt.receipt.notes)


def test_everything_told_is_stored_with_the_answer(world: World) -> None:
    updates = list(world.answerer.ask(ANA, AskRequest(EASY)))
    answer, (passages, route) = answer_of(updates), updates[:2]
    assert isinstance(passages, PassagesUpdate) and isinstance(route, RouteUpdate)
    row = row_of(world, answer.query_id)
    assert (row.state, row.tier, row.answer_text) == ("finished", "reader", answer.text)
    assert row.stage1 is not None and row.stage2 == route.difficulty and row.stage3 is not None
    assert tuple(row.reasons) == route.reasons
    assert {"search", "route", "reader", "total"} <= row.timings_ms.keys()
    with world.database.read() as session:
        assert len(session.exec(select(QueryPassageRow)).all()) == len(passages.passages)
        assert [c.quote for c in session.exec(select(CitationRow)).all()] == [
            c.quote for c in answer.citations
        ]
        assert [a.outcome for a in session.exec(select(AttemptRow)).all()] == ["answered"]


def test_nothing_of_a_document_that_the_asker_may_not_read_is_told(world: World) -> None:
    question = "What is the secret salary of the director?"
    told = repr(list(world.answerer.ask(ANA, AskRequest(question))))
    assert "190000" not in told
    assert "190000" in answer_of(list(world.answerer.ask(BEN, AskRequest(question)))).text


def test_a_hard_question_without_a_premium_model_is_not_guessed_at(world: World) -> None:
    updates = list(world.answerer.ask(ANA, AskRequest(HARD)))
    answer = answer_of(updates)
    assert answer.abstained
    assert answer.text.startswith(TOO_HARD_UNAVAILABLE)
    assert {c.document_id for c in answer.citations} == {"leave", "travel"}
    receipt = receipt_of(updates).receipt
    assert receipt.price_nano == 0
    # The doubtful answer is withdrawn before a word of it is shown.
    assert kinds(updates) == ["Passages", "Route", "Answer", "Receipt"]


def test_nothing_found_abstains(world: World) -> None:
    answer = answer_of(list(world.answerer.ask(ANA, AskRequest("Zebra quagga okapi?"))))
    assert answer.abstained and answer.citations == ()


def test_a_hard_question_goes_to_premium(premium_world: World, provider: OpenAiServer) -> None:
    provider.script(Reply(BOTH, input_tokens=1000, output_tokens=30))
    updates = list(premium_world.answerer.ask(ANA, AskRequest(HARD)))
    answer, receipt = answer_of(updates), receipt_of(updates)
    assert answer.tier == "premium" and not answer.abstained
    assert receipt.receipt.cost_nano == 1000 * 2_000 + 30 * 10_000
    assert receipt.receipt.baseline_method == "observed"
    assert row_of(premium_world, answer.query_id).prompt_id == "premium.v2"


def test_a_doubtful_quick_answer_climbs_and_both_attempts_are_metered(
    premium_world: World, provider: OpenAiServer
) -> None:
    provider.script(Reply(BOTH))
    world = premium_world
    world.answerer._parts = replace(  # the thresholds of a policy that always reads first and never trusts it
        world.answerer._parts, policies=OnePolicy(Policy(skip_above=2.0, climb_above=0.0))
    )
    updates = list(world.answerer.ask(ANA, AskRequest(EASY)))
    assert kinds(updates) == [
        "Passages", "Route", "Delta", "Escalation", "Delta", "Answer", "Receipt",
    ]  # fmt: skip
    escalation = next(u for u in updates if isinstance(u, EscalationUpdate))
    assert (escalation.from_tier, escalation.to_tier) == ("reader", "premium") and escalation.reason
    attempts = receipt_of(updates).attempts
    assert [(a.tier, a.outcome) for a in attempts] == [("reader", "escalated"), ("premium", "answered")]
    assert len(world.meter.events) == 2
    assert receipt_of(updates).receipt.price_nano == PRICES_NANO["premium"]


def test_a_retried_call_is_an_attempt_of_its_own(premium_world: World, provider: OpenAiServer) -> None:
    provider.script(Failure(500), Reply(BOTH))
    updates = list(premium_world.answerer.ask(ANA, AskRequest(HARD, tier="premium")))
    assert [a.outcome for a in receipt_of(updates).attempts] == ["failed", "answered"]


def test_what_no_database_takes_is_taken_out_of_an_answer(
    premium_world: World, provider: OpenAiServer
) -> None:
    provider.script(Reply("There are\x00 28 days \ud800 of annual leave [1][2][3][4]."))
    answer = answer_of(list(premium_world.answerer.ask(ANA, AskRequest(EASY, tier="premium"))))
    assert answer.text.startswith("There are 28 days ? of annual leave")
    assert row_of(premium_world, answer.query_id).answer_text == answer.text


def test_a_rung_that_left_the_ladder_has_no_better_one(world: World) -> None:
    assert world.answerer.better_tier("oracle") is None
    assert world.answerer.better_tier("reader") is world.ladder.top


def test_a_named_rung_answers_without_being_judged(world: World) -> None:
    answer = answer_of(list(world.answerer.ask(ANA, AskRequest(HARD, tier="reader"))))
    assert answer.tier == "reader" and not answer.abstained


def test_out_of_budget_means_a_cheaper_rung_and_a_note(premium_world: World) -> None:
    premium_world.meter.cap_nano = PRICES_NANO["reader"] * 2
    updates = list(premium_world.answerer.ask(ANA, AskRequest(EASY)))
    assert answer_of(updates).tier == "reader"
    note = OVER_BUDGET.format(whose="The company's budget of this month")
    assert note in receipt_of(updates).receipt.notes
    assert any(isinstance(u, RouteUpdate) and note in u.reasons for u in updates)
    hard = answer_of(list(premium_world.answerer.ask(ANA, AskRequest(HARD))))
    assert hard.abstained and hard.text.startswith(TOO_HARD_BUDGET.format(whose=note))


def test_no_budget_at_all_is_a_problem(world: World) -> None:
    world.meter.cap_nano = 0
    updates = list(world.answerer.ask(ANA, AskRequest(EASY)))
    assert problem_of(updates).code == "budget_exceeded"
    assert row_of(world, problem_of(updates).query_id).state == "failed"


@pytest.mark.parametrize(
    ("failure", "code", "costs"),
    [
        (Failure(401), "provider_auth", False),
        (Failure(400), "provider_refused", False),
        (Reply("28 days [1] of leave", cut_after=4), "cut_connection", True),
        (Reply("", input_tokens=10), "provider_empty_answer", True),
    ],
)
def test_a_failed_provider_is_a_problem_that_costs_the_asker_nothing(
    premium_world: World, provider: OpenAiServer, failure: Failure | Reply, code: str, costs: bool
) -> None:
    provider.script(failure)
    world = premium_world
    updates = list(world.answerer.ask(ANA, AskRequest(HARD, tier="premium")))
    problem = problem_of(updates)
    assert problem.code == code
    assert updates[-1] is problem
    assert (world.meter.held_nano, world.meter.spent_nano) == (0, 0)
    assert bool(world.meter.events) is costs
    if costs:
        assert sum(event.work.cost_nano for event in world.meter.events) > 0
    row = row_of(world, problem.query_id)
    assert (row.state, row.problem_code, row.answer_text) == ("failed", code, "")


class BreakingMeter(MemoryMeter):
    """Writes its event, then fails: what a full disk or a lost connection does at the worst moment."""

    def commit(
        self, session: Session, reservation: Reservation, attempts: Sequence[Work], baseline: Work
    ) -> Receipt:
        super().commit(session, reservation, attempts, baseline)
        raise OSError("disk full")


def test_answer_and_ledger_are_stored_together_or_not_at_all(world: World) -> None:
    meter = BreakingMeter()
    world.answerer._parts = replace(world.answerer._parts, meter=meter)
    updates = list(world.answerer.ask(ANA, AskRequest(EASY)))
    problem = problem_of(updates)
    assert problem.code == "internal_error" and problem.query_id in problem.message
    assert meter.events == [] and meter.held_nano == 0
    row = row_of(world, problem.query_id)
    assert (row.state, row.answer_text) == ("failed", "")
    with world.database.read() as session:
        assert session.exec(select(CitationRow)).all() == []


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UnavailableError("The index does not answer.", code="index_unavailable"), "index_unavailable"),
        (ZeroDivisionError("a fault of ours"), "internal_error"),
    ],
)
def test_a_search_that_fails_releases_the_hold(small_world: World, error: Exception, code: str) -> None:
    small_world.finder.fails_with = error
    problem = problem_of(list(small_world.answerer.ask(ANA, AskRequest(EASY))))
    assert problem.code == code
    assert "a fault of ours" not in problem.message
    assert small_world.meter.held_nano == 0
    assert list(small_world.meter.released.values()) == [code]


def test_a_reader_who_leaves_changes_nothing(world: World) -> None:
    updates = world.answerer.ask(ANA, AskRequest(EASY))
    first = next(updates)
    assert isinstance(first, PassagesUpdate)
    updates.close()  # type: ignore[attr-defined]
    row = row_of(world, first.query_id)
    assert row.state == "finished" and "28 days" in row.answer_text
    assert len(world.meter.events) == 1 and world.meter.held_nano == 0


@pytest.mark.parametrize(
    ("request_", "code", "kind"),
    [
        (AskRequest("  "), "empty_question", InputError),
        (AskRequest("x" * 20_000), "question_too_long", InputError),
        (AskRequest("a\x00b"), "control_characters", InputError),
        (AskRequest(EASY, tier="oracle"), "no_such_tier", InputError),
        (AskRequest(EASY, tier="premium"), "tier_unavailable", InputError),
        (AskRequest(EASY, conversation_id="nope"), "no_such_conversation", NotFoundError),
    ],
)
def test_bad_input_is_refused_before_anything_happens(
    world: World, request_: AskRequest, code: str, kind: type[RungError]
) -> None:
    with pytest.raises(kind) as refused:
        world.answerer.ask(ANA, request_)
    assert refused.value.code == code
    with world.database.read() as session:
        assert session.exec(select(QueryRow)).all() == []


def test_another_script_gets_a_clear_answer(world: World) -> None:
    assert answer_of(list(world.answerer.ask(ANA, AskRequest("年次休暇は何日ですか")))).abstained


def test_a_follow_up_is_looked_up_with_what_it_refers_to(world: World) -> None:
    first = answer_of(list(world.answerer.ask(ANA, AskRequest(EASY))))
    follow_up = AskRequest("And who do I ask for it?", conversation_id=first.conversation_id)
    second = answer_of(list(world.answerer.ask(ANA, follow_up)))
    assert second.conversation_id == first.conversation_id
    assert world.finder.queries[-1] == f"{EASY} And who do I ask for it?"


def test_another_persons_conversation_does_not_exist(world: World) -> None:
    first = answer_of(list(world.answerer.ask(ANA, AskRequest(EASY))))
    with pytest.raises(NotFoundError):
        world.answerer.ask(BEN, AskRequest("And then?", conversation_id=first.conversation_id))


def test_earlier_answers_from_lost_documents_do_not_reach_the_model(
    small_world: World, provider: OpenAiServer
) -> None:
    world = small_world
    first = answer_of(list(world.answerer.ask(ANA, AskRequest(EASY, tier="reader"))))
    follow_up = AskRequest("And the hotel limit?", conversation_id=first.conversation_id, tier="premium")
    list(world.answerer.ask(ANA, follow_up))
    assert first.text.removesuffix(" [1]") in provider.requests[-1].prompt
    world.documents.remove(LEAVE)
    list(world.answerer.ask(ANA, follow_up))
    assert "28 days" not in provider.requests[-1].prompt


def test_the_better_model_answers_in_the_same_conversation(
    premium_world: World, provider: OpenAiServer
) -> None:
    provider.script(Reply(BOTH))
    first = answer_of(list(premium_world.answerer.ask(ANA, AskRequest(EASY, tier="reader"))))
    better = answer_of(list(premium_world.answerer.escalate(ANA, first.query_id)))
    assert (better.tier, better.conversation_id) == ("premium", first.conversation_id)
    assert row_of(premium_world, better.query_id).escalated_from == first.query_id
    with pytest.raises(ConflictError) as refused:
        premium_world.answerer.escalate(ANA, better.query_id)
    assert refused.value.code == "no_better_tier"
    with pytest.raises(NotFoundError):
        premium_world.answerer.escalate(BEN, first.query_id)


def test_the_better_model_that_is_not_set_up_says_so(world: World) -> None:
    first = answer_of(list(world.answerer.ask(ANA, AskRequest(EASY))))
    with pytest.raises(InputError) as refused:
        world.answerer.escalate(ANA, first.query_id)
    assert refused.value.code == "tier_unavailable"


def test_a_route_is_explained_without_answering(small_world: World, provider: OpenAiServer) -> None:
    hard, easy = small_world.answerer.route(ANA, HARD), small_world.answerer.route(ANA, EASY)
    assert (hard.route.tier, easy.route.tier) == ("premium", "reader")
    assert hard.route.difficulty > easy.route.difficulty
    assert [s.stage for s in hard.stages] == ["question", "passages"] and hard.route.reasons
    assert provider.requests == [] and small_world.meter.held_nano == 0
    with small_world.database.read() as session:
        assert session.exec(select(QueryRow)).all() == []


def test_the_last_word_of_feedback_counts(world: World) -> None:
    answer = answer_of(list(world.answerer.ask(ANA, AskRequest(EASY))))
    world.answerer.feedback(ANA, answer.query_id, True)
    world.answerer.feedback(ANA, answer.query_id, False, " wrong year ")
    with world.database.read() as session:
        (row,) = session.exec(select(FeedbackRow)).all()
    assert (row.good, row.reason) == (False, "other: wrong year")
    world.answerer.feedback(ANA, answer.query_id, False, code="outdated")
    kept = world.history.query(ANA, answer.query_id).feedback
    assert kept == Feedback(False, "outdated")
    with pytest.raises(InputError, match="good answer"):
        world.answerer.feedback(ANA, answer.query_id, True, code="wrong")
    with pytest.raises(NotFoundError):
        world.answerer.feedback(BEN, answer.query_id, True)
    with pytest.raises(TooLargeError):
        world.answerer.feedback(ANA, answer.query_id, True, "x" * (LONGEST_REASON + 1))


def test_a_question_whose_process_died_is_closed_at_the_next_start(world: World) -> None:
    asking = world.answerer.prepare(ANA, AskRequest(EASY))
    assert world.answerer.close_interrupted(older_than_seconds=60) == 0
    assert world.answerer.close_interrupted(older_than_seconds=-1) == 1
    row = row_of(world, asking.query_id)
    assert (row.state, row.problem_code) == ("failed", "interrupted")
