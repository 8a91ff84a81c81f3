"""What counts as a right answer, and what is kept of an interrupted run."""

from pathlib import Path

import pytest

from app.core.usage import Work
from bench.routing.labels import _FORM, Label, _kept, is_right
from routing.tier import Signals


@pytest.mark.parametrize(
    ("gold", "sentences", "right"),
    [
        (["140 euros"], ["The limit is 140 Euros a night."], True),
        (["140 euros"], ["Hotels have limits.", "In Berlin it is 140 euros."], True),
        (["140 euros"], ["The limit is 1140 euros."], False),
        (["140 euros"], [], False),
        ([], [], True),
        ([], ["The limit is 140 euros."], False),
        (["yes"], ["Yes, they do."], False),
        (["no."], ["There is no limit."], False),
        (["a very long answer that goes on and on"], ["long answer that goes on"], True),
    ],
)
def test_an_answer_is_right_when_a_shown_sentence_holds_it(
    gold: list[str], sentences: list[str], right: bool
) -> None:
    assert is_right(gold, sentences) is right


def label(key: str) -> Label:
    return Label(
        "demo",
        "train",
        False,
        key,
        "Who?",
        ("Ana",),
        (),
        (),
        "Nothing.",
        True,
        Signals(score=0.1),
        False,
        "r@1",
    )


def test_a_line_that_was_broken_off_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / "demo.jsonl"
    file.write_bytes(_FORM.dump_json(label("one")) + b"\n" + _FORM.dump_json(label("two"))[:40])
    assert list(_kept(file)) == [label("one")]
    with file.open("ab") as out:
        out.write(_FORM.dump_json(label("three")) + b"\n")
    assert [kept.id for kept in _kept(file)] == ["one", "three"]


def test_a_label_gives_back_what_the_rung_said() -> None:
    answer = label("one").answer
    assert (answer.text, answer.abstained, answer.signals.score) == ("Nothing.", True, 0.1)
    assert answer.work == Work("reader", "r@1", "abstained")
