"""The search use case, on the in-memory index."""

from dataclasses import replace

import pytest

from app.core.errors import ForbiddenError, InputError
from app.core.identity import NOBODY, Caller, Principal, parse_access
from retrieval.access import access_filter
from retrieval.index import AccessFilter
from retrieval.passage import SearchFilters
from retrieval.search import Searcher, passages_of, validate_question
from tests.fakes.embedder import HashEmbedder
from tests.fakes.index import MemoryIndex
from tests.fakes.points import make_point

ADA = Caller(
    workspace_id="acme",
    user_id="u1",
    email="ada@example.com",
    name="Ada",
    team="people",
    principals=parse_access(["everyone", "public", "group:people", "user:ada@example.com"]),
)


@pytest.fixture
def index() -> MemoryIndex:
    """Two handbook pages, one that only finance may read and one that nobody may."""
    filled = MemoryIndex()
    filled.upsert(
        [
            *(make_point(f"leave-{i}", f"holiday rule {i}", document_id="leave") for i in range(5)),
            make_point("travel", "book trains for a holiday", source="wiki"),
            make_point("salary", "holiday pay of the board", access=parse_access(["group:finance"])),
            make_point("secret", "holiday of nobody", access=NOBODY),
        ]
    )
    return filled


@pytest.fixture
def searcher(index: MemoryIndex) -> Searcher:
    """A searcher over it."""
    return Searcher(index, HashEmbedder())


def test_groups_by_document_and_shows_three_passages_at_most(searcher: Searcher) -> None:
    result = searcher.search(ADA, " holiday rule ")
    assert result.query == "holiday rule"
    assert [hit.best.document_id for hit in result.hits] == ["leave", "doc-travel"]
    assert len(result.hits[0].more) == 2
    assert len(result.passages) == 6
    assert result.passages[0] == result.hits[0].best
    assert passages_of(result.hits)[0] == result.passages[0]
    assert 0 <= result.embed_ms <= result.took_ms


def test_the_snippet_marks_the_question(searcher: Searcher) -> None:
    snippet = searcher.search(ADA, "holidays").hits[0].snippet
    assert [snippet.text[mark.start : mark.end] for mark in snippet.highlights] == ["holiday"]


def test_finds_only_what_the_caller_may_read(searcher: Searcher) -> None:
    assert "salary" not in {p.title for p in searcher.search(ADA, "holiday pay of the board").passages}
    finance = replace(ADA, principals=parse_access(["group:finance"]))
    assert [p.title for p in searcher.search(finance, "holiday").passages] == ["salary"]
    nobody = replace(ADA, principals=frozenset())
    assert searcher.search(nobody, "holiday").passages == ()
    elsewhere = replace(ADA, workspace_id="other")
    assert searcher.search(elsewhere, "holiday").hits == ()


def test_filters_and_limit_reach_the_index(searcher: Searcher) -> None:
    assert len(searcher.search(ADA, "holiday", limit=2).passages) == 2
    wiki = SearchFilters(sources=("wiki",))
    assert [p.title for p in searcher.search(ADA, "holiday", filters=wiki).passages] == ["travel"]


@pytest.mark.parametrize("limit", [0, -1, 101])
def test_a_limit_out_of_range_is_refused(searcher: Searcher, limit: int) -> None:
    with pytest.raises(InputError) as caught:
        searcher.search(ADA, "holiday", limit=limit)
    assert caught.value.code == "limit_out_of_range"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "empty_question"),
        (" \n\t ", "empty_question"),
        ("\x00", "control_characters"),
        ("x" * 4_001, "question_too_long"),
        ("y" * 20_000, "question_too_long"),
        ("a\x00b", "control_characters"),
        ("a\x1b[31mb", "control_characters"),
        ("a\x85b", "control_characters"),
        ("a\ud800b", "control_characters"),
    ],
)
def test_a_question_that_cannot_be_used_is_refused_with_a_stable_code(
    searcher: Searcher, text: str, code: str
) -> None:
    for refuse in (validate_question, lambda t: searcher.search(ADA, t)):
        with pytest.raises(InputError) as caught:
            refuse(text)
        assert caught.value.code == code


@pytest.mark.parametrize(
    "text", ["休暇は何日？", "कितनी छुट्टियाँ", "👩‍👩‍👧 leave", "a\tb\nc", "x" * 4_000, "it's"]
)
def test_questions_in_any_script_are_fine(searcher: Searcher, text: str) -> None:
    assert validate_question(f"  {text}\n") == text
    searcher.search(ADA, text)


def test_the_filter_names_the_workspace_and_every_principal_in_order() -> None:
    assert access_filter(ADA) == AccessFilter(
        "acme", ("everyone", "group:people", "public", "user:ada@example.com")
    )
    assert access_filter(replace(ADA, principals=frozenset())).principals == ()
    assert access_filter(replace(ADA, principals=frozenset({Principal("group", "a")}))).principals == (
        "group:a",
    )


@pytest.mark.parametrize("workspace_id", ["", "  "])
def test_a_caller_without_a_workspace_is_refused(searcher: Searcher, workspace_id: str) -> None:
    with pytest.raises(ForbiddenError) as caught:
        searcher.search(replace(ADA, workspace_id=workspace_id), "holiday")
    assert caught.value.code == "no_workspace"
