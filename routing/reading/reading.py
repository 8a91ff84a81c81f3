"""From the model's scores to answers: for each sentence of each passage, how likely the answer stands in it.

A sentence's score is the log-odds, against no answer, that the answer lies in it: the probabilities of all
spans within the sentence are added up, so that a sentence which holds several ways to say the answer is not
split against itself. Each passage is scored by itself; what no passage answers is below none of them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from routing.reading.calibration import Calibration
from routing.reading.pairs import Pair, make_pairs, tokens_of
from routing.reading.scores import PairScores
from routing.text.sentences import Span, split_sentences

if TYPE_CHECKING:
    from tokenizers import Tokenizer

TEXT_TOKENS = 256
"""Tokens of a passage in one row; a longer passage takes several rows."""

_STRIDE = 64
_LONGEST_ANSWER = 16
"""Tokens. On the articles kept out of training, more or fewer chose worse words; the sentence stays the
same."""


class PassageReader(Protocol):
    """What reads passages: a base model with its reading adapter."""

    @property
    def name(self) -> str:
        """Names the adapter, such as `reader-1@5f1e0c3a`."""
        ...

    @property
    def unavailable(self) -> str | None:
        """Why it cannot be used and what to do about it; nothing when it can."""
        ...

    @property
    def calibration(self) -> Calibration: ...

    def warm_up(self) -> None:
        """Loads the weights now, so that the first question does not wait for them."""
        ...

    def read(self, question: str, passages: Sequence["Readable"]) -> list["ReadPassage"]:
        """Reads each passage for the question."""
        ...

    def nearness(self, question: str, sentences: Sequence[str]) -> list[float]:
        """How near each sentence is to the question in meaning, by the base model without its adapter:
        cosines."""
        ...


class Scorer(Protocol):
    """What runs the reading model."""

    def scores(self, pairs: Sequence[Pair]) -> list[PairScores]: ...


@dataclass(frozen=True, slots=True)
class Readable:
    """A passage to read. `title` is what stands above it."""

    title: str
    text: str


@dataclass(frozen=True, slots=True)
class ReadSentence:
    """A sentence with the best answer in it. Offsets are in the passage's text.

    order: the sentence's place in the passage. score: log-odds that the answer lies in it, against no answer.
    """

    passage: int
    order: int
    sentence: Span
    answer: Span
    score: float


@dataclass(frozen=True, slots=True)
class ReadPassage:
    """A passage as read: its sentences in order, and the separate score that nothing in it answers."""

    sentences: tuple[ReadSentence, ...]
    nothing: float

    @property
    def best(self) -> ReadSentence | None:
        return max(self.sentences, key=lambda s: s.score, default=None)


def read(
    question: str, passages: Sequence[Readable], scorer: Scorer, tokenizer: "Tokenizer"
) -> list[ReadPassage]:
    """Reads each passage for the question."""
    asked, *texts = tokens_of(tokenizer, [question, *(p.text for p in passages)])
    titles = tokens_of(tokenizer, [p.title for p in passages])
    rows: list[Pair] = []
    owners: list[int] = []
    for number, (title, text) in enumerate(zip(titles, texts, strict=True)):
        for pair in make_pairs(asked, title, text, at_most=TEXT_TOKENS, stride=_STRIDE):
            rows.append(pair)
            owners.append(number)
    scores = scorer.scores(rows)
    found: list[ReadPassage] = []
    for number, passage in enumerate(passages):
        mine = [(rows[i], scores[i]) for i, owner in enumerate(owners) if owner == number]
        found.append(ReadPassage(tuple(_sentences(number, passage.text, mine)), _nothing(mine)))
    return found


def of_place(place: int) -> float:
    """What a passage's place in the search adds to the log-odds of its sentences; the first is at place 0.

    Of none, a half and one, a half found most answers on the articles kept out of training (.82 against .79).
    """
    return 0.5 / (1 + place)


def rank(read: Sequence[ReadPassage], calibration: Calibration) -> list[tuple[float, ReadSentence]]:
    """All sentences of all passages with the log-odds that they answer, best first; of equal ones the
    earlier. The passages stand in the order of the search."""
    found = [
        (calibration.log_odds(sentence.score, passage.nothing) + of_place(place), sentence)
        for place, passage in enumerate(read)
        for sentence in passage.sentences
    ]
    return sorted(found, key=lambda r: (-r[0], r[1].passage, r[1].order))


def _nothing(rows: Sequence[tuple[Pair, PairScores]]) -> float:
    """A long passage answers where any of its rows does."""
    return min((scores.nothing for _, scores in rows), default=0.0)


def _sentences(number: int, text: str, rows: Sequence[tuple[Pair, PairScores]]) -> Iterator[ReadSentence]:
    for order, sentence in enumerate(split_sentences(text)):
        parts = [part for row in rows if (part := _sentence(sentence, *row)) is not None]
        if parts:
            score, answer = max(parts, key=lambda part: part[0])
            yield ReadSentence(number, order, sentence, answer, score)


def _sentence(sentence: Span, pair: Pair, scores: PairScores) -> tuple[float, Span] | None:
    """The sentence's score by one row, and its best span; nothing where the row holds none of its tokens."""
    inside = [
        i
        for i, (start, end) in enumerate(zip(pair.starts, pair.ends, strict=True))
        if start >= sentence.start and end <= sentence.end and end > start
    ]
    if not inside:
        return None
    first, last = inside[0], inside[-1] + 1
    grid = _spans(scores.starts[first:last], scores.ends[first:last])
    best = int(grid.argmax())
    start, end = divmod(best, last - first)
    top = float(grid.flat[best])
    total = top + float(np.log(np.exp(grid - top).sum()))
    score = total - scores.no_start - scores.no_end
    return score, Span(pair.starts[first + start], pair.ends[first + end])


def _spans(starts: NDArray[np.float32], ends: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scores of all spans of a stretch of tokens, shape (tokens, tokens); impossible ones at -1e9."""
    grid = starts[:, None] + ends[None, :]
    places = np.arange(len(starts))
    lengths = places[None, :] - places[:, None]
    found: NDArray[np.float32] = np.where(
        (lengths < 0) | (lengths >= _LONGEST_ANSWER), np.float32(-1e9), grid
    )
    return found
