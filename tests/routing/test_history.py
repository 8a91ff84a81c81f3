"""Past questions, shown again to the person who asked them, as far as they may still read the documents."""

from datetime import UTC, datetime

import pytest

from app.core.errors import NotFoundError
from app.core.identity import NOBODY
from routing.history import WITHHELD, Feedback, Tally
from routing.question import AskRequest, standalone_question
from routing.tier import Turn
from tests.fakes.openai_server import Failure, OpenAiServer
from tests.routing.world import ANA, BEN, LEAVE, TRAVEL, World, answer_of, caller, problem_of, receipt_of

EASY = "How many days of annual leave does everyone have a year?"
HOTEL = "What is the hotel limit in euros a night?"


def ask(world: World, question: str, conversation_id: str | None = None) -> tuple[str, str]:
    """The query's and the conversation's id."""
    answer = answer_of(list(world.answerer.ask(ANA, AskRequest(question, conversation_id=conversation_id))))
    return answer.query_id, answer.conversation_id


def test_a_question_is_shown_again_as_it_was_answered(world: World) -> None:
    updates = list(world.answerer.ask(ANA, AskRequest(EASY)))
    answer, receipt = answer_of(updates), receipt_of(updates)
    asked = world.history.query(ANA, answer.query_id)
    assert (asked.answer, asked.receipt, asked.attempts) == (answer, receipt.receipt, receipt.attempts)
    assert asked.route in updates
    assert (asked.state, asked.withheld, asked.feedback, asked.problem) == ("finished", False, None, None)
    world.answerer.feedback(ANA, answer.query_id, False)
    assert world.history.query(ANA, answer.query_id).feedback == Feedback(good=False)


def test_conversations_are_listed_newest_first_and_paged(world: World) -> None:
    _, first = ask(world, EASY)
    _, second = ask(world, HOTEL)
    ask(world, "And who do I ask?", first)
    listed = world.history.conversations(ANA)
    assert [(c.id, c.title, c.questions) for c in listed] == [(first, EASY, 2), (second, HOTEL, 1)]
    assert [c.id for c in world.history.conversations(ANA, limit=1, offset=1)] == [second]
    assert world.history.conversations(BEN) == []
    assert world.history.conversations(caller("ana", workspace_id="other")) == []


def test_a_conversation_holds_its_questions_in_order(world: World) -> None:
    query_id, conversation_id = ask(world, EASY)
    ask(world, "And who do I ask?", conversation_id)
    found = world.history.conversation(ANA, conversation_id)
    assert [q.question for q in found.questions] == [EASY, "And who do I ask?"]
    assert found.questions[0].query_id == query_id


def test_questions_are_counted_by_the_rung_that_answered(world: World) -> None:
    long_ago = datetime(2000, 1, 1, tzinfo=UTC)
    assert world.history.tally("default", long_ago) == Tally({}, 0, 0)
    answered = [world.history.query(ANA, ask(world, question)[0]).answer for question in (EASY, HOTEL)]
    nothing = answer_of(list(world.answerer.ask(BEN, AskRequest("Who painted the ceiling of the chapel?"))))
    assert nothing.abstained and not any(answer.abstained for answer in answered if answer)
    assert world.history.tally("default", long_ago) == Tally({"reader": 2}, 1, 0)
    assert world.history.tally("other", long_ago).asked == 0
    assert world.history.tally("default", datetime(2999, 1, 1, tzinfo=UTC)).asked == 0


def test_what_belongs_to_another_person_does_not_exist(world: World) -> None:
    query_id, conversation_id = ask(world, EASY)
    for reader in (BEN, caller("ana", workspace_id="other")):
        for look in (world.history.query, world.history.trail):
            with pytest.raises(NotFoundError):
                look(reader, query_id)
        with pytest.raises(NotFoundError):
            world.history.conversation(reader, conversation_id)
        with pytest.raises(NotFoundError):
            world.history.updates(reader, query_id)


@pytest.mark.parametrize("deleted", [True, False])
def test_an_answer_from_a_document_that_was_taken_away_is_withheld(world: World, deleted: bool) -> None:
    query_id, conversation_id = ask(world, EASY)
    world.documents.remove(LEAVE)
    if not deleted:
        world.documents.append(type(LEAVE)(LEAVE.id, LEAVE.title, LEAVE.text, NOBODY))
    told = [
        world.history.query(ANA, query_id),
        world.history.trail(ANA, query_id),
        world.history.conversation(ANA, conversation_id),
        list(world.history.updates(ANA, query_id)),
    ]
    assert "28 days" not in repr(told)
    asked = world.history.query(ANA, query_id)
    assert asked.withheld and asked.answer is not None
    assert (asked.answer.text, asked.answer.citations) == (WITHHELD, ())
    trail = world.history.trail(ANA, query_id)
    assert {p.document_id for p in trail.passages} == {TRAVEL.id}
    assert trail.hidden_passages == 2


def test_losing_a_document_that_is_not_cited_hides_its_passages_alone(world: World) -> None:
    query_id, _ = ask(world, EASY)
    world.documents.remove(TRAVEL)
    trail = world.history.trail(ANA, query_id)
    assert not trail.asked.withheld and trail.hidden_passages == 2


def test_the_trail_tells_how_the_answer_came_about(world: World) -> None:
    query_id, _ = ask(world, EASY)
    trail = world.history.trail(ANA, query_id)
    assert trail.search_text == EASY
    assert None not in (trail.stage1, trail.stage2, trail.stage3)
    assert len(trail.passages) == 4 and trail.passages[0].document_id == "leave"
    assert trail.timings_ms["total"] >= trail.timings_ms["search"]


def test_a_failed_question_keeps_its_problem_and_has_no_receipt(
    small_world: World, provider: OpenAiServer
) -> None:
    provider.script(Failure(400))
    updates = list(small_world.answerer.ask(ANA, AskRequest(EASY, tier="premium")))
    problem = problem_of(updates)
    asked = small_world.history.query(ANA, problem.query_id)
    assert (asked.state, asked.answer, asked.receipt, asked.problem) == ("failed", None, None, problem)
    assert list(small_world.history.updates(ANA, problem.query_id))[-1] == problem


BERLIN = (Turn("How many days of leave do I get in Berlin?", "28 days."),)


@pytest.mark.parametrize(
    "question",
    ["And in Lisbon?", "What about Lisbon?", "Lisbon?", "How long does it last?", "Who approves this?"],
)
def test_a_question_that_leans_on_the_one_before_is_joined_to_it(question: str) -> None:
    assert standalone_question(question, BERLIN) == f"{BERLIN[0].question} {question}"


@pytest.mark.parametrize(
    "question",
    [
        "Which hotels may we book for the yearly company meeting in Porto?",
        "How do I reset the password of my laptop when I am travelling abroad for the company?",
    ],
)
def test_a_question_that_stands_alone_is_left_alone(question: str) -> None:
    assert standalone_question(question, BERLIN) == question
    assert standalone_question("And in Lisbon?", ()) == "And in Lisbon?"


def test_a_joined_question_is_never_too_long() -> None:
    long = (Turn("x" * 4000, ""),)
    assert len(standalone_question("And then?", long)) <= 4000
