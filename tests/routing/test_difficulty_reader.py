"""What is seen of passages and of the reader's answer, and the models that were fitted to it."""

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.usage import Work
from routing.citation import cite
from routing.difficulty.model import ScoreModel
from routing.difficulty.question import question_features
from routing.difficulty.reading import answered_features, passage_features, reader_features
from routing.text.sentences import Span
from routing.tier import Signals, TierAnswer
from tests.routing.world import passage

MODELS = Path(__file__).parents[2] / "routing" / "difficulty" / "models"
QUESTION = "What is the hotel limit in Berlin?"
HOTEL = passage("The hotel limit in Berlin is 140 euros a night.", document_id="a", dense_score=0.8)
LUNCH = passage("Lunch is at noon.", document_id="b", dense_score=0.3)
SURE = Signals(score=0.97, margin=0.9, coverage=1.0, names=1.0, kind=1.0, agreement=2)
UNSURE = Signals(score=0.3, margin=0.02, coverage=0.3, names=0.0, kind=0.0, agreement=1)


def shown(signals: Signals) -> TierAnswer:
    start = HOTEL.text.index("140 euros")
    quoted = cite(1, HOTEL, Span(0, len(HOTEL.text)), answer=Span(start, start + 9))
    return TierAnswer(f"{HOTEL.text} [1]", (quoted,), False, signals, Work("reader", "r", "answered"))


def silent() -> TierAnswer:
    signals = Signals(score=0.05, margin=0.01, coverage=0.2, agreement=0)
    return TierAnswer("I found nothing.", (), True, signals, Work("reader", "r", "abstained"))


def risk(answer: TierAnswer) -> float:
    known = answered_features(QUESTION, [HOTEL, LUNCH], answer)
    return ScoreModel.load(MODELS / "answer.reader.json").probability(known)


def test_a_sure_answer_is_less_likely_wrong_than_an_unsure_one() -> None:
    assert risk(shown(SURE)) < risk(shown(UNSURE)) - 0.1


def test_one_passage_that_covers_the_question_is_seen() -> None:
    found = passage_features(QUESTION, [HOTEL, LUNCH])
    assert (found["p_one_covers"], found["p_several_add"], found["p_names_lack"]) == (1.0, 0.0, 0.0)
    assert found["p_cosine_lead"] == pytest.approx(0.5)


def test_facts_in_two_documents_are_seen() -> None:
    closed = passage("The Berlin office is closed in August.", document_id="c", dense_score=0.4)
    limit = passage("The hotel limit is 140 euros.", document_id="a", dense_score=0.5)
    found = passage_features("What is the hotel limit when the Berlin office is closed?", [limit, closed])
    assert found["p_several_add"] > 0.3
    assert found["p_documents"] == pytest.approx(math.log1p(2))


def test_documents_with_other_numbers_are_seen_where_a_number_is_asked_for() -> None:
    old = passage("How many days of leave: 25 days of leave.", document_id="old")
    new = passage("How many days of leave: 28 days of leave.", document_id="new")
    asked = "How many days of leave do we get?"
    assert passage_features(asked, [old, new])["p_numbers_differ"] == 1.0
    assert passage_features(asked, [old, old])["p_numbers_differ"] == 0.0
    assert passage_features("Who gets leave?", [old, new])["p_numbers_differ"] == 0.0


def test_the_words_that_answer_are_looked_at() -> None:
    found = reader_features("How many euros a night?", [HOTEL, LUNCH], shown(SURE))
    assert (found["s_span_kind_met"], found["s_span_kind_missed"]) == (1.0, 0.0)
    assert found["s_said_by"] == pytest.approx(math.log1p(1))


@pytest.mark.parametrize("answer", [shown(SURE), shown(UNSURE), silent()])
def test_every_answer_is_seen_by_the_same_features(answer: TierAnswer) -> None:
    assert set(reader_features(QUESTION, [HOTEL], answer)) == set(reader_features("", [], silent()))


@given(st.text(max_size=80), st.lists(st.text(max_size=80), max_size=4))
def test_any_text_gives_numbers_and_a_probability(question: str, texts: list[str]) -> None:
    passages = [passage(text, document_id=str(n)) for n, text in enumerate(texts) if text]
    known = question_features(question) | passage_features(question, passages)
    of_passages = ScoreModel.load(MODELS / "passages.json").probability(known)
    of_answer = answered_features(question, passages, silent())
    assert all(math.isfinite(value) for value in (*known.values(), *of_answer.values()))
    assert 0 < of_passages < 1
    assert 0 < ScoreModel.load(MODELS / "answer.reader.json").probability(of_answer) < 1


@pytest.mark.parametrize("name", ["question.reader", "passages", "answer.reader"])
def test_the_shipped_models_know_what_they_were_fitted_to(name: str) -> None:
    model = ScoreModel.load(MODELS / f"{name}.json")
    assert model.name == name
    assert model.file.rows > 500
    assert model.file.metrics["auroc"] > 0.6
