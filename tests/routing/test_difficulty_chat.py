"""The learned difficulty of chat rungs: what must hold of it whatever was learned."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.core.errors import ConfigurationError
from app.core.usage import Work
from retrieval.search import QuestionVector
from routing.difficulty.answers import agreement, agreement_features, answer_features, core
from routing.difficulty.meaning import Meaning
from routing.difficulty.model import FeatureError, ScoreModel
from routing.difficulty.phrases import STATEMENTS, reasons
from routing.difficulty.question import question_features
from routing.difficulty.score import MODELS, Models, priors, stage1, stage3
from routing.tier import Signals, TierAnswer

QUESTION = "Who leads the Lisbon office?"
EMBEDDER = Meaning.load(MODELS / "meaning.json").embedder
VECTOR = QuestionVector(EMBEDDER, np.full(384, 384**-0.5, dtype=np.float32))
CHAT_MODELS = sorted(path for path in MODELS.glob("*.chat*.json"))


def answer(text: str, signals: Signals | None = None, *, abstained: bool = False) -> TierAnswer:
    return TierAnswer(text, (), abstained, signals or Signals(), Work("local", "m", "answered"))


def third(text: str, signals: Signals, *, abstained: bool = False) -> float:
    return stage3(QUESTION, QUESTION, (), answer(text, signals, abstained=abstained), "chat").probability


def test_the_models_that_the_score_asks_are_there() -> None:
    wanted = {f"{name}.chat{rest}" for name in ("question", "answer") for rest in ("", ".plain")}
    assert {path.stem for path in CHAT_MODELS} == wanted | {"answer.chat.open", "answer.chat.open.plain"}


@pytest.mark.parametrize("path", CHAT_MODELS, ids=lambda path: path.stem)
def test_a_model_survives_being_saved(path: Path, tmp_path: Path) -> None:
    model = ScoreModel.load(path)
    model.save(tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == path.read_bytes()
    assert model.name == path.stem


@pytest.mark.parametrize("path", CHAT_MODELS, ids=lambda path: path.stem)
def test_what_moved_it_adds_up_to_the_score(path: Path) -> None:
    model = ScoreModel.load(path)
    features = {term.name: term.mean + term.scale for term in model.file.terms}
    assert model.log_odds(features) == pytest.approx(model.base + sum(model.moves(features).values()))
    assert 0 < model.probability(features) < 1


def test_a_missing_feature_is_an_error_and_never_nought() -> None:
    model = ScoreModel.load(MODELS / "question.chat.plain.json")
    features = question_features(QUESTION)
    with pytest.raises(FeatureError, match="q_words"):
        model.probability({name: value for name, value in features.items() if name != "q_words"})
    with pytest.raises(FeatureError, match="q_words"):
        model.probability({**features, "q_words": float("nan")})


def test_a_missing_or_broken_file_is_a_named_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as missing:
        Models(tmp_path).stage1(QUESTION, "chat")
    assert missing.value.code == "bad_difficulty_model"
    broken = json.loads((MODELS / "question.chat.plain.json").read_text())
    broken["trees"][0]["left"][0] = 0
    (tmp_path / "broken.json").write_text(json.dumps(broken))
    with pytest.raises(ConfigurationError, match="node 0"):
        ScoreModel.load(tmp_path / "broken.json")


def test_the_vector_counts_only_where_it_is_of_the_embedder_of_training() -> None:
    without = stage1(QUESTION, "chat")
    other = replace(VECTOR, embedder="another@12345678")
    assert stage1(QUESTION, "chat", other) == without
    assert stage1(QUESTION, "chat", VECTOR).model != without.model


def test_it_says_what_it_was_worked_out_from() -> None:
    found = stage1(QUESTION, "chat")
    assert found.model.startswith("question.chat.plain@")
    assert found.features == question_features(QUESTION)


def test_saying_the_same_without_passages_makes_it_easier() -> None:
    said = "The Lisbon office is led by Ines Prado [1]."
    same = third(said, Signals(closed_book_text="Ines Prado"))
    other = third(said, Signals(closed_book_text="Tom Vogel"))
    assert same < other


def test_why_is_said_in_words() -> None:
    said = answer("Ines Prado [1].", Signals(closed_book_text="Tom Vogel"))
    assert (
        "the model says something else without the passages"
        in stage3(QUESTION, QUESTION, (), said, "chat").reasons
    )


def test_an_abstention_outweighs_all_else() -> None:
    agreed = Signals(closed_book_text="Ines Prado", mean_logprob=-0.01, least_logprob=-0.1, supported=1.0)
    assert third("Ines Prado [1].", agreed, abstained=True) > 0.8


def test_sure_and_supported_words_are_trusted_more() -> None:
    said, text = Signals(closed_book_text="Ines Prado", supported=1.0), "Ines Prado [1]."
    sure = third(text, replace(said, mean_logprob=-0.02, least_logprob=-0.5))
    unsure = third(text, replace(said, mean_logprob=-1.2, least_logprob=-6.0))
    assert sure < third(text, said) < unsure
    assert third(text, said) < third(text, replace(said, supported=0.5))


def test_a_sign_that_a_rung_cannot_give_moves_nothing() -> None:
    assert set(priors(answer("Ines Prado")).values()) == {0.0}


def test_a_whole_sentence_agrees_as_its_core_does() -> None:
    question = "What is the hotel limit in Berlin?"
    assert core(question, "The hotel limit in Berlin is 140 euros [1].") == core(question, "140 euros [1]")
    assert agreement(question, "The hotel limit in Berlin is 140 euros [1].", "140 euros") == 1.0
    assert agreement(question, "The hotel limit in Berlin is 140 euros [1].", "200 dollars") == 0.0
    assert agreement(question, "", "140 euros") == 0.0


def test_numbers_that_differ_are_seen() -> None:
    found = agreement_features("When was it signed?", "In 1994 [1].", "1997")
    assert (found["b_numbers_differ"], found["b_numbers_same"]) == (1, 0)
    assert answer_features("When was it signed?", "By the board [1].")["a_kind_missed"] == 1


def test_agreeing_on_a_rare_name_tells_more_than_on_a_common_word() -> None:
    question = "Which season is the driest in St. John's?"
    common = agreement_features(question, "winter [1]", "winter")
    rare = agreement_features("Who was born later?", "Vytautas Straižys [1]", "Vytautas Straižys")
    assert common["b_agree"] == rare["b_agree"] == 1
    assert 0 < common["b_agree_rare"] < rare["b_agree_rare"]
    assert agreement_features("Who was born later?", "Vytautas Straižys", "Nobody")["b_agree_rare"] == 0


def test_numbers_have_no_rarity_and_are_counted() -> None:
    found = agreement_features("When was it signed?", "Between 1994 and 1997 [1].", "1990s or so")
    assert found["b_agree_rare"] == 0
    assert found["b_numbers_more"] == 1
    assert agreement_features("When?", "1, 2, 3, 4, 5, 6", "later")["b_numbers_more"] == 2
    assert agreement_features("When?", "1994", "1994")["b_rarity"] == 0


def test_a_question_that_names_things_is_particular() -> None:
    named = agreement_features("Who founded Lund Systems in Lisbon?", "Mona Lund", "Mona Lund")
    plain = agreement_features("Who founded the company in the city?", "Mona Lund", "Mona Lund")
    assert named["b_asked_names"] > plain["b_asked_names"] == 0
    assert named["b_asked_rarest"] > 0 and agreement_features("", "", "")["b_asked_rarest"] == 0


def test_cues_are_seen() -> None:
    found = question_features(
        "Why does ACME not pay the lead of the team that Mona Lund joined more than Ben?"
    )
    for cue in ("q_comparison", "q_negation", "q_reasoning", "q_asks_why"):
        assert found[cue] == 1, cue
    assert found["q_relatives"] > 0 and found["q_of"] > 0 and found["q_roles"] > 0
    assert question_features("Who was born first, Ana or Ben?")["q_choice"] == 1


@given(st.text(max_size=200))
def test_one_kind_of_question_is_asked(question: str) -> None:
    asked = [value for name, value in question_features(question).items() if name.startswith("q_asks_")]
    assert sorted(asked) == [0.0] * (len(asked) - 1) + [1.0]


@settings(deadline=None)
@given(st.text(max_size=200), st.text(max_size=200), st.none() | st.text(max_size=80), st.booleans())
def test_any_text_gets_a_probability_and_a_reason(
    question: str, text: str, closed_book: str | None, vector: bool
) -> None:
    said = answer(text, Signals(closed_book_text=closed_book))
    meant = VECTOR if vector else None
    for found in (
        stage1(question, "chat", meant),
        stage3(question, question, (), said, "chat", meant),
    ):
        assert 0 < found.probability < 1
        assert found.reasons and all(found.reasons)


@given(st.floats(-50, 0), st.floats(-200, 0), st.floats(0, 1))
def test_any_certainty_gives_a_probability(mean: float, least: float, supported: float) -> None:
    assert 0 < third("Ines", Signals(None, None, None, mean, least, supported)) < 1


def test_a_reason_is_only_what_is_true_and_points_the_way() -> None:
    features = {"q_comparison": 0.0, "q_questions": 1.0}
    moves = {"q_comparison": 3.0, "q_questions": 2.0}
    assert reasons(features, moves, harder=True) == ("several small signs together",)
    assert reasons({"q_comparison": 1.0}, moves, harder=True) == ("the question compares two things",)
    assert reasons({"q_comparison": 1.0}, {"q_comparison": -3.0}, harder=False) == (
        "nothing about it looks hard",
    )
    assert len({(s.says, s.harder) for s in STATEMENTS}) == len(STATEMENTS)
