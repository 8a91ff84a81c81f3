import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.text.rows import row_in_words

TABLE = "Holidays\n\nOffice | Days | Public holidays\nLeeds | 25 | 8 bank holidays\nPorto | 24 | |"


def read(text: str, row: str) -> str:
    start = text.index(row)
    return row_in_words(text, start, start + len(row))


def test_a_row_gets_the_names_of_its_columns() -> None:
    row = "Leeds | 25 | 8 bank holidays"
    assert read(TABLE, row) == "Office: Leeds; Days: 25; Public holidays: 8 bank holidays"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("Leeds | 25\nPorto | 24", "the text begins inside the table"),
        ("Stock\n\nQI-110 | 4\nPorto | 24", "the first line holds digits"),
        ("Stock\n\nName\nPorto | 24", "what stands above is no row"),
        ("Stock\n\nA | B | C\nPorto | 24", "the first line has another number of cells"),
    ],
)
def test_a_row_without_a_plain_head_keeps_its_cells_apart(text: str, why: str) -> None:
    assert read(text, "Porto | 24") == "Porto · 24", why


def test_prose_stays_as_it_is_on_one_line() -> None:
    assert row_in_words("One line\nand another.", 0, 21) == "One line and another."


@given(st.text(alphabet="ab1 |\n", max_size=60), st.integers(0, 60), st.integers(0, 60))
def test_no_word_of_the_row_is_lost(text: str, start: int, length: int) -> None:
    start = min(start, len(text))
    end = min(len(text), start + length)
    shown = row_in_words(text, start, end)
    assert all(word in shown for word in text[start:end].replace("|", " ").split())
