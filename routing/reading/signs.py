"""What the reading model makes of all passages together, beside the sentence that is shown: signs of how far
that one can be trusted."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from routing.reading.calibration import Calibration, probability
from routing.reading.reading import ReadPassage, ReadSentence
from routing.text.words import words

_CONSIDERED = 40
"""Sentences among which the likelihood is shared out."""

_LIKELY, _TOLD = 0.3, 0.1


@dataclass(frozen=True, slots=True)
class ReadingSigns:
    """Numbers of one reading. Odds are log-odds that a sentence answers, before any other sign is weighed.

    top, second: of the best sentence of all, and of the best of another passage. top_place: that passage's
    place in the search, from 0. share: the best one's part when likelihood is shared out among the sentences
    and no answer; spread: the entropy of these parts, in nats. any: probability that any passage answers.
    likely: passages whose best sentence likely does. nothing_least, nothing_mean, nothing_first: the separate
    score that a passage does not answer, over the passages and of the first. answering: passages for which
    it says that they do. best_score: the highest score of a sentence, uncalibrated. answer_share: the part of
    the likeliest answer, wherever it stands; answers: different ones with a part worth telling. shown,
    shown_score, shown_nothing, shown_share: the same of the sentence that is shown; rank: sentences before
    it. These are nothing where none is shown.
    """

    top: float
    second: float | None
    top_place: int
    share: float
    spread: float
    any: float
    likely: int
    nothing_least: float
    nothing_mean: float
    nothing_first: float
    answering: int
    best_score: float
    answer_share: float
    answers: int
    shown: float | None = None
    shown_score: float | None = None
    shown_nothing: float | None = None
    shown_share: float | None = None
    rank: int | None = None


@dataclass(frozen=True, slots=True)
class _Odds:
    odds: float
    sentence: ReadSentence
    answer: str


def reading_signs(
    texts: Sequence[str],
    read: Sequence[ReadPassage],
    calibration: Calibration,
    shown: tuple[int, int] | None = None,
) -> ReadingSigns | None:
    """The signs of one reading; nothing where no sentence was read.

    Args:
        texts: the passages' texts, as they were read.
        shown: the passage and the order in it of the sentence that is shown, if any.
    """
    ranked = _ranked(texts, read, calibration)
    if not ranked:
        return None
    parts = _parts([one.odds for one in ranked[:_CONSIDERED]])
    by_answer: dict[str, float] = {}
    for one, part in zip(ranked, parts, strict=False):
        by_answer[one.answer] = by_answer.get(one.answer, 0.0) + part
    best: dict[int, float] = {}
    for one in ranked:
        best.setdefault(one.sentence.passage, one.odds)
    of_passages, nothings = list(best.values()), [passage.nothing for passage in read]
    place = _place_of(ranked, shown)
    mine = None if place is None else ranked[place]
    return ReadingSigns(
        top=ranked[0].odds,
        second=of_passages[1] if len(of_passages) > 1 else None,
        top_place=ranked[0].sentence.passage,
        share=parts[0],
        spread=-sum(part * math.log(part + 1e-12) for part in parts),
        any=1 - math.prod(1 - probability(odds) for odds in of_passages),
        likely=sum(probability(odds) > _LIKELY for odds in of_passages),
        nothing_least=min(nothings),
        nothing_mean=sum(nothings) / len(nothings),
        nothing_first=nothings[0],
        answering=sum(nothing < 0 for nothing in nothings),
        best_score=max(one.sentence.score for one in ranked),
        answer_share=max(by_answer.values()),
        answers=sum(part > _TOLD for part in by_answer.values()),
        shown=None if mine is None else mine.odds,
        shown_score=None if mine is None else mine.sentence.score,
        shown_nothing=None if mine is None else read[mine.sentence.passage].nothing,
        shown_share=None if mine is None else by_answer.get(mine.answer, 0.0),
        rank=place,
    )


def _ranked(texts: Sequence[str], read: Sequence[ReadPassage], calibration: Calibration) -> list[_Odds]:
    found = [
        _Odds(
            calibration.log_odds(sentence.score, passage.nothing),
            sentence,
            " ".join(words(sentence.answer.of(text))),
        )
        for text, passage in zip(texts, read, strict=True)
        for sentence in passage.sentences
    ]
    return sorted(found, key=lambda one: -one.odds)


def _parts(odds: Sequence[float]) -> list[float]:
    """How the likelihood is shared out, no answer being as likely as log-odds of 0."""
    most = max(odds)
    weights = [math.exp(one - most) for one in odds]
    whole = sum(weights) + math.exp(min(700.0, -most))
    return [weight / whole for weight in weights]


def _place_of(ranked: Sequence[_Odds], shown: tuple[int, int] | None) -> int | None:
    found = (n for n, one in enumerate(ranked) if (one.sentence.passage, one.sentence.order) == shown)
    return next(found, None)
