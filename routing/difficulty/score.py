"""Difficulty: the probability that the cheap rung's answer would be wrong, with its reasons in words.

Each stage is a small model in `models/`, fitted to recorded answers and calibrated: `python -m bench
routing` measures them, docs/routing-quality.md has the figures. Stages 1 and 3 differ with the kind of rung:

| file | of | looks at |
|---|---|---|
| `question.<kind>` | stage 1 | the question, for chat rungs also what it is about |
| `passages` | stage 2, both kinds | the question and the passages |
| `answer.reader` | stage 3 | the question, the passages, the reader's answer |
| `answer.chat` | stage 3 | the answer, what the same model says without passages, how particular both are |
| `answer.chat.open` | stage 3 | the question and the answer, where that is not known |

What a question is about is known where the search tells its vector and the vectors are those of training;
the models that end in `.plain` do without. A model whose file is missing is an error, never a guess.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from retrieval.passage import Passage
from retrieval.search import QuestionVector
from routing.difficulty.answers import agreement_features, answer_features
from routing.difficulty.meaning import Meaning
from routing.difficulty.model import ScoreModel, squash
from routing.difficulty.phrases import reasons
from routing.difficulty.question import question_features
from routing.difficulty.reading import passage_features, reader_features
from routing.difficulty.value import Difficulty, Stage
from routing.tier import RungKind, TierAnswer

MODELS = Path(__file__).with_name("models")

PRIORS: Mapping[str, float] = {
    "prior_silent": 4.5,
    "prior_unsupported": 1.5,
    "prior_fluent": -0.5,
    "prior_hesitant": 1.2,
    "prior_stumbled": 0.4,
}
"""What a chat answer's own signs add to the log-odds at full strength. The recorded answers that the models
were fitted to have none of them, so these are set by hand and not calibrated."""


@dataclass(frozen=True, slots=True)
class Models:
    """The models of one folder, each read when it is first asked."""

    folder: Path = MODELS

    def stage1(
        self, question: str, kind: RungKind = "reader", vector: QuestionVector | None = None
    ) -> Difficulty:
        """From the question alone. `kind` is that of the rung whose answer is meant."""
        if kind == "reader":
            return self._score("question", "question.reader", question_features(question))
        meant = self.meaning(vector)
        return self._score(
            "question", _named("question.chat", meant), question_features(question) | (meant or {})
        )

    def stage2(
        self,
        question: str,  # noqa: ARG002 - the question with what it refers to says all of it
        standalone: str,
        passages: Sequence[Passage],
        kind: RungKind = "reader",  # noqa: ARG002 - one model serves both
    ) -> Difficulty:
        """From the question and the passages. `standalone` is the question with what it refers to."""
        features = question_features(standalone) | passage_features(standalone, passages)
        return self._score("passages", "passages", features)

    def stage3(
        self,
        question: str,  # noqa: ARG002
        standalone: str,
        passages: Sequence[Passage],
        answer: TierAnswer,
        kind: RungKind = "reader",
        vector: QuestionVector | None = None,
    ) -> Difficulty:
        """From the question, the passages, and the cheap rung's answer."""
        if kind == "reader":
            features = question_features(standalone) | passage_features(standalone, passages)
            features |= reader_features(standalone, passages, answer)
            return self._score("answer", "answer.reader", features)
        meant, without = self.meaning(vector), answer.signals.closed_book_text
        features = answer_features(standalone, answer.text) | (meant or {})
        if without is None:
            features |= question_features(standalone)
            name = "answer.chat.open"
        else:
            features |= agreement_features(standalone, answer.text, without)
            name = "answer.chat"
        return self._score("answer", _named(name, meant), features, priors(answer))

    def meaning(self, vector: QuestionVector | None) -> dict[str, float] | None:
        """What the question is about; nothing where that cannot be told."""
        return None if vector is None else _meaning(self.folder).features(vector)

    def _score(
        self,
        stage: Stage,
        name: str,
        features: Mapping[str, float],
        signs: Mapping[str, float] | None = None,
    ) -> Difficulty:
        model, own = _load(self.folder / f"{name}.json"), signs or {}
        moves = model.moves(features) | {sign: PRIORS[sign] * strength for sign, strength in own.items()}
        probability = squash(model.base + sum(moves.values()))
        known = {**features, **own}
        said = reasons(known, moves, harder=probability >= 0.5)
        return Difficulty(stage, probability, said, known, f"{model.name}@{model.file.data_sha256[:8]}")


def priors(answer: TierAnswer) -> dict[str, float]:
    """The strength, from 0 to 1, of each sign that a chat rung gives of its own answer; 0 where it has none.

    A mean log-probability of -0.1 is a model with nearly no choice, -0.8 one that guessed.
    """
    signals = answer.signals
    mean, least, supported = signals.mean_logprob, signals.least_logprob, signals.supported
    return {
        "prior_silent": float(answer.abstained),
        "prior_unsupported": _ramp(1 - supported, 0, 0.5) if supported is not None else 0.0,
        "prior_fluent": 1 - _ramp(-mean, 0.05, 0.25) if mean is not None else 0.0,
        "prior_hesitant": _ramp(-mean, 0.25, 0.8) if mean is not None else 0.0,
        "prior_stumbled": _ramp(-least, 2.0, 5.0) if least is not None else 0.0,
    }


def _ramp(value: float, low: float, high: float) -> float:
    """0 up to `low`, 1 from `high`, a straight line between."""
    return min(1.0, max(0.0, (value - low) / (high - low)))


def _named(name: str, meant: Mapping[str, float] | None) -> str:
    return name if meant is not None else f"{name}.plain"


@lru_cache(maxsize=64)
def _load(path: Path) -> ScoreModel:
    return ScoreModel.load(path)


@lru_cache(maxsize=8)
def _meaning(folder: Path) -> Meaning:
    return Meaning.load(folder / "meaning.json")


_SHIPPED = Models()
stage1, stage2, stage3 = _SHIPPED.stage1, _SHIPPED.stage2, _SHIPPED.stage3
