import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.errors import InputError
from routing.reading.examples import Example, find_spans, load_material
from routing.reading.variation import gap_question, gap_questions, near_miss, other_passage, without_answer
from tests.routing.reading.world import PAGES, write_data, write_rows

HERON = PAGES[0]["text"]


def test_only_the_training_part_becomes_examples(tmp_path: Path) -> None:
    material = load_material(write_data(tmp_path))
    texts = [m.example.text for m in material] + [text for m in material for _, text in m.others]
    assert len(material) == 6
    assert all("sealed" not in text for text in texts)


def test_spans_are_where_the_set_says(tmp_path: Path) -> None:
    material = load_material(write_data(tmp_path))
    said = {m.example.question: [m.example.text[s:e] for s, e in m.example.spans] for m in material}
    assert said["When was the Heron built?"] == ["1921"]
    assert said["Who owns the Plover today?"] == ["Rui Alves"]
    assert said["When was the Heron sunk?"] == []


def test_articles_for_choosing_settings_are_marked(tmp_path: Path) -> None:
    material = load_material(write_data(tmp_path))
    assert {m.example.title for m in material if m.tuning} == {"Normans"}


def test_a_passage_near_the_question_does_not_hold_its_answer(tmp_path: Path) -> None:
    for material in load_material(write_data(tmp_path)):
        answers = [material.example.text[s:e] for s, e in material.example.spans]
        for _, text in material.others:
            assert not find_spans(text, answers) and text != material.example.text


def test_a_folder_without_any_set_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError) as refused:
        load_material(tmp_path)
    assert refused.value.code == "no_training_data"


def test_a_broken_line_is_named(tmp_path: Path) -> None:
    write_data(tmp_path)
    path = tmp_path / "qa" / "squad_v2.jsonl.gz"
    write_rows(path, [])
    import gzip

    with gzip.open(path, "wt") as file:
        file.write('{"id": "q1"\n')
    with pytest.raises(InputError, match=r"squad_v2\.jsonl\.gz, line 1") as refused:
        load_material(tmp_path)
    assert refused.value.code == "bad_data"


@given(st.text(max_size=60), st.lists(st.text(max_size=8), max_size=4))
def test_found_spans_are_the_answers_as_whole_words(text: str, answers: list[str]) -> None:
    folded = [answer.strip().lower() for answer in answers]
    for start, end in find_spans(text, answers):
        assert text[start:end].lower() in folded or text[start:end].casefold() in folded or not text.isascii()
        assert start == 0 or not (text[start - 1].isalnum() or text[start - 1] == "_")


def test_a_near_miss_changes_the_question_alone() -> None:
    example = Example("In what year was the Heron first built in Lisbon?", "Boats", HERON, ((23, 27),))
    seen = set()
    for seed in range(40):
        miss = near_miss(example, random.Random(seed))
        if miss is not None:
            seen.add(miss.question)
            assert (miss.text, miss.spans) == (example.text, ())
            assert miss.question != example.question
    assert any("last" in question for question in seen)
    assert any("Dakar" in question or "Maria" in question for question in seen)


def test_the_passage_without_its_answer_does_not_hold_it() -> None:
    less = without_answer(Example("When was the Heron built?", "Boats", HERON, ((23, 27),)))
    assert less is not None and less.spans == ()
    assert less.text == "Its mast is 14 metres high. Maria Prado sailed the Heron to Dakar."


def test_an_answer_that_stands_elsewhere_too_cannot_be_left_out() -> None:
    text = "The Heron is red. The Plover is red. The Heron has one mast."
    assert without_answer(Example("What color is the Heron?", "", text, ((13, 16),))) is None


def test_another_passage_keeps_the_question(tmp_path: Path) -> None:
    material = next(m for m in load_material(write_data(tmp_path)) if m.example.spans and m.others)
    other = other_passage(material, random.Random(1))
    assert other is not None and other.question == material.example.question and other.spans == ()


@pytest.mark.parametrize("seed", range(30))
def test_a_gap_question_asks_for_words_of_the_passage(seed: int) -> None:
    found = gap_question("Boats", HERON, random.Random(seed))
    assert found is not None
    for start, end in found.spans:
        assert found.text[start:end] and found.text[start:end] not in found.question


def test_as_many_gap_questions_as_there_can_be() -> None:
    assert len(gap_questions([("Boats", HERON)], 5, random.Random(3))) == 5
    assert gap_questions([("", "no names here")], 5, random.Random(3)) == []
    assert gap_questions([], 5, random.Random(3)) == []
