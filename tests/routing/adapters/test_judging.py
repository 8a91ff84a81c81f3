"""Scores that can be defended, and a verdict that chance does not give."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.usage import Work
from routing.adapters.learning.examples import Example
from routing.adapters.learning.judging import compare, score, token_f1
from routing.citation import cite
from routing.llm.prompt import NOT_FOUND, build_prompt
from routing.text.sentences import Span
from routing.tier import Signals, TierAnswer, TierRequest
from tests.routing.adapters.company import LEAVE, passage
from tests.routing.world import ANA

PASSAGE = passage("d", LEAVE)


def example(answer: str) -> Example:
    request = TierRequest("How much leave?", "How much leave?", (PASSAGE,), ANA)
    prompt = build_prompt("local.v1", request, 5, 3000)
    return Example("q", "accepted", request, prompt, answer, frozenset({"d"}), held_out=True)


def said(text: str, *, abstained: bool = False, supported: float | None = 1.0) -> TierAnswer:
    citations = () if abstained else (cite(1, PASSAGE, Span(0, len(LEAVE))),)
    work = Work("local", "m", "answered", 1, 1, 0)
    return TierAnswer(text, citations, abstained, Signals(supported=supported), work)


@pytest.mark.parametrize(
    ("wanted", "answer", "expected"),
    [
        (f"{LEAVE} [1]", said(f"{LEAVE} [1]"), 1.0),
        (f"{LEAVE} [1]", said(f"{LEAVE} [1]", supported=0.5), 0.5),
        (f"{LEAVE} [1]", said("Nothing was found.", abstained=True), 0.0),
        (f"{LEAVE} [1]", said("Apples are red [1]."), 0.0),
        (NOT_FOUND, said("Nothing was found.", abstained=True), 1.0),
        (NOT_FOUND, said(f"{LEAVE} [1]"), 0.0),
    ],
)
def test_a_score_is_what_the_asker_would_have_got(wanted: str, answer: TierAnswer, expected: float) -> None:
    assert score(example(wanted), answer) == pytest.approx(expected)


def test_words_in_common_count_both_ways() -> None:
    assert token_f1("red apples", "green apples") == pytest.approx(0.5)
    assert token_f1("", "apples") == token_f1("", "") == 0.0


def test_a_clear_gain_is_better_and_says_by_how_much() -> None:
    verdict = compare([0.9] * 30, [0.2] * 30)
    assert verdict.better and verdict.reason.startswith("better by 0.700 on 30 held-out questions")


def test_a_gain_on_one_question_of_many_is_chance() -> None:
    verdict = compare([1.0] + [0.5] * 29, [0.5] * 30)
    assert not verdict.better and "chance explains it" in verdict.reason


@pytest.mark.parametrize("against", [0.5, 0.6])
def test_the_same_or_less_is_never_better(against: float) -> None:
    assert not compare([0.5] * 40, [against] * 40).better


def test_noise_seldom_passes_for_a_gain() -> None:
    numbers = np.random.default_rng(1)
    passed = sum(compare(list(numbers.random(40)), list(numbers.random(40))).better for _ in range(60))
    assert passed <= 8


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=20, max_size=40))
def test_a_verdict_is_the_same_every_time_and_never_both_ways(pairs: list[tuple[float, float]]) -> None:
    ours, theirs = [a for a, _ in pairs], [b for _, b in pairs]
    verdict = compare(ours, theirs)
    assert verdict == compare(ours, theirs)
    assert not (verdict.better and compare(theirs, ours).better)
