"""How well the difficulty foretells wrong answers, and what that is worth, beside other ways of routing.

The answers are recorded (AdaRAGUE: one 8B model, six data sets). The models score the part they were not
trained on; *left out* means a model that never saw the data set it scores, which is the headline. Without
`--train` nothing is trained: the shipped models are scored.

The premium rung was not recorded, so it is simulated: right wherever the recorded model was right in any of
its three ways (no, one, several retrievals), and on a seeded half of the other questions.
"""

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bench.routing.data import Outcome, load_outcomes, vectors_of
from bench.routing.flips import paraphrased, with_typo
from bench.routing.pairs import run_pairs
from bench.routing.rivals import rivals
from bench.routing.scores import (
    Bools,
    Floats,
    area_under_risk_coverage,
    auroc,
    calibration_error,
    interval,
    quality_by_share,
    risk_at,
    share_at_quality,
)
from bench.routing.speed import overhead
from bench.routing.train import LEFT_OUT, RECIPES, SHIPPED, train
from retrieval.search import QuestionVector
from routing.difficulty.meaning import Meaning
from routing.difficulty.model import ScoreModel

if TYPE_CHECKING:
    from retrieval.embedder import Embedder

QUALITY = 0.95
SKIP_ABOVE, CLIMB_ABOVE = 0.8, 0.5
"""Of the policy as it ships: what a choice is, for the flips."""

_SEED = 20261124
_CURVE = tuple(range(0, 101, 10))
_FEWEST = 20


@dataclass(frozen=True, slots=True)
class Test:
    """The questions to score, with what the simulated premium rung gets right."""

    rows: Sequence[Outcome]
    vectors: Sequence[QuestionVector]
    sets: Mapping[str, Bools]
    wrong: Bools
    premium: Bools


def run(data: Path | None, as_json: bool, *, training: bool = False) -> None:
    """Prints the table, and with `as_json` the summary as the last line."""
    if data is None:
        raise SystemExit("This benchmark needs --data DIR with routing/ and qa/.")
    from retrieval.embedder import MiniLmEmbedder

    embedder, outcomes = MiniLmEmbedder(), load_outcomes(data)
    if training:
        train(outcomes, embedder)
        _train_reader(data)
    test = _test(outcomes, embedder)
    risks = _risks(test)
    others = rivals([row for row in outcomes if row.training], test.rows)
    _print_table(test, {**risks, **others})
    _print_curves(test, {**risks, **others})
    flips = _flips(test, embedder)
    speed = overhead(data, embedder)
    print("RouteLLM's recorded answers, stage 1 cross-fitted:")
    run_pairs(data, embedder)
    summary: dict[str, object] = {
        "auroc_stage1": auroc(test.wrong, risks["stage 1"]),
        "auroc_stage3": auroc(test.wrong, risks["stage 3"]),
        "auroc_stage3_left_out": {
            name: auroc(test.wrong[of], risks["stage 3, left out"][of]) for name, of in test.sets.items()
        },
        "auroc_stage3_reader": _score_reader(data),
        "ece": calibration_error(test.wrong, risks["stage 3"]),
        "local_share_at_95": share_at_quality(~test.wrong, test.premium, risks["stage 3"], QUALITY),
        "choice_flips": flips,
        "overhead_ms_p99": speed,
    }
    if as_json:
        print(json.dumps(summary))


def _test(outcomes: Sequence[Outcome], embedder: "Embedder") -> Test:
    """The part that is not for training; all of a folder that has no such part."""
    rows = [row for row in outcomes if not row.training] or list(outcomes)
    chance = random.Random(_SEED)
    lucky = [chance.random() < 0.5 for _ in rows]
    known = [not row.wrong or row.steps_right or row.closed_book_right for row in rows]
    sets = np.array([row.dataset for row in rows])
    return Test(
        rows,
        vectors_of([row.question for row in rows], embedder),
        {name: sets == name for name in sorted(set(sets.tolist()))},
        np.array([row.wrong for row in rows]),
        np.array([a or b for a, b in zip(known, lucky, strict=True)]),
    )


def risk(folder: Path, name: str, rows: Sequence[Outcome], vectors: Sequence[QuestionVector]) -> Floats:
    """What a model on file foretells of each answer."""
    model, meaning = ScoreModel.load(folder / f"{name}.json"), Meaning.load(folder / "meaning.json")
    recipe = RECIPES[name]
    return np.array(
        [
            model.probability(recipe(row, meaning.features(vector) or {}))
            for row, vector in zip(rows, vectors, strict=True)
        ]
    )


def _risks(test: Test) -> dict[str, Floats]:
    found: dict[str, Floats] = {}
    for stage, name in (("stage 1", "question.chat"), ("stage 3", "answer.chat")):
        found[stage] = risk(SHIPPED, name, test.rows, test.vectors)
        left_out = found[stage].copy()
        for dataset, of in test.sets.items():
            # The shipped models never saw a set that is not among those of training.
            if (LEFT_OUT / dataset).is_dir():
                places = [int(place) for place in np.nonzero(of)[0]]
                rows, vectors = [test.rows[p] for p in places], [test.vectors[p] for p in places]
                left_out[of] = risk(LEFT_OUT / dataset, name, rows, vectors)
        found[f"{stage}, left out"] = left_out
    return found


