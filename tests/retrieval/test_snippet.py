"""Snippets: the right part, the right words marked."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.snippet import MAX_CHARACTERS, highlights, make_snippet

FILLER = "Nothing of interest stands in this sentence at all. " * 12


def marked(text: str, query: str) -> list[str]:
    """The words of the snippet that are marked."""
    snippet = make_snippet(text, query)
    return [snippet.text[mark.start : mark.end] for mark in snippet.highlights]


@pytest.mark.parametrize(
    ("text", "query", "expected"),
    [
        ("Our holidays and Holiday rules", "holiday", ["holidays", "Holiday"]),
        ("The policies of travel", "travel policy", ["policies", "travel"]),
        ("Booking a train, booked trains", "how do I book trains?", ["Booking", "train", "booked", "trains"]),
        ("Café and CAFE and cafés", "cafe", ["Café", "CAFE", "cafés"]),
        ("Straße in München", "strasse munchen", ["Straße", "München"]),
        ("We planned the planning of plans", "plan", ["planned", "planning", "plans"]),
        ("Отпуск и отпуск", "отпуск", ["Отпуск", "отпуск"]),
        ("東京都の休暇", "休暇", ["休", "暇"]),
        ("What is the plan of it", "what is the", ["What", "is", "the"]),
        ("What the leave is", "what is the leave", ["leave"]),
        ("bus gas", "as", []),
        ("nothing here", "zebra", []),
    ],
)
def test_marks_the_words_of_the_question(text: str, query: str, expected: list[str]) -> None:
    assert marked(text, query) == expected


def test_shows_the_part_where_most_words_stand() -> None:
    text = FILLER + "Holiday. " + FILLER + "Unused holiday days expire in March. " + FILLER
    snippet = make_snippet(text, "when do unused holiday days expire")
    assert "Unused holiday days expire in March." in snippet.text
    assert snippet.text.startswith("… ") and snippet.text.endswith(" …")


def test_a_short_text_is_shown_whole_on_one_line() -> None:
    assert make_snippet("  One\n\n two\tthree ", "two").text == "One two three"


def test_the_start_is_shown_where_nothing_matches() -> None:
    snippet = make_snippet("Beginning. " + FILLER, "zebra")
    assert snippet.text.startswith("Beginning.") and snippet.text.endswith("…")


def test_words_are_not_cut() -> None:
    text = " ".join(f"word{i}" for i in range(300))
    shown = make_snippet(text, "word150").text
    assert "word150" in shown.split()
    assert all(word in text.split() for word in shown.strip("… ").split())


def test_highlights_give_offsets_into_the_text_as_it_is() -> None:
    text = "Two\n\n  holidays\tand a holiday"
    assert [text[mark.start : mark.end] for mark in highlights(text, "holiday")] == ["holidays", "holiday"]


@given(text=st.text(max_size=900), query=st.text(max_size=60))
def test_any_text_gives_a_snippet_within_its_size(text: str, query: str) -> None:
    snippet = make_snippet(text, query)
    assert len(snippet.text) <= MAX_CHARACTERS + len("…  …")
    end = 0
    for mark in snippet.highlights:
        assert end <= mark.start < mark.end <= len(snippet.text)
        end = mark.end


@given(
    words=st.lists(st.sampled_from(["alpha", "beta", "gamma", "filler", "x" * 40]), min_size=1, max_size=120),
    query=st.sampled_from(["alpha", "beta gamma", "alpha beta gamma"]),
)
def test_a_word_that_stands_in_the_text_is_always_shown(words: list[str], query: str) -> None:
    if set(words) & set(query.split()):
        assert marked(" ".join(words), query)


def test_cells_of_a_table_are_set_apart_by_a_dot() -> None:
    snippet = make_snippet("| Warranty | |\n| Brook 4 | 36 months |", "Brook 4")
    assert snippet.text == "Warranty · Brook 4 · 36 months"
    assert [snippet.text[mark.start : mark.end] for mark in snippet.highlights] == ["Brook", "4"]
