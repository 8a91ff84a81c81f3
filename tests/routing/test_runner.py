"""Questions answered in the background, followed by any number of readers."""

import threading
from collections.abc import Iterator

import pytest
from sqlmodel import select

from app.core.errors import InputError, NotFoundError, UnavailableError
from routing.question import AskRequest
from routing.runner import AskRunner
from routing.tables import QueryRow
from routing.updates import AnswerUpdate, DeltaUpdate, PassagesUpdate, ProblemUpdate, ReceiptUpdate
from tests.fakes.openai_server import OpenAiServer, Reply
from tests.routing.world import ANA, BEN, World

EASY = "How many days of annual leave does everyone have a year?"
SLOW = Reply("There are 28 days of annual leave a year [1].", pause_seconds=0.02)


@pytest.fixture
def runner(world: World) -> Iterator[AskRunner]:
    runner = AskRunner(world.answerer, world.history, threads=2)
    yield runner
    runner.close()


@pytest.fixture
def premium_runner(small_world: World) -> Iterator[AskRunner]:
    runner = AskRunner(small_world.answerer, small_world.history, threads=2)
    yield runner
    runner.close()


def test_updates_are_followed_in_order_to_the_receipt(runner: AskRunner) -> None:
    started = runner.start(ANA, AskRequest(EASY))
    followed = list(runner.follow(started.query_id, ANA))
    assert [n for n, _ in followed] == list(range(1, len(followed) + 1))
    assert isinstance(followed[0][1], PassagesUpdate) and isinstance(followed[-1][1], ReceiptUpdate)
    answer = next(u for _, u in followed if isinstance(u, AnswerUpdate))
    assert answer.conversation_id == started.conversation_id


def test_a_reader_who_leaves_changes_nothing(
    premium_runner: AskRunner, small_world: World, provider: OpenAiServer
) -> None:
    provider.script(SLOW)
    started = premium_runner.start(ANA, AskRequest(EASY, tier="premium"))
    reader = premium_runner.follow(started.query_id, ANA)
    assert isinstance(next(reader)[1], PassagesUpdate)
    reader.close()  # type: ignore[attr-defined]
    premium_runner.close()
    assert len(small_world.meter.events) == 1 and small_world.meter.held_nano == 0
    with small_world.database.read() as session:
        (row,) = session.exec(select(QueryRow)).all()
    assert (row.state, row.answer_text) == ("finished", SLOW.text)


def test_two_readers_see_the_same_and_a_third_begins_where_it_left(
    premium_runner: AskRunner, provider: OpenAiServer
) -> None:
    provider.script(SLOW)
    started = premium_runner.start(ANA, AskRequest(EASY, tier="premium"))
    seen: dict[str, list[object]] = {"a": [], "b": []}

    def read(name: str) -> None:
        seen[name].extend(premium_runner.follow(started.query_id, ANA))

    readers = [threading.Thread(target=read, args=(name,)) for name in seen]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    assert seen["a"] == seen["b"] and len(seen["a"]) > 5
    assert list(premium_runner.follow(started.query_id, ANA, 3)) == seen["a"][3:]
    assert list(premium_runner.follow(started.query_id, ANA, len(seen["a"]))) == []


def test_only_the_asker_may_follow(runner: AskRunner) -> None:
    started = runner.start(ANA, AskRequest(EASY))
    for query_id in (started.query_id, "no-such-query"):
        with pytest.raises(NotFoundError) as refused:
            runner.follow(query_id, BEN)
        assert refused.value.code == "no_such_query"
    list(runner.follow(started.query_id, ANA))
    with pytest.raises(NotFoundError):
        runner.stored(BEN, started.query_id)


def test_what_is_no_longer_in_memory_comes_from_the_database(world: World, runner: AskRunner) -> None:
    started = runner.start(ANA, AskRequest(EASY))
    live = [u for _, u in runner.follow(started.query_id, ANA)]
    elsewhere = AskRunner(world.answerer, world.history, threads=1)
    again = [u for _, u in elsewhere.follow(started.query_id, ANA)]
    elsewhere.close()
    without_text = [u for u in live if not isinstance(u, DeltaUpdate)]
    assert [type(u) for u in again] == [type(u) for u in without_text]
    # The time the search took is rounded differently; everything else is the same.
    assert again[1:] == without_text[1:]
    assert isinstance(again[0], PassagesUpdate) and isinstance(live[0], PassagesUpdate)
    assert again[0].passages == live[0].passages


def test_ended_questions_are_forgotten_after_a_while(world: World) -> None:
    runner = AskRunner(world.answerer, world.history, threads=1, keep_seconds=0.0)
    first = runner.start(ANA, AskRequest(EASY))
    list(runner.follow(first.query_id, ANA))
    runner.start(ANA, AskRequest(EASY))
    assert first.query_id not in runner._running
    assert len(list(runner.follow(first.query_id, ANA))) == 4
    runner.close()


def test_bad_input_is_raised_at_once(runner: AskRunner) -> None:
    with pytest.raises(InputError):
        runner.start(ANA, AskRequest(" "))


def test_too_many_questions_at_once_are_turned_away(small_world: World, provider: OpenAiServer) -> None:
    runner = AskRunner(small_world.answerer, small_world.history, threads=1)
    provider.default = Reply("There are 28 days of leave [1].", pause_seconds=0.03)
    for _ in range(5):
        runner.start(ANA, AskRequest(EASY, tier="premium"))
    with pytest.raises(UnavailableError) as refused:
        runner.start(ANA, AskRequest(EASY, tier="premium"))
    assert refused.value.code == "busy"
    runner.close()


def test_a_question_that_runs_elsewhere_says_so(world: World, runner: AskRunner) -> None:
    asking = world.answerer.prepare(ANA, AskRequest(EASY))
    ((_, update),) = runner.follow(asking.query_id, ANA)
    assert isinstance(update, ProblemUpdate) and update.code == "still_running"


def test_a_reader_is_not_kept_waiting_for_ever(premium_runner: AskRunner, provider: OpenAiServer) -> None:
    provider.script(Reply("There are 28 days of leave [1].", stall_after=0))
    started = premium_runner.start(ANA, AskRequest(EASY, tier="premium"))
    with pytest.raises(UnavailableError) as gone:
        list(premium_runner.follow(started.query_id, ANA, wait_seconds=0.3))
    assert gone.value.code == "answer_timeout"
    provider.stopping.set()


def test_a_better_model_is_followed_like_any_question(
    premium_runner: AskRunner, provider: OpenAiServer
) -> None:
    first = premium_runner.start(ANA, AskRequest(EASY, tier="reader"))
    list(premium_runner.follow(first.query_id, ANA))
    better = premium_runner.escalate(ANA, first.query_id)
    assert better.conversation_id == first.conversation_id
    assert isinstance([u for _, u in premium_runner.follow(better.query_id, ANA)][-1], ReceiptUpdate)
    assert len(provider.requests) == 1
