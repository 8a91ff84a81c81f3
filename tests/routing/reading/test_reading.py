from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from retrieval.embedder import bundled_folder, load_tokenizer
from routing.reading.calibration import Calibration, fit, probability
from routing.reading.pairs import CLS_ID, SEP_ID, Pair, make_pairs, tokens_of
from routing.reading.reading import Readable, rank, read
from routing.reading.scores import PairScores

QUESTION = "How high is the mast?"
TEXT = "The Heron was built in 1921. Its mast is 14 metres high. Maria Prado sailed it to Dakar."


@lru_cache(maxsize=1)
def bundled_tokenizer() -> Tokenizer:
    return load_tokenizer(bundled_folder())


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return bundled_tokenizer()


class Pointing:
    """Scores that point at one stretch of the text."""

    def __init__(self, answer: str, *, strength: float = 8.0, nothing: float = -2.0) -> None:
        self._answer = answer
        self._strength = strength
        self._nothing = nothing

    def scores(self, pairs: Sequence[Pair]) -> list[PairScores]:
        return [self._score(pair) for pair in pairs]

    def _score(self, pair: Pair) -> PairScores:
        starts = np.zeros(len(pair.starts), dtype=np.float32)
        ends = np.zeros(len(pair.starts), dtype=np.float32)
        at = TEXT.find(self._answer)
        for number, (start, end) in enumerate(zip(pair.starts, pair.ends, strict=True)):
            starts[number] = self._strength if start == at else 0.0
            ends[number] = self._strength if end == at + len(self._answer) else 0.0
        return PairScores(starts, ends, 0.0, 0.0, self._nothing)


def pairs_of(tokenizer: Tokenizer, text: str, *, at_most: int = 256, stride: int = 64) -> list[Pair]:
    question, title, body = tokens_of(tokenizer, [QUESTION, "Boats", text])
    return make_pairs(question, title, body, at_most=at_most, stride=stride)


def test_a_row_is_question_title_and_text(tokenizer: Tokenizer) -> None:
    (pair,) = pairs_of(tokenizer, TEXT)
    assert pair.ids[0] == CLS_ID and pair.ids[-1] == SEP_ID and pair.ids.count(SEP_ID) == 3
    assert TEXT[pair.starts[0] : pair.ends[0]] == "The"
    assert pair.types.index(1) < pair.first and set(pair.types[pair.first :]) == {1}


def test_positions_of_a_span_are_its_tokens(tokenizer: Tokenizer) -> None:
    (pair,) = pairs_of(tokenizer, TEXT)
    at = TEXT.index("14 metres")
    found = pair.positions(at, at + len("14 metres"))
    assert found is not None
    first, last = (position - pair.first for position in found)
    assert TEXT[pair.starts[first] : pair.ends[last]] == "14 metres"
    assert pair.positions(len(TEXT) + 5, len(TEXT) + 9) is None


@settings(deadline=None)  # the tokenizer is read from disk once
@given(st.text(max_size=400), st.integers(8, 40))
def test_rows_of_a_long_text_hold_every_token(text: str, at_most: int) -> None:
    tokenizer = bundled_tokenizer()
    pairs = pairs_of(tokenizer, text, at_most=at_most, stride=at_most // 4)
    (whole,) = tokens_of(tokenizer, [text])
    seen = {spot for pair in pairs for spot in zip(pair.starts, pair.ends, strict=True)}
    assert seen == set(zip(whole.starts, whole.ends, strict=True))
    assert all(len(pair.starts) <= at_most for pair in pairs)


def test_the_sentence_and_the_words_that_answer(tokenizer: Tokenizer) -> None:
    (passage,) = read(QUESTION, [Readable("Boats", TEXT)], Pointing("14 metres"), tokenizer)
    best = passage.best
    assert best is not None
    assert best.sentence.of(TEXT) == "Its mast is 14 metres high."
    assert best.answer.of(TEXT) == "14 metres"
    assert best.score > 10


def test_a_passage_that_says_nothing_has_no_sentence(tokenizer: Tokenizer) -> None:
    (passage,) = read(QUESTION, [Readable("", "   ")], Pointing("x"), tokenizer)
    assert passage.best is None and passage.sentences == ()


def test_an_answer_far_down_a_long_passage_is_found(tokenizer: Tokenizer) -> None:
    long = "It rained. " * 200 + "The mast is 14 metres high."
    seen: list[int] = []

    class Counting(Pointing):
        def scores(self, pairs: Sequence[Pair]) -> list[PairScores]:
            seen.append(len(pairs))
            return super().scores(pairs)

    (passage,) = read(QUESTION, [Readable("", long)], Counting("x"), tokenizer)
    assert seen[0] > 1
    assert passage.sentences[-1].sentence.of(long) == "The mast is 14 metres high."


def test_ranking_is_over_all_passages(tokenizer: Tokenizer) -> None:
    calibration = Calibration(span=1.0, nothing=1.0, bias=0.0)
    weak = read(QUESTION, [Readable("", TEXT)], Pointing("1921", strength=2.0, nothing=3.0), tokenizer)
    sure = read(QUESTION, [Readable("", TEXT)], Pointing("14 metres"), tokenizer)
    ranked = rank([*weak, *sure], calibration)
    assert ranked[0][1].answer.of(TEXT) == "14 metres"
    assert [odds for odds, _ in ranked] == sorted((odds for odds, _ in ranked), reverse=True)


def test_calibration_learns_from_what_was_right() -> None:
    rng = np.random.default_rng(5)
    scores = [(float(s), float(n)) for s, n in rng.normal(0, 3, size=(600, 2))]
    truth = [rng.random() < probability(0.8 * s - 0.5 * n - 0.3) for s, n in scores]
    found = fit(scores, truth)
    assert found.span == pytest.approx(0.8, abs=0.2)
    assert found.nothing == pytest.approx(0.5, abs=0.2)
    assert found.bias == pytest.approx(-0.3, abs=0.3)
    assert Calibration.from_card(found.to_card()).span == pytest.approx(found.span, abs=1e-5)


def test_calibration_stays_finite_where_everything_is_right() -> None:
    found = fit([(5.0, -3.0), (4.0, -2.0)], [True, True])
    assert all(np.isfinite(value) for value in (found.span, found.nothing, found.bias))
    assert probability(1e9) <= 1.0 and probability(-1e9) >= 0.0
