from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.text.sentences import marker_length, split_sentences
from routing.text.words import content_words, names, words


def cut(text: str) -> list[str]:
    return [span.of(text) for span in split_sentences(text)]


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("One. Two! Three? Four", ["One.", "Two!", "Three?", "Four"]),
        ("Dr. Berg met J. R. Doe in the U.S. in 1999. He left.", None),
        ("It costs 3.50 a day. Version 2.1.4 is out.", ["It costs 3.50 a day.", "Version 2.1.4 is out."]),
        ("See e.g. the plan, i.e. page 3. Then stop.", ["See e.g. the plan, i.e. page 3.", "Then stop."]),
        ("1. First step. 2 more.\n2. Second step", ["1. First step.", "2 more.", "2. Second step"]),
        ("He said “Go.” Then he went.", ["He said “Go.”", "Then he went."]),
        ("休暇は30日です。申請は二週間前に！はい", ["休暇は30日です。", "申請は二週間前に！", "はい"]),
        ("City | Days\nBerlin | 30\nLisbon | 25", ["City | Days", "Berlin | 30", "Lisbon | 25"]),
        ("- Berlin: 30 days\n- Lisbon: 25 days", ["- Berlin: 30 days", "- Lisbon: 25 days"]),
        ("code: A1; device: x; says: y\ncode: A2; device: z; says: w", None),
        ("[2026-05-14 10:01] tom: done\n[2026-05-14 10:02] ana: thanks", None),
        ("Leave\nEveryone has 28 days.", ["Leave", "Everyone has 28 days."]),
        ("This line is wrapped by the editor that its author has\nused, and it goes on. End.", None),
        ("", []),
    ],
)
def test_sentences_end_where_a_person_would_end_them(text: str, sentences: list[str] | None) -> None:
    found = cut(text)
    assert len(found) == 2 if sentences is None else found == sentences


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=800))
def test_no_character_is_lost_and_none_is_in_two_sentences(text: str) -> None:
    spans = split_sentences(text)
    assert all(a.end <= b.start for a, b in pairwise(spans))
    inside = {i for span in spans for i in range(span.start, span.end)}
    assert all(i in inside for i, c in enumerate(text) if not c.isspace())
    assert all(span.of(text) == span.of(text).strip() != "" for span in spans)


@given(st.lists(st.sampled_from(["word", "and", "so", "on,", "then;"]), min_size=200, max_size=400))
def test_a_text_without_an_end_is_cut_into_readable_pieces(parts: list[str]) -> None:
    text = " ".join(parts)
    assert max(len(piece) for piece in cut(text)) <= 420
    assert "".join(text.split()) == "".join("".join(cut(text)).split())


def test_the_mark_of_a_list_item_is_not_part_of_what_it_says() -> None:
    assert [marker_length(s) for s in ("- Berlin", "12. Berlin", "## Berlin", "Berlin", "-")] == [
        2,
        4,
        3,
        0,
        0,
    ]


def test_words_meet_across_spelling() -> None:
    assert set(content_words("policies")) == set(content_words("policy"))
    assert set(content_words("Reimbursements in São Paulo")) == set(
        content_words("reimbursement SAO paulo's")
    )
    assert words("休暇日") == ["休暇", "暇日"]
    assert content_words("ERR-4012 on-call") == ("err-4012", "call")


def test_names_and_numbers_of_a_question_are_seen() -> None:
    assert names("What does ERR-7730 mean on the Weir P2?") == {"err-7730", "weir", "p2"}
    assert names("Which hotel? The cheap one, or I pay") == set()
    assert names("API keys of Porto") == {"api", "porto"}
