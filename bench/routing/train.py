"""Trains the difficulty's models for chat rungs on recorded answers, and writes them for the product."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bench.routing.data import Outcome, vectors_of
from bench.routing.fit import PENALTIES, fit
from retrieval.search import QuestionVector
from routing.difficulty.answers import agreement_features, answer_features
from routing.difficulty.meaning import Meaning
from routing.difficulty.model import ScoreModel
from routing.difficulty.question import question_features

if TYPE_CHECKING:
    from retrieval.embedder import Embedder

SHIPPED = Path(__file__).parents[2] / "routing" / "difficulty" / "models"
LEFT_OUT = Path(__file__).with_name("left_out")
"""One folder for each data set, with the models that never saw it. Only the benchmark uses them."""

DIRECTIONS = 16
"""Of the questions' meaning. Chosen by cross-validation on the training rows, 16 against 0, 64 and all."""

TREE_SHARES = (0.5,)
"""With each training set left out in turn, the mixture was better than either part on the set left out."""

ANSWER_PENALTY = 0.03
"""Of stage 3 where both answers are known. Folds of the same sets would choose 1.0; with each training set
left out in turn, 0.03 was better on the set left out (mean .760 against .757)."""

Row = Mapping[str, float]


def question_row(outcome: Outcome, meaning: Mapping[str, float]) -> Row:
    return {**question_features(outcome.question), **meaning}


def answer_row(outcome: Outcome, meaning: Mapping[str, float]) -> Row:
    """What stage 3 looks at where the answer without passages is known: the question's cues add nothing to it
    that holds on sets that were not trained on (cross-validated), so they are left out."""
    return {
        **answer_features(outcome.question, outcome.answer),
        **agreement_features(outcome.question, outcome.answer, outcome.closed_book),
        **meaning,
    }


def open_row(outcome: Outcome, meaning: Mapping[str, float]) -> Row:
    """The same where it is not known."""
    return {
        **question_features(outcome.question),
        **answer_features(outcome.question, outcome.answer),
        **meaning,
    }


RECIPES = {"question.chat": question_row, "answer.chat": answer_row, "answer.chat.open": open_row}


def train(outcomes: Sequence[Outcome], embedder: "Embedder") -> None:
    """Writes the shipped models, and those that never saw one of the sets."""
    rows = [outcome for outcome in outcomes if outcome.training]
    vectors = vectors_of([row.question for row in rows], embedder)
    _train_into(SHIPPED, rows, vectors, tuple(RECIPES), plain=True)
    for name in sorted({row.dataset for row in rows}):
        kept = [place for place, row in enumerate(rows) if row.dataset != name]
        _train_into(
            LEFT_OUT / name,
            [rows[place] for place in kept],
            [vectors[place] for place in kept],
            ("question.chat", "answer.chat"),
            plain=False,
        )


def _train_into(
    folder: Path,
    rows: Sequence[Outcome],
    vectors: Sequence[QuestionVector],
    names: Sequence[str],
    *,
    plain: bool,
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    wrong = [row.wrong for row in rows]
    meaning = Meaning.fit(vectors[0].embedder, np.stack([vector.values for vector in vectors]), DIRECTIONS)
    meaning.save(folder / "meaning.json")
    meant = [meaning.features(vector) or {} for vector in vectors]
    for name in names:
        recipe = RECIPES[name]
        _keep(folder, name, [recipe(row, m) for row, m in zip(rows, meant, strict=True)], wrong)
        if plain:
            _keep(folder, f"{name}.plain", [recipe(row, {}) for row in rows], wrong)


def _keep(folder: Path, name: str, rows: Sequence[Row], wrong: Sequence[bool]) -> ScoreModel:
    transfers = name in ("answer.chat", "answer.chat.plain")
    penalties = (ANSWER_PENALTY,) if transfers else PENALTIES
    model = fit(rows, wrong, name=name, tree_shares=TREE_SHARES, penalties=penalties)
    model.save(folder / f"{name}.json")
    found = model.file
    told = " ".join(f"{key} {value:.3f}" for key, value in found.metrics.items())
    print(
        f"trained {folder.name}/{name}: {found.rows} rows, cross-validated {told}, {found.settings}",
        flush=True,
    )
    return model
