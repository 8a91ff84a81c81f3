"""Feedback's reason: one column for the code and the words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.history.feedback import REASON_CODES, ReasonCode, read_reason, reason_to_store

codes = st.sampled_from(REASON_CODES)


@given(codes, st.text())
def test_what_is_stored_is_read_again(code: ReasonCode, words: str) -> None:
    assert read_reason(reason_to_store(code, words)) == (code, words.replace("\x00", "").strip())


@given(st.text())
def test_words_without_a_code_are_other_even_where_they_look_like_one(words: str) -> None:
    cleaned = words.replace("\x00", "").strip()
    assert read_reason(reason_to_store(None, words)) == (("other", cleaned) if cleaned else (None, ""))
    assert read_reason(reason_to_store(None, "wrong: " + cleaned))[0] == "other"


@pytest.mark.parametrize("stored", ["It is 20.", "ugly: it is", "wrong", ": no name"])
def test_a_reason_from_before_there_were_codes_is_other(stored: str) -> None:
    assert read_reason(stored) == ("other", stored)
