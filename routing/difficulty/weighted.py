"""Difficulty: the probability that the cheap rung's answer would be wrong, with its reasons in words.

A first, transparent score. Each stage adds weighted signs to a log-odds and squashes it:

    probability = 1 / (1 + exp(-(intercept + Σ weight · sign)))

Each sign lies between 0 and 1 (see `_signs_*`). The weights in `WEIGHTS` are set by hand, with an eye on the
demo company's questions: a weight of 1 raises odds of 1:1 to about 2.7:1. They are not calibrated, so the
number ranks questions rather than predicts a rate. A later stage keeps every sign of the one before.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from retrieval.passage import Passage
from routing.difficulty.features import (
    AnswerFeatures,
    PassageFeatures,
    QuestionFeatures,
    answer_features,
    passage_features,
    question_features,
)
from routing.difficulty.value import Difficulty, Stage
from routing.tier import RungKind, TierAnswer


@dataclass(frozen=True, slots=True)
class Sign:
    """What a sign adds to the log-odds at full strength, and how it reads when it counts."""

    weight: float
    says: str


INTERCEPT = -0.3

WEIGHTS: Mapping[str, Sign] = {
    # of the question
    "comparison": Sign(1.7, "the question compares two things"),
    "several_questions": Sign(1.2, "several things are asked at once"),
    "aggregation": Sign(1.0, "the answer has to be gathered from many places"),
    "change": Sign(0.5, "the question is about something that changes over time"),
    "negation": Sign(0.4, "the question asks for what is not so"),
    "reasoning": Sign(0.9, "the question asks for reasons or a judgement"),
    "names": Sign(0.6, "the question names several things"),
    "long": Sign(0.8, "the question is long"),
    "simple": Sign(-0.5, "it is a short look-up"),
    # of the passages
    "one_passage_covers": Sign(-1.0, "one passage covers the whole question"),
    "spread": Sign(1.4, "the facts stand in several documents"),
    "uncovered": Sign(1.3, "some of what is asked is in no passage"),
    "name_nowhere": Sign(2.0, "something the question names is in no passage"),
    "near": Sign(-0.6, "a passage is very near to the question"),
    "far": Sign(1.2, "no passage is near to the question"),
    "lead": Sign(-0.4, "one document stands out"),
    "searches_agree": Sign(-0.4, "search by meaning and by words agree"),
    "searches_differ": Sign(0.4, "search by meaning and by words disagree"),
    # of the first answer
    "abstained": Sign(4.5, "the quick answer found nothing"),
    "sure": Sign(-0.8, "one sentence answers clearly"),
    "unsure": Sign(1.3, "no sentence answers clearly"),
    "contested": Sign(0.8, "another answer is nearly as likely"),
    "answer_covers": Sign(-0.6, "the answer holds what was asked"),
    "answer_misses": Sign(1.2, "the answer leaves out part of what was asked"),
    "name_missed": Sign(2.4, "the answer does not name what was asked about"),
    "kind_missed": Sign(1.2, "the answer holds no number, date or name as asked"),
    "agreeing": Sign(-0.3, "several passages say it"),
    "fluent": Sign(-0.5, "the model was sure of its words"),
    "hesitant": Sign(1.2, "the model was not sure of its words"),
    "stumbled": Sign(0.4, "the model hesitated at a word"),
    "unsupported": Sign(1.5, "some of its citations were not supported"),
}

_LEAST_SHOWN = 0.2
"""Signs that move the log-odds by less are not worth a reason."""


def stage1(question: str, kind: RungKind = "reader") -> Difficulty:  # noqa: ARG001
    """From the question alone. `kind` is that of the rung whose answer is meant."""
    return _score("question", _signs_of_question(question_features(question)))


def stage2(
    question: str,
    standalone: str,
    passages: Sequence[Passage],
    kind: RungKind = "reader",  # noqa: ARG001
) -> Difficulty:
    """From the question and the passages. `standalone` is the question with what it refers to."""
    return _score("passages", _until_passages(question, standalone, passages))


def stage3(
    question: str,
    standalone: str,
    passages: Sequence[Passage],
    answer: TierAnswer,
    kind: RungKind = "reader",  # noqa: ARG001
) -> Difficulty:
    """From the question, the passages, and the cheap rung's answer."""
    signs = _until_passages(question, standalone, passages) | _signs_of_answer(answer_features(answer))
    return _score("answer", signs)


