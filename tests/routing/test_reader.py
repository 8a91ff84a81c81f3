from dataclasses import replace
from datetime import UTC, datetime

import pytest

from retrieval.passage import Passage
from routing.reading.reading import Readable
from routing.tier import ReaderSettings, TierAnswer, TierDelta
from routing.tiers.reader import NOTHING_FOUND, ReaderTier
from routing.tiers.selection import Candidate, candidates, kinds_asked, newness, score
from tests.fakes.reader import WordReader
from tests.routing.world import LEAVE, TRAVEL, passage, request

SETTINGS = ReaderSettings(passages=6, abstain_below=0.2)


@pytest.fixture
def reader() -> ReaderTier:
    return ReaderTier("reader", "Reader", SETTINGS, WordReader())


def pool_of(question: str, *passages: Passage) -> list[Candidate]:
    reader = WordReader()
    found = reader.read(question, [Readable(p.title, p.text) for p in passages])
    return candidates(question, passages, found, reader.calibration)


def read(reader: ReaderTier, question: str, *documents: str) -> tuple[str, TierAnswer]:
    """The text as it was streamed, and the answer."""
    passages = [p for d in (LEAVE, TRAVEL) if d.id in documents for p in d.passages()]
    outputs = list(reader.answer(request(question, *passages)))
    answer = outputs[-1]
    assert isinstance(answer, TierAnswer)
    return "".join(o.text for o in outputs if isinstance(o, TierDelta)), answer


def test_the_sentence_that_answers_is_quoted_with_its_exact_place(reader: ReaderTier) -> None:
    streamed, answer = read(reader, "How many days of annual leave does everyone have?", "leave", "travel")
    assert answer.text.startswith("Everyone has 28 days of annual leave a year. [1]")
    assert streamed == answer.text
    first = answer.citations[0]
    assert (
        LEAVE.text[first.start : first.end] == first.quote == "Everyone has 28 days of annual leave a year."
    )


def test_offsets_hold_in_a_later_paragraph(reader: ReaderTier) -> None:
    _, answer = read(reader, "What is the hotel limit a night in euros?", "travel")
    (citation,) = answer.citations
    assert TRAVEL.text[citation.start : citation.end] == "The hotel limit is 140 euros a night."


def test_a_second_sentence_is_added_only_when_it_adds() -> None:
    text = "The desk books flights for everyone. Mona keeps visas for everyone."
    reader = ReaderTier("reader", "Reader", SETTINGS, WordReader())
    *_, both = reader.answer(request("Who books flights and who keeps visas for everyone?", passage(text)))
    *_, one = reader.answer(request("Who books flights for everyone?", passage(text.split(". ")[0] + ".")))
    assert isinstance(both, TierAnswer) and isinstance(one, TierAnswer)
    assert len(both.citations) == 2
    assert [c.start for c in both.citations] == sorted(c.start for c in both.citations)
    assert len(one.citations) == 1


@pytest.mark.parametrize("question", ["Which submarine sank yesterday?", "何が起きましたか"])
def test_it_abstains_when_nothing_is_near(reader: ReaderTier, question: str) -> None:
    streamed, answer = read(reader, question, "leave", "travel")
    assert answer.abstained and answer.citations == ()
    assert answer.text == streamed == NOTHING_FOUND
    assert answer.work.outcome == "abstained"


def test_it_abstains_without_passages(reader: ReaderTier) -> None:
    _, answer = read(reader, "How many days?")
    assert answer.abstained and answer.signals.agreement == 0


def test_list_marks_are_not_shown_and_offsets_skip_them(reader: ReaderTier) -> None:
    text = (
        "Leave by city:\n- Berlin office has thirty days of leave\n- Lisbon office has twenty days of leave"
    )
    *_, answer = reader.answer(
        request("How many days of leave has the Lisbon office?", passage(text, start=50))
    )
    assert isinstance(answer, TierAnswer)
    first = answer.citations[0]
    assert answer.text.startswith("Lisbon office has twenty days of leave [1]")
    assert text[first.start - 50 : first.end - 50] == "Lisbon office has twenty days of leave"


