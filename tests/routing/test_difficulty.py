"""What must hold of the difficulty for the reader rung, and of any; chat rungs have a file of their own."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.core.usage import Work
from routing.difficulty.question import question_features
from routing.difficulty.reading import passage_features
from routing.difficulty.score import stage1, stage2, stage3
from routing.tier import Signals, TierAnswer
from tests.routing.world import passage

QUESTION = "What is the hotel limit in Berlin?"
ONE = [
    passage("The hotel limit in Berlin is 140 euros a night.", document_id="a", dense_score=0.8),
    passage("Lunch is at noon.", document_id="b", dense_score=0.3),
]
APART = [
    passage("The hotel limit is 140 euros.", document_id="a", dense_score=0.5),
    passage("The Berlin office is closed in August.", document_id="b", dense_score=0.48),
]


def of_signals(signals: Signals, *, abstained: bool = False) -> float:
    answer = TierAnswer("", (), abstained, signals, Work("reader", "m", "answered"))
    return stage3(QUESTION, QUESTION, ONE, answer).probability


def test_a_comparison_is_harder_than_a_look_up_and_says_why() -> None:
    hard = stage1("How does the travel policy of Berlin differ from that of Lisbon?")
    easy = stage1("What is the hotel limit?")
    assert hard.probability > easy.probability
    assert "the question compares two things" in hard.reasons
    assert easy.reasons in (("it is a short look-up",), ("nothing about it looks hard",))


def test_one_passage_that_covers_the_question_makes_it_easier_and_says_so() -> None:
    easy, hard = stage2(QUESTION, QUESTION, ONE), stage2(QUESTION, QUESTION, APART)
    assert easy.probability < hard.probability
    assert "one passage covers the whole question" in easy.reasons


def test_a_sure_answer_makes_it_easier_than_an_unsure_one() -> None:
    sure = of_signals(Signals(score=0.9, margin=0.3, coverage=1.0, agreement=3))
    unsure = of_signals(Signals(score=0.25, margin=0.0, coverage=0.1, agreement=1))
    assert sure < unsure


def test_each_stage_names_its_model_and_its_features() -> None:
    answer = TierAnswer("", (), False, Signals(score=0.5), Work("reader", "m", "answered"))
    stages = (
        stage1(QUESTION),
        stage2(QUESTION, QUESTION, ONE),
        stage3(QUESTION, QUESTION, ONE, answer),
    )
    assert [s.model.partition("@")[0] for s in stages] == ["question.reader", "passages", "answer.reader"]
    assert set(stages[0].features) < set(stages[1].features) < set(stages[2].features)


def test_features_count_what_they_name() -> None:
    features = question_features("Why does ACME not pay Mona Lund more than Ben? And since when?")
    assert features["q_questions"] == 2
    assert (features["q_comparison"], features["q_negation"], features["q_reasoning"]) == (1, 1, 1)
    assert features["q_names"] >= math.log1p(2)
    found = passage_features("hotel limit Berlin office", APART)
    assert (found["p_documents"], found["p_all_cover"]) == (math.log1p(2), 1.0)
    assert found["p_one_covers"] == 0.5


@pytest.mark.parametrize("kind", ["reader", "chat"])
@settings(deadline=None)
@given(question=st.text(max_size=300), texts=st.lists(st.text(max_size=80), max_size=4))
def test_any_question_gets_a_probability_and_a_reason(kind: str, question: str, texts: list[str]) -> None:
    passages = [passage(t, document_id=f"d{i}", dense_score=0.4) for i, t in enumerate(texts)]
    of = "reader" if kind == "reader" else "chat"
    for difficulty in (
        stage1(question, of),  # type: ignore[arg-type]
        stage2(question, question, passages, of),  # type: ignore[arg-type]
    ):
        assert 0 < difficulty.probability < 1
        assert difficulty.reasons and all(difficulty.reasons)
