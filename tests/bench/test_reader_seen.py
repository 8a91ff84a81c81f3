"""A model with what the reading adapter has seen settled gives what it gave for questions not seen."""

import random

import pytest

from bench.routing.fit import fit
from bench.routing.seen import SEEN, as_unseen, with_seen


@pytest.mark.parametrize("tree_shares", [(0.0,), (0.5,)])
def test_it_answers_as_for_a_question_not_seen(tree_shares: tuple[float, ...]) -> None:
    draw = random.Random(7)
    rows = [{"a": draw.random(), "z": draw.random()} for _ in range(400)]
    seen = [draw.random() < 0.5 for _ in rows]
    wrong = [
        row["a"] + 0.5 * row["z"] - 0.4 * s + draw.random() > 1 for row, s in zip(rows, seen, strict=True)
    ]
    told = [with_seen(row, seen=s) for row, s in zip(rows, seen, strict=True)]
    model = fit(told, wrong, name="x", tree_shares=tree_shares)
    settled = as_unseen(model)
    assert SEEN not in settled.features
    differ = 0.0
    for row in rows:
        unseen = model.probability(with_seen(row, seen=False))
        assert settled.probability(row) == pytest.approx(unseen)
        differ = max(differ, abs(unseen - model.probability(with_seen(row, seen=True))))
    assert differ > 0.05