def test_a_heading_that_only_repeats_the_question_is_no_answer(reader: ReaderTier) -> None:
    text = "Summer hours in Valencia\n\nFrom June on the office closes at three."
    *_, answer = reader.answer(request("What are the summer hours in Valencia office?", passage(text)))
    assert isinstance(answer, TierAnswer)
    assert all("Summer hours" not in c.quote for c in answer.citations)


def test_an_answer_tells_whether_it_names_what_was_asked(reader: ReaderTier) -> None:
    text = "Parental leave in Spain is 16 weeks for employees."
    for country, named in (("Spain", 1.0), ("Germany", 0.0)):
        *_, answer = reader.answer(
            request(f"How many weeks is parental leave for employees in {country}?", passage(text))
        )
        assert isinstance(answer, TierAnswer)
        assert (answer.signals.names, answer.signals.kind) == (named, 1.0)


def test_a_question_in_a_document_is_no_answer() -> None:
    pool = pool_of("How many days of leave?", passage("How many days of leave do I get? You get 28 of them."))
    assert [c.text for c in pool] == ["You get 28 of them."]


def test_rare_words_of_the_question_weigh_more_than_common_ones() -> None:
    texts = [
        "The office pass opens the office door.",
        "The office pass of a visitor is yellow.",
        "The office has a pass.",
    ]
    question = "What is special about the office pass of a visitor?"
    pool = [replace(c, log_odds=0.0) for c in pool_of(question, passage(" ".join(texts)))]
    assert score(question, pool)[0].candidate.text == texts[1]


def test_only_so_many_passages_are_read() -> None:
    reader = ReaderTier("reader", "Reader", ReaderSettings(passages=1, abstain_below=0.2), WordReader())
    *_, answer = reader.answer(
        request("Which color has zebra?", passage("No animal."), passage("A zebra color."))
    )
    assert isinstance(answer, TierAnswer) and answer.abstained


def test_the_kind_of_thing_asked_for_is_seen() -> None:
    assert kinds_asked("How many days?") == {"number"}
    assert kinds_asked("When and where was it?") == {"date", "name"}
    assert kinds_asked("Is it allowed?") == set()


def test_newer_documents_count_more_and_undated_ones_not_at_all() -> None:
    old, new = datetime(2024, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)
    assert newness([old, None, new]) == [0.0, 0.0, 1.0]
    assert newness([new, new]) == [0.0, 0.0]
    assert newness([]) == []


@pytest.mark.parametrize(
    ("question", "chosen"),
    [("How long is the warranty?", "36 months"), ("How long was the warranty in 2024?", "24 months")],
)
def test_of_two_like_sentences_the_newer_speaks_unless_the_past_is_asked_for(
    question: str, chosen: str
) -> None:
    passages = [
        replace(passage("The warranty is 24 months."), updated_at=datetime(2024, 1, 1, tzinfo=UTC)),
        replace(passage("The warranty is 36 months."), updated_at=datetime(2026, 1, 1, tzinfo=UTC)),
    ]
    assert chosen in score(question, pool_of(question, *passages))[0].candidate.text


def test_the_next_row_of_a_table_is_not_added_to_the_one_that_answers() -> None:
    text = "Holidays by office\n\nOffice | Days\nLeeds | 25 days\nPorto | 24 days"
    *_, answer = ReaderTier("reader", "Reader", SETTINGS, WordReader()).answer(
        request("How many holiday days do people in Leeds have?", passage(text))
    )
    assert isinstance(answer, TierAnswer)
    assert answer.text == "Office: Leeds; Days: 25 days [1]"
    assert answer.citations[0].quote == "Leeds | 25 days"


def test_two_rows_are_quoted_where_both_are_named() -> None:
    text = "Holidays by office\n\nOffice | Days\nLeeds | 25 days\nPorto | 24 days\nLille | 23 days"
    *_, answer = ReaderTier("reader", "Reader", SETTINGS, WordReader()).answer(
        request("How many days do Leeds and Porto have?", passage(text))
    )
    assert isinstance(answer, TierAnswer)
    assert [c.quote for c in answer.citations] == ["Leeds | 25 days", "Porto | 24 days"]
