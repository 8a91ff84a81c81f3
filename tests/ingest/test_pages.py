"""From the page in a file to the place that a citation names."""

from datetime import UTC, datetime

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ingest.chunking import chunk_document
from ingest.parsing import page_at
from retrieval.index.points import Scored, passage_of, payload_of
from retrieval.index.protocol import Point
from retrieval.passage import Passage

_LATER = ("page", "page_breaks", "sections", "language")


def _count(texts: object) -> list[int]:
    return [len(text.split()) for text in texts]  # type: ignore[attr-defined]


@given(st.lists(st.text(alphabet="ab \n.", max_size=60), min_size=1, max_size=12))
def test_chunks_know_the_page_of_each_of_their_characters(texts: list[str]) -> None:
    pages, text = [], ""
    for page in texts:
        pages.append(len(text))
        text += page
    for chunk in chunk_document(text, (), "T", _count, max_tokens=20, target_tokens=6, pages=pages):
        passage = _passage(page=chunk.page, page_breaks=chunk.page_breaks)
        for offset in range(chunk.start, chunk.end):
            assert passage.page_at(offset) == page_at(pages, offset)


def test_a_place_names_the_page_and_the_nearest_section() -> None:
    passage = _passage(page=7, page_breaks=(120, 120))
    assert passage.place_at(110) == "page 7, section 3.2 Travel"
    assert passage.place_at(125) == "page 9, section 3.2 Travel"
    assert _passage(heading_path=("Handbook",), page=2).place_at(100) == "page 2"
    assert _passage().place_at(100) == "section 3.2 Travel"
    assert _passage(heading_path=()).place_at(100) == ""


def test_a_place_within_a_chunk_of_several_sections_is_that_of_its_own_section() -> None:
    passage = _passage(heading_path=("Handbook",), sections=((105, "3.1 Meals"), (120, "3.2 Travel")))
    places = [passage.place_at(offset) for offset in (100, 105, 119, 120, 139)]
    assert places == ["", *["section 3.1 Meals"] * 2, *["section 3.2 Travel"] * 2]


def test_pages_and_language_are_stored_and_points_without_them_still_read() -> None:
    point = _point()
    passage = passage_of(Scored(point.id, payload_of(point), 1.0, None, None))
    assert (passage.page, passage.page_breaks, passage.language) == (7, (15,), "en")
    assert passage.sections == ((12, "3.2 Travel"),)
    old = {k: v for k, v in payload_of(point).items() if k not in _LATER}
    passage = passage_of(Scored(point.id, old, 1.0, None, None))
    assert (passage.page, passage.page_breaks, passage.language) == (None, (), "")
    assert passage.sections == ()


def _passage(
    heading_path: tuple[str, ...] = ("Handbook", "3.2 Travel"),
    page: int | None = None,
    page_breaks: tuple[int, ...] = (),
    sections: tuple[tuple[int, str], ...] = (),
) -> Passage:
    return Passage(
        chunk_id="c",
        document_id="d",
        title="Handbook",
        heading_path=heading_path,
        text="x" * 40,
        start=100,
        end=140,
        source="s",
        url=None,
        author=None,
        updated_at=datetime(2026, 3, 4, tzinfo=UTC),
        score=1.0,
        page=page,
        page_breaks=page_breaks,
        sections=sections,
    )


def _point() -> Point:
    return Point(
        id="c",
        workspace_id="w",
        document_id="d",
        source="s",
        title="Handbook",
        heading_path=("3.2 Travel",),
        text="x" * 10,
        embedded_text="x",
        start=10,
        end=20,
        url=None,
        author=None,
        updated_at=None,
        access=frozenset(),
        vector=np.zeros(2, dtype=np.float32),
        page=7,
        page_breaks=(15,),
        sections=((12, "3.2 Travel"),),
        language="en",
    )
