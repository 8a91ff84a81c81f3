import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.usage import Work
from routing.difficulty.features import passage_features, question_features
from routing.difficulty.weighted import INTERCEPT, WEIGHTS, stage1, stage2, stage3
from routing.tier import Signals, TierAnswer
from tests.routing.world import passage

ONE = [
    passage("The hotel limit in Berlin is 140 euros a night.", document_id="a", dense_score=0.8),
    passage("Lunch is at noon.", document_id="b", dense_score=0.3),
]
APART = [
    passage("The hotel limit is 140 euros.", document_id="a", dense_score=0.5),
    passage("The Berlin office is closed in August.", document_id="b", dense_score=0.48),
]


@pytest.mark.parametrize(
    ("question", "reason"),
    [
        (
            "How does the travel policy of Berlin differ from that of Lisbon?",
            "the question compares two things",
        ),
        ("Who approves travel, and when is it paid? And by whom?", "several things are asked at once"),
        (
            "Give me an overview of all the projects across the teams",
            "the answer has to be gathered from many places",
        ),
    ],
)
def test_a_hard_question_says_why(question: str, reason: str) -> None:
    difficulty = stage1(question)
    assert reason in difficulty.reasons
    assert difficulty.probability > stage1("What is the hotel limit?").probability


def test_a_short_look_up_is_easy_and_says_so() -> None:
    assert stage1("What is the hotel limit?").reasons == ("it is a short look-up",)


def test_one_passage_that_covers_the_question_makes_it_easy() -> None:
    easy = stage2("What is the hotel limit in Berlin?", "What is the hotel limit in Berlin?", ONE)
    assert easy.probability < 0.3
    assert easy.reasons[0] == "one passage covers the whole question"


def test_facts_in_several_documents_make_it_hard() -> None:
    question = "What is the hotel limit when the Berlin office is closed in August?"
    hard = stage2(question, question, APART)
    assert "the facts stand in several documents" in hard.reasons
    assert hard.probability > 0.5


def test_passages_that_have_nothing_of_it_make_it_hard() -> None:
    question = "Which submarine did the minister inspect?"
    far = [passage(p.text, document_id=p.document_id, dense_score=0.25) for p in ONE]
    hard = stage2(question, question, far)
    assert hard.probability > 0.5
    assert "some of what is asked is in no passage" in hard.reasons


def test_the_answer_moves_the_score() -> None:
    question = "What is the hotel limit in Berlin?"

    def scored(abstained: bool, signals: Signals) -> float:
        answer = TierAnswer("", (), abstained, signals, Work("reader", "m", "answered"))
        return stage3(question, question, ONE, answer).probability

    sure = scored(False, Signals(score=0.9, margin=0.3, coverage=1.0, agreement=3))
    unsure = scored(False, Signals(score=0.25, margin=0.0, coverage=0.1, agreement=1))
    assert sure < stage2(question, question, ONE).probability < unsure
    assert scored(True, Signals()) > 0.5
    fine = Signals(score=0.6, margin=0.1, coverage=0.8, agreement=1)
    assert scored(False, fine) < scored(False, replace(fine, kind=0.0))
    assert scored(False, fine) < scored(False, replace(fine, names=0.5))


QUESTION = "What is the hotel limit in Berlin?"


def of_signals(signals: Signals, *, abstained: bool = False) -> float:
    answer = TierAnswer("", (), abstained, signals, Work("local", "m", "answered"))
    return stage3(QUESTION, QUESTION, ONE, answer).probability


def test_a_sign_that_a_rung_cannot_give_moves_nothing() -> None:
    assert of_signals(Signals()) == stage2(QUESTION, QUESTION, ONE).probability


def test_a_model_that_was_sure_of_its_words_is_trusted_more() -> None:
    said = Signals(coverage=0.8, supported=1.0)
    sure = of_signals(replace(said, mean_logprob=-0.02, least_logprob=-0.5))
    unsure = of_signals(replace(said, mean_logprob=-1.2, least_logprob=-6.0))
    assert sure < of_signals(said) < unsure
    assert of_signals(said) < of_signals(replace(said, supported=0.5))


def test_what_the_log_probabilities_add_is_modest() -> None:
    words = ("fluent", "hesitant", "stumbled")
    assert sum(abs(WEIGHTS[name].weight) for name in words) < WEIGHTS["abstained"].weight


def test_an_abstention_outweighs_fluent_words() -> None:
    assert of_signals(Signals(mean_logprob=-0.01, least_logprob=-0.1), abstained=True) > 0.5


@given(st.floats(-50, 0), st.floats(-200, 0), st.floats(0, 1), st.floats(0, 1))
def test_any_certainty_gives_a_probability(mean: float, least: float, share: float, covered: float) -> None:
    assert 0 < of_signals(Signals(None, None, None, mean, least, share, covered)) < 1


def test_the_formula_is_the_documented_one() -> None:
    question = "What is the hotel limit?"
    expected = 1 / (1 + math.exp(-(INTERCEPT + WEIGHTS["simple"].weight)))
    assert stage1(question).probability == pytest.approx(expected)


def test_features_count_what_they_name() -> None:
    features = question_features("Why does ACME not pay Mona Lund more than Ben? And since when?")
    assert features.questions == 2
    assert (features.comparison, features.negation, features.reasoning) == (1, 1, 1)
    assert features.names >= 2
    found = passage_features("hotel limit Berlin office", APART)
    assert (found.documents, found.all_cover) == (2, 1.0)
    assert found.one_covers == 0.5


@given(st.text(max_size=300), st.lists(st.text(max_size=80), max_size=4))
def test_any_question_gets_a_probability_and_a_reason(question: str, texts: list[str]) -> None:
    passages = [passage(t, document_id=f"d{i}", dense_score=0.4) for i, t in enumerate(texts)]
    for difficulty in (stage1(question), stage2(question, question, passages)):
        assert 0 < difficulty.probability < 1
        assert difficulty.reasons and all(difficulty.reasons)
