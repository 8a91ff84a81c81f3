"""The difficulty for the reader rung: models fitted to what it got right and wrong, and how well they
foretell it.

Fitted to the training parts, chosen by cross-validation there, and measured on the other parts. Where a
share at a quality is told, the premium rung is simulated as always right.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.core.config import get_settings
from bench.routing.fit import fit
from bench.routing.labels import Label, load_labels
from bench.routing.scores import auroc, calibration_error, interval, share_at_quality
from bench.routing.seen import as_unseen, with_seen
from routing.difficulty.model import ScoreModel
from routing.difficulty.question import question_features
from routing.difficulty.reading import answered_features, passage_features

MODELS = Path(__file__).parents[2] / "routing" / "difficulty" / "models"
FILES = {"question": "question.reader.json", "passages": "passages.json", "answer": "answer.reader.json"}
"""The model's file for each stage."""

QUALITY = 0.95
SEEN_WEIGHT = 0.1
"""What a question counts that the adapter was trained on, in a set that has enough of those it was not: it
reads the former with more trust than people's. Of 1, 0.3, 0.1 and 0, the best in cross-validation."""

ENOUGH = 200
"""Questions of a set that the adapter was not trained on. With fewer, all of the set count alike."""

FEWEST = 20
"""A set with fewer right or fewer wrong answers gets no figure of its own."""

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Measured:
    """A figure with the middle 95% of it over bootstrap samples of the questions."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class StageScores:
    """How well a stage foretells a wrong answer: AUROC over all questions and of each set, expected
    calibration error, and the share that the reader could answer at 95% of the quality of a premium rung
    simulated as always right."""

    auroc: Measured
    auroc_by_set: Mapping[str, Measured]
    ece: Measured
    share_at_95: float


@dataclass(frozen=True, slots=True)
class ReaderScores:
    """Of questions that nothing was trained or chosen on. `wrong_by_set` is the share of wrong answers."""

    questions: Mapping[str, int]
    wrong_by_set: Mapping[str, float]
    wrong: float
    stages: Mapping[str, StageScores]

    @property
    def auroc_stage1(self) -> float:
        return self.stages["question"].auroc.value

    @property
    def auroc_stage2(self) -> float:
        return self.stages["passages"].auroc.value

    @property
    def auroc_stage3(self) -> float:
        return self.stages["answer"].auroc.value

    @property
    def ece(self) -> float:
        return self.stages["answer"].ece.value


def features(label: Label, stage: str) -> dict[str, float]:
    """What the stage looks at."""
    question, passages = label.question, label.passages
    if stage == "question":
        return question_features(question)
    if stage == "passages":
        return question_features(question) | passage_features(question, passages)
    return answered_features(question, passages, label.answer)


def score_reader(data: Path, cache: Path | None = None, models: Path = MODELS) -> ReaderScores:
    """Scores the models as they are on the parts of a data folder that are not for training.

    Args:
        cache: where the reader's answers are kept; under the data directory of the settings without.

    Raises:
        ConfigurationError: `bad_difficulty_model` when a model is missing.
    """
    labels = [label for label in load_labels(data, cache or _cache(), parts=("dev",)) if label.part == "dev"]
    if not labels:
        raise SystemExit(f"{data} holds no question set that the reader could be scored on.")
    sets = np.array([label.set for label in labels])
    wrong = np.array([not label.right for label in labels])
    names = sorted(set(sets.tolist()))
    return ReaderScores(
        questions={name: int((sets == name).sum()) for name in names},
        wrong_by_set={name: float(wrong[sets == name].mean()) for name in names},
        wrong=float(wrong.mean()),
        stages={stage: _score(labels, sets, wrong, stage, models) for stage in FILES},
    )


def train_reader_models(data: Path, cache: Path | None = None, models: Path = MODELS) -> None:
    """Fits the three models to the training parts and writes their files."""
    labels = [
        label for label in load_labels(data, cache or _cache(), parts=("train",)) if label.part == "train"
    ]
    models.mkdir(parents=True, exist_ok=True)
    for stage, file in FILES.items():
        fit_stage(labels, stage).save(models / file)


def fit_stage(labels: Sequence[Label], stage: str) -> ScoreModel:
    """A model of one stage. Questions that share their nearest passage stay on one side of a fold."""
    apart = Counter(label.set for label in labels if not label.seen)
    seen = [label.seen and apart[label.set] >= ENOUGH for label in labels]
    model = fit(
        [with_seen(features(label, stage), seen=shown) for label, shown in zip(labels, seen, strict=True)],
        [not label.right for label in labels],
        name=FILES[stage].removesuffix(".json"),
        groups=[f"{label.set} {_nearest(label)}" for label in labels],
        weights=[SEEN_WEIGHT if shown and stage == "answer" else 1.0 for shown in seen],
    )
    return as_unseen(model)


def _nearest(label: Label) -> str:
    return label.passages[0].document_id if label.passages else label.id


def table(scores: ReaderScores) -> list[str]:
    """The figures as lines: a row a stage and set."""
    lines = [
        f"reader: {sum(scores.questions.values())} questions not trained on, {scores.wrong:.3f} are wrong",
        f"{'':22}{'AUROC':>7}{'95% interval':>16}{'ECE':>7}{'share at 95%*':>15}",
    ]
    for stage, found in scores.stages.items():
        lines.append(_line(stage, found.auroc, f"{found.ece.value:7.3f}{found.share_at_95:15.3f}"))
        lines.extend(_line(f"  {name}", measured) for name, measured in found.auroc_by_set.items())
    return [*lines, "* of a premium rung simulated as always right"]


def _line(name: str, measured: Measured, more: str = "") -> str:
    return f"{name:22}{measured.value:7.3f}{f'{measured.low:.3f} to {measured.high:.3f}':>16}{more}"


def _score(
    labels: Sequence[Label], sets: NDArray[np.str_], wrong: Bools, stage: str, models: Path
) -> StageScores:
    model = ScoreModel.load(models / FILES[stage])
    risk = np.array([model.probability(features(label, stage)) for label in labels])
    by_set = {
        name: _measure(auroc, wrong[sets == name], risk[sets == name])
        for name in sorted(set(sets.tolist()))
        if min(wrong[sets == name].sum(), (~wrong[sets == name]).sum()) >= FEWEST
    }
    return StageScores(
        auroc=_measure(auroc, wrong, risk),
        auroc_by_set=by_set,
        ece=_measure(calibration_error, wrong, risk),
        share_at_95=share_at_quality(~wrong, np.ones(len(wrong)), risk, QUALITY),
    )


def _measure(measure: Callable[[Bools, Floats], float], wrong: Bools, risk: Floats) -> Measured:
    low, high = interval(len(wrong), lambda rows: measure(wrong[rows], risk[rows]))
    return Measured(measure(wrong, risk), low, high)


def _cache() -> Path:
    return get_settings().data_dir / "bench" / "reader-labels"
