"""The adapter in the repository."""

from collections.abc import Iterator

import pytest

from retrieval.embedder import BUNDLED_SHA256
from routing.reading.card import reader_card
from routing.reading.reader import SHIPPED_ADAPTER, Reader
from routing.reading.reading import Readable, rank

LEAVE = (
    "Everyone has 28 days of annual leave a year. Carrying over is possible for five days. "
    "Requests go to the team lead, who answers within a week."
)


@pytest.fixture(scope="module")
def reader() -> Iterator[Reader]:
    reader = Reader(threads=1)
    yield reader
    reader.close()


def test_its_card_is_that_of_the_file() -> None:
    card = reader_card()
    written = (SHIPPED_ADAPTER.parent / "README.md").read_text(encoding="utf-8")
    assert card.sha256 in written and BUNDLED_SHA256 in written
    assert card.size_bytes <= 6_000_000
    assert all(f"| {name} | {count:,} |" in written for name, count in card.trained_on.items())
    assert card.scores and all(0 < score <= 1 for score in card.scores.values())


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("How many days of leave does everyone have?", "28"),
        ("Who answers requests for leave?", "team lead"),
        ("How many days may be carried over?", "five"),
    ],
)
def test_it_finds_the_words_that_answer(reader: Reader, question: str, answer: str) -> None:
    read = reader.read(question, [Readable("Leave", LEAVE)])
    assert answer in rank(read, reader.calibration)[0][1].answer.of(LEAVE)


def test_it_trusts_an_answer_more_than_none(reader: Reader) -> None:
    def best(question: str) -> float:
        return rank(reader.read(question, [Readable("Leave", LEAVE)]), reader.calibration)[0][0]

    assert best("How many days of leave does everyone have?") > best("Which submarine sank yesterday?") + 1