def _print_table(test: Test, risks: Mapping[str, Floats]) -> None:
    wrong, premium, cheap = test.wrong, test.premium, ~test.wrong
    counts = ", ".join(f"{name} {int(of.sum())}" for name, of in test.sets.items())
    print(f"{len(wrong)} questions ({counts}); the local answer is wrong on {wrong.mean():.3f} of them")
    print(f"simulated premium is right on {premium.mean():.3f}; always local {cheap.mean():.3f}")
    head = "".join(f"{name[:8]:>9}" for name in test.sets)
    print(
        f"{'AUROC [95%]':31}{'pooled':>7}{'':15}{head}{'ECE':>8}{'AURC':>7}{'risk@50%':>10}{'local@95%':>11}"
    )
    for name, of_all in risks.items():
        measure = partial(_auroc_of, wrong, of_all)
        low, high = interval(len(wrong), measure)
        by_set = "".join(f"{_auroc_of(wrong[of], of_all[of]):9.3f}" for of in test.sets.values())
        ece = f"{calibration_error(wrong, of_all):8.3f}" if name.startswith("stage") else f"{'':8}"
        share = share_at_quality(cheap, premium, of_all, QUALITY)
        print(
            f"{name:31}{auroc(wrong, of_all):7.3f} [{low:.3f}, {high:.3f}]{by_set}{ece}"
            f"{area_under_risk_coverage(wrong, of_all):7.3f}{risk_at(wrong, of_all, 0.5):10.3f}{share:11.3f}"
        )
    for name in ("stage 1, left out", "stage 3, left out"):
        _print_intervals(test, risks[name], name)
    print("targets: stage 1 .66, stage 3 .79 pooled and .68 on each set left out, ECE .05")


def _print_intervals(test: Test, of_all: Floats, name: str) -> None:
    for dataset, of in test.sets.items():
        wrong, found = test.wrong[of], of_all[of]
        low, high = interval(len(wrong), partial(_auroc_of, wrong, found))
        ece = calibration_error(wrong, found)
        print(f"  {name}, {dataset:18}{auroc(wrong, found):.3f} [{low:.3f}, {high:.3f}]  ECE {ece:.3f}")


def _auroc_of(
    wrong: Bools, found: Floats, places: "np.ndarray[tuple[int], np.dtype[np.int64]] | None" = None
) -> float:
    if places is not None:
        wrong, found = wrong[places], found[places]
    return auroc(wrong, found) if len(wrong) >= _FEWEST else float("nan")


def _print_curves(test: Test, risks: Mapping[str, Floats]) -> None:
    """Quality against cost: the premium calls saved are the share answered locally."""
    print("quality by share answered locally" + "".join(f"{percent:>7}%" for percent in _CURVE))
    for name, of_all in risks.items():
        curve = quality_by_share(~test.wrong, test.premium, of_all)
        last = len(curve) - 1
        print(f"{name:33}" + "".join(f"{curve[round(p * last / 100)]:8.3f}" for p in _CURVE))
    print("share wrong among the surest answered" + "".join(f"{p:>7}%" for p in _CURVE[1:]))
    for name in ("stage 1", "stage 3", "stage 3, left out"):
        print(f"{name:37}" + "".join(f"{risk_at(test.wrong, risks[name], p / 100):8.3f}" for p in _CURVE[1:]))


def _flips(test: Test, embedder: "Embedder") -> float:
    """The share of questions whose rung changes when they are said again with the answers as recorded."""
    before = _choices(test.rows, test.vectors)
    found: list[float] = []
    for name, change in (("typo", with_typo), ("paraphrase", paraphrased)):
        rows = [row.asked(change(row.question)) for row in test.rows]
        after = _choices(rows, vectors_of([row.question for row in rows], embedder))
        skips, keeps = before[0] != after[0], before[1] != after[1]
        found.append(float(keeps.mean()))
        print(f"choice flips under {name}: {skips.mean():.3f} at stage 1, {keeps.mean():.3f} in the end")
    return float(np.mean(found))


def _choices(rows: Sequence[Outcome], vectors: Sequence[QuestionVector]) -> tuple[Bools, Bools]:
    """By the thresholds that ship: whether stage 1 skips the local rung, and whether its answer is kept."""
    skips = risk(SHIPPED, "question.chat", rows, vectors) >= SKIP_ABOVE
    return skips, ~skips & (risk(SHIPPED, "answer.chat", rows, vectors) < CLIMB_ABOVE)


def _train_reader(data: Path) -> None:
    from bench.routing.reader import train_reader_models

    train_reader_models(data)


def _score_reader(data: Path) -> float | None:
    """Prints the reader's part; nothing where the folder has no question sets for it."""
    if not (data / "qa").is_dir():
        return None
    from bench.routing.reader import score_reader

    scores = score_reader(data)
    print(f"reader rung: {sum(scores.questions.values())} questions, wrong on {scores.wrong:.3f}")
    for stage, found in scores.stages.items():
        value, ece = found.auroc, found.ece
        print(
            f"  {stage:9} AUROC {value.value:.3f} [{value.low:.3f}, {value.high:.3f}]  ECE {ece.value:.3f}"
            f"  reader's share at 95% of a premium rung simulated as always right: {found.share_at_95:.3f}"
        )
        for name, of in found.auroc_by_set.items():
            print(f"    {name:20}{of.value:.3f} [{of.low:.3f}, {of.high:.3f}]")
    return scores.auroc_stage3
