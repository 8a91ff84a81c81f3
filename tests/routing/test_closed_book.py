"""The local rung also asks without passages, and tells how far the model then says the same."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from app.core.config import Settings
from routing.tier import Ladder, TierAnswer, TierAttempt, TierOutput, load_specs
from routing.tiers import build_ladder
from tests.fakes.openai_server import Failure, OpenAiServer, Reply
from tests.fakes.reader import WordReader
from tests.routing.test_local import collect
from tests.routing.world import passage, request, with_local

ASKED = request("What is the hotel limit?", passage("The hotel limit is 140 euros a night."))


@pytest.fixture
def server() -> Iterator[OpenAiServer]:
    with OpenAiServer(default=Reply("The hotel limit is 140 euros [1].", output_tokens=8)) as it:
        yield it


def ladder(settings: Settings, server: OpenAiServer, tokens: int | None = None) -> Ladder:
    specs = load_specs()
    if tokens is not None:
        specs = tuple(
            spec.model_copy(update={"chat": spec.chat.model_copy(update={"closed_book_tokens": tokens})})
            if spec.name == "local" and spec.chat is not None
            else spec
            for spec in specs
        )
    return build_ladder(with_local(settings, server.base_url), WordReader(), "EUR", specs=specs)


def answered(settings: Settings, server: OpenAiServer, tokens: int | None = None) -> TierAnswer:
    outputs, error = collect(ladder(settings, server, tokens).get("local"), ASKED)
    assert error is None
    found = outputs[-1]
    assert isinstance(found, TierAnswer)
    return found


@pytest.mark.parametrize(("said", "agrees"), [("140 euros", 1.0), ("200 dollars", 0.0), ("NOT FOUND", 0.0)])
def test_it_tells_how_far_the_model_says_the_same(
    settings: Settings, server: OpenAiServer, said: str, agrees: float
) -> None:
    server.closed_book = Reply(said)
    signals = answered(settings, server).signals
    assert (signals.closed_book, signals.closed_book_text) == (agrees, said)


def test_its_call_is_short_without_passages_and_to_the_same_model(
    settings: Settings, server: OpenAiServer
) -> None:
    answered(settings, server)
    [with_passages], [without] = server.requests, server.closed_book_requests
    assert without.body["model"] == with_passages.body["model"]
    assert without.body["max_tokens"] == 24
    assert "PASSAGE" not in without.prompt
    assert "What is the hotel limit?" in without.prompt


def test_what_it_used_is_part_of_the_answers_work(settings: Settings, server: OpenAiServer) -> None:
    server.closed_book = Reply("140 euros", input_tokens=30, output_tokens=2)
    alone, both = answered(settings, server, 0), answered(settings, server)
    assert both.work.input_tokens == alone.work.input_tokens + 30
    assert both.work.output_tokens == alone.work.output_tokens + 2 == 10
    assert both.work.cost_nano == alone.work.cost_nano + 30 * 1_000 + 2 * 4_000
    assert [note for note in both.notes if "32 tokens" in note]


def test_nothing_is_asked_where_it_is_turned_off(settings: Settings, server: OpenAiServer) -> None:
    signals = answered(settings, server, 0).signals
    assert signals.closed_book is None and signals.closed_book_text is None
    assert not server.closed_book_requests


def test_its_failure_is_noted_and_fails_no_question(settings: Settings, server: OpenAiServer) -> None:
    server.closed_book = Failure(500)
    found = answered(settings, server)
    assert found.text.startswith("The hotel limit is 140 euros")
    assert found.signals.closed_book is None
    assert [note for note in found.notes if "in vain" in note]


def test_where_the_answer_fails_its_cost_is_in_the_failed_attempt(
    settings: Settings, server: OpenAiServer
) -> None:
    server.default = Failure(400)
    server.closed_book = Reply("140 euros", input_tokens=30, output_tokens=2)
    outputs, error = collect(ladder(settings, server).get("local"), ASKED)
    attempts: list[TierOutput] = [output for output in outputs if isinstance(output, TierAttempt)]
    assert error is not None and len(attempts) == 1
    assert isinstance(attempts[0], TierAttempt)
    assert (attempts[0].work.input_tokens, attempts[0].work.output_tokens) == (30, 2)


def test_after_a_second_try_it_is_counted_once(settings: Settings, server: OpenAiServer) -> None:
    server.script(Failure(503), Reply("The hotel limit is 140 euros [1].", input_tokens=100, output_tokens=8))
    server.closed_book = Reply("140 euros", input_tokens=30, output_tokens=2)
    outputs, error = collect(ladder(settings, server).get("local"), ASKED)
    assert error is None
    works = [o.work for o in outputs if isinstance(o, (TierAttempt, TierAnswer))]
    assert sum(work.input_tokens for work in works) == 130
    assert sum(work.output_tokens for work in works) == 10


def test_a_long_question_is_cut(settings: Settings, server: OpenAiServer) -> None:
    long = replace(ASKED, standalone="word " * 1_000)
    collect(ladder(settings, server).get("local"), long)
    assert len(server.closed_book_requests[0].prompt) < 2_000