def _until_passages(question: str, standalone: str, passages: Sequence[Passage]) -> dict[str, float]:
    of_question = _signs_of_question(question_features(question))
    return of_question | _signs_of_passages(passage_features(standalone, passages))


def _signs_of_question(f: QuestionFeatures) -> dict[str, float]:
    cues = f.comparison + f.aggregation + f.reasoning + f.change + (f.questions > 1)
    return {
        "comparison": f.comparison,
        "several_questions": _ramp(f.questions, 1, 2),
        "aggregation": f.aggregation,
        "change": f.change,
        "negation": f.negation,
        "reasoning": f.reasoning,
        "names": _ramp(f.names, 1, 3),
        "long": _ramp(f.words, 16, 40),
        "simple": 1.0 if f.words <= 12 and not cues else 0.0,
    }


def _signs_of_passages(f: PassageFeatures) -> dict[str, float]:
    one = _ramp(f.one_covers, 0.6, 0.95)
    return {
        "one_passage_covers": one,
        "spread": _ramp(f.all_cover - f.one_covers, 0.1, 0.4) if f.documents > 1 else 0.0,
        "uncovered": _ramp(1 - f.all_cover, 0.2, 0.6),
        "name_nowhere": _ramp(1 - f.names_held, 0, 0.5),
        "near": _ramp(f.cosine, 0.45, 0.7),
        "far": 1 - _ramp(f.cosine, 0.2, 0.45),
        "lead": _ramp(f.margin, 0.03, 0.15),
        "searches_agree": _ramp(f.agreement, 0.3, 1.0),
        "searches_differ": 1.0 if f.passages > 1 and f.agreement == 0 else 0.0,
    }


def _signs_of_answer(f: AnswerFeatures) -> dict[str, float]:
    """Only of what the rung can tell: a sign that it does not have moves nothing."""
    if f.abstained:
        return {"abstained": 1.0}
    signs: dict[str, float] = {}
    if f.score is not None:
        signs |= {"sure": _ramp(f.score, 0.6, 0.9), "unsure": 1 - _ramp(f.score, 0.3, 0.6)}
    if f.margin is not None:
        signs["contested"] = 1 - _ramp(f.margin, 0.0, 0.3)
    if f.coverage is not None:
        signs["answer_covers"] = _ramp(f.coverage, 0.6, 0.95)
        signs["answer_misses"] = 1 - _ramp(f.coverage, 0.25, 0.6)
    if f.names is not None:
        signs["name_missed"] = _ramp(1 - f.names, 0, 0.5)
    if f.kind is not None:
        signs["kind_missed"] = 1 - f.kind
    if f.agreement is not None:
        signs["agreeing"] = _ramp(f.agreement, 1, 3)
    if f.supported is not None:
        signs["unsupported"] = _ramp(1 - f.supported, 0, 0.5)
    return signs | _signs_of_words(f)


def _signs_of_words(f: AnswerFeatures) -> dict[str, float]:
    """Of the log-probabilities: a mean of -0.1 is a model with nearly no choice, -0.8 one that guessed."""
    signs: dict[str, float] = {}
    if f.mean_logprob is not None:
        signs["fluent"] = 1 - _ramp(-f.mean_logprob, 0.05, 0.25)
        signs["hesitant"] = _ramp(-f.mean_logprob, 0.25, 0.8)
    if f.least_logprob is not None:
        signs["stumbled"] = _ramp(-f.least_logprob, 2.0, 5.0)
    return signs


def _ramp(value: float, low: float, high: float) -> float:
    """0 up to `low`, 1 from `high`, a straight line between."""
    return min(1.0, max(0.0, (value - low) / (high - low)))


def _score(stage: Stage, signs: Mapping[str, float]) -> Difficulty:
    moves = {name: WEIGHTS[name].weight * strength for name, strength in signs.items()}
    probability = 1 / (1 + math.exp(-(INTERCEPT + sum(moves.values()))))
    # Only signs that point the way the score went explain it.
    direction = 1 if probability >= 0.5 else -1
    weighty = sorted((n for n in moves if moves[n] * direction >= _LEAST_SHOWN), key=lambda n: -abs(moves[n]))
    reasons = tuple(WEIGHTS[name].says for name in weighty[:4])
    return Difficulty(stage, probability, reasons or (_PLAIN[direction],), dict(signs), "hand-weighted")


_PLAIN = {1: "several small signs together", -1: "nothing about it looks hard"}
