import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.citation import check_citations, closest, without_marks
from tests.routing.world import passage

LEAVE = passage(
    "Take a rest. Everyone has 28 days of annual leave. Ask early.", document_id="leave", start=100
)
TRAVEL = passage("Flights are booked by the travel desk.", document_id="travel", start=7)


def test_a_citation_quotes_the_sentence_that_supports_it_at_its_place_in_the_document() -> None:
    checked = check_citations("You have 28 days of leave [1].", [LEAVE])
    (citation,) = checked.citations
    assert citation.quote == "Everyone has 28 days of annual leave."
    assert (citation.start, citation.end) == (113, 150)
    assert checked.text == "You have 28 days of leave [1]."


@pytest.mark.parametrize("mark", ["[0]", "[3]", "[99]", "[9999]"])
def test_a_number_without_a_passage_is_dropped(mark: str) -> None:
    checked = check_citations(f"You have 28 days of leave {mark}.", [LEAVE, TRAVEL])
    assert (checked.text, checked.citations, checked.dropped) == ("You have 28 days of leave.", (), 1)


def test_a_passage_that_shares_no_word_with_the_sentence_is_dropped() -> None:
    checked = check_citations("Penguins swim [2]. Flights go through the desk [2].", [LEAVE, TRAVEL])
    assert checked.text == "Penguins swim. Flights go through the desk [1]."
    assert checked.dropped == 1


def test_marks_are_numbered_in_the_order_they_appear() -> None:
    checked = check_citations(
        "Book at the travel desk [2]. You have 28 days of leave [1, 2][1].", [LEAVE, TRAVEL]
    )
    assert checked.text == "Book at the travel desk [1]. You have 28 days of leave [2]."
    assert [c.passage.document_id for c in checked.citations] == ["travel", "leave"]


def test_a_mark_after_the_full_stop_belongs_to_the_sentence_before() -> None:
    checked = check_citations("You have 28 days of leave. [1] Penguins swim.", [LEAVE])
    assert [c.n for c in checked.citations] == [1]


def test_the_closest_passages_are_of_different_documents() -> None:
    again = passage("More about annual leave.", document_id="leave")
    found = closest("annual leave", [LEAVE, again, TRAVEL], 3)
    assert [(c.n, c.passage.document_id) for c in found] == [(1, "leave"), (2, "travel")]


_TEXT = st.text(alphabet=st.sampled_from("ab cd. \n-[]123休。"), max_size=120)


@given(st.lists(_TEXT, min_size=1, max_size=4), st.integers(0, 500), _TEXT)
def test_every_quote_stands_exactly_where_its_offsets_say(texts: list[str], start: int, answer: str) -> None:
    passages = [passage(text, document_id=f"d{i}", start=start) for i, text in enumerate(texts)]
    checked = check_citations(answer + " ab [1] cd [2]. [3][7]", passages)
    for citation in checked.citations:
        document = " " * start + citation.passage.text
        assert citation.quote == document[citation.start : citation.end] != ""
    assert [c.n for c in checked.citations] == list(range(1, len(checked.citations) + 1))
    shown = {int(n) for n in re.findall(r"\[(\d+)\]", checked.text)}
    assert shown == {c.n for c in checked.citations}


def test_earlier_answers_lose_their_marks() -> None:
    assert without_marks("You have 28 days [1][2]. Really [3, 4].") == "You have 28 days. Really."


def test_a_lone_digit_in_common_is_no_support() -> None:
    source = passage("Brook 4 firmware 4.2.0\n\nWeir N1 launch on 17 November 2026")
    moved = check_citations("The launch moved to 2 February 2027. [1]", [source])
    assert [citation.quote for citation in moved.citations] == ["Weir N1 launch on 17 November 2026"]
    assert check_citations("Parking costs 2 euros. [1]", [source]).dropped == 1


def test_a_lone_digit_is_support_where_the_claim_is_nothing_else() -> None:
    assert check_citations("4 [1]", [passage("Four wheels, or 4 in digits.")]).dropped == 0
