"""Lines of a PDF: joined where the page broke a sentence, kept apart where they are rows or items."""

from hypothesis import given
from hypothesis import strategies as st

from ingest.parsing.pdf.reading import _unwrap


def test_a_sentence_that_the_page_broke_is_one_line_again() -> None:
    lines = [
        "Office networks are separate from the laboratory network. The calibration",
        "benches have no way out.",
    ]
    assert _unwrap(lines, 75) == " ".join(lines)


def test_rows_items_and_ended_sentences_stay_apart() -> None:
    lines = ["Property Range Accuracy", "pH 0 to 14 0.02", "It ends here.", "Next", "- first", "- second"]
    assert _unwrap(lines, 80) == "\n".join(lines)


@given(st.lists(st.text(alphabet="ab .-", min_size=1).map(str.strip).filter(bool)), st.integers(1, 60))
def test_no_word_is_lost(lines: list[str], width: int) -> None:
    assert _unwrap(lines, width).split() == " ".join(lines).split()
