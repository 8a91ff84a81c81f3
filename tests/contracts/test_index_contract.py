"""What every index must do. The embedded engine, a Qdrant server and the in-memory fake all pass this."""

import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.core.identity import NOBODY, Caller, Principal, may_read, parse_access
from retrieval.access import access_filter
from retrieval.index import Index, IndexQuery
from retrieval.passage import SearchFilters
from tests.fakes.embedder import HashEmbedder
from tests.fakes.engines import stop_engine
from tests.fakes.index import MemoryIndex
from tests.fakes.points import make_point, make_query, point_id, with_text

SERVER = os.environ.get("RUNG_TEST_QDRANT_URL")

pytestmark = pytest.mark.filterwarnings("ignore:Payload indexes have no effect in the local Qdrant")


def _edge(folder: Path) -> Index:
    from retrieval.index.edge import EdgeIndex

    return EdgeIndex(folder, embedder=HashEmbedder.name, dimensions=HashEmbedder.dimensions)


def _server(location: str) -> Index:
    from qdrant_client import QdrantClient

    from retrieval.index.server import ServerIndex

    client = QdrantClient(location)
    return ServerIndex(client, collection=f"t{uuid4().hex}", embedder=HashEmbedder.name, dimensions=384)


@pytest.fixture(scope="module")
def shared_edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    """One engine for all tests; each test works in documents and a workspace of its own or empties it."""
    folder = tmp_path_factory.mktemp("edge")
    index = _edge(folder)
    yield index
    index.close()
    stop_engine(folder)


KINDS = ["memory", "edge", "local-client", *(["server"] if SERVER else [])]


@pytest.fixture(params=KINDS)
def index(request: pytest.FixtureRequest) -> Iterator[Index]:
    """An empty index of each kind."""
    if request.param == "edge":
        found: Index = request.getfixturevalue("shared_edge")
        for workspace in ("acme", "other"):
            found.delete_documents(workspace, DOCUMENTS)
        assert found.stats().points == 0
        yield found
        return
    made = MemoryIndex() if request.param == "memory" else _server(_location(request.param))
    yield made
    made.close()


def _location(kind: str) -> str:
    return SERVER if kind == "server" and SERVER else ":memory:"


NAMES = ("holiday", "sick", "travel", "salary", "a", "b", "c", "d", "café")
DOCUMENTS = [f"doc-{name}" for name in NAMES] + ["doc-1", "doc-2"]

HOLIDAY = make_point("holiday", "Everyone has 28 days of holiday each year")
SICK = make_point("sick", "Tell your lead when you are ill and cannot work")
TRAVEL = make_point("travel", "Book trains in second class and keep the receipts")


def names(index: Index, query: IndexQuery) -> list[str]:
    """The titles found, best first."""
    return [hit.title for hit in index.search(query)]


def test_finds_by_words_and_vector_and_returns_what_was_stored(index: Index) -> None:
    index.upsert([HOLIDAY, SICK, TRAVEL])
    best = index.search(make_query("how many days of holiday", "everyone"))[0]
    assert best.chunk_id == HOLIDAY.id
    assert (best.document_id, best.title, best.text) == ("doc-holiday", "holiday", HOLIDAY.text)
    assert (best.heading_path, best.start, best.end) == (("Top", "holiday"), HOLIDAY.start, HOLIDAY.end)
    assert (best.source, best.url, best.author) == ("handbook", HOLIDAY.url, "Ada")
    assert best.updated_at == HOLIDAY.updated_at


def test_gives_the_scores_of_both_sides(index: Index) -> None:
    index.upsert([HOLIDAY, SICK, TRAVEL])
    query = make_query("holiday days", "everyone")
    found = {hit.title: hit for hit in index.search(query)}
    assert found["holiday"].dense_score == pytest.approx(
        float(np.dot(HOLIDAY.vector, query.vector)), abs=1e-4
    )
    assert found["holiday"].sparse_score is not None and found["holiday"].sparse_score > 0
    assert found["sick"].sparse_score is None and found["sick"].dense_score is not None


def test_a_side_that_did_not_list_a_chunk_gives_it_no_score(index: Index) -> None:
    near = make_point("a", "alpha beta gamma")
    named = with_text(make_point("b", "x"), "alpha alpha alpha alpha delta epsilon zeta eta theta iota")
    named = replace(named, vector=make_point("b", "nothing in common").vector)
    index.upsert([near, named])
    query = replace(make_query("alpha beta gamma", "everyone", candidates=1, limit=1), text="delta")
    wide = replace(query, limit=2, candidates=1)
    assert names(index, query) == ["a"]
    found = {hit.title: hit for hit in index.search(replace(wide, candidates=2))}
    assert found["b"].sparse_score is not None and found["a"].sparse_score is None


def test_best_first_and_no_more_than_asked_for(index: Index) -> None:
    index.upsert([make_point(n, f"holiday rule number {n} " + "filler " * i) for i, n in enumerate("abcd")])
    hits = index.search(make_query("holiday rule", "everyone", limit=3))
    assert len(hits) == 3
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    assert len(index.search(make_query("holiday rule", "everyone", limit=10))) == 4
    assert index.search(make_query("holiday rule", "everyone", limit=0)) == []


def test_the_order_is_the_same_every_time(index: Index) -> None:
    index.upsert([make_point(n, "the same words in every one of them") for n in "abcd"])
    query = make_query("same words", "everyone", limit=3)
    assert len({tuple(names(index, query)) for _ in range(5)}) == 1


def test_upsert_again_replaces(index: Index) -> None:
    index.upsert([HOLIDAY])
    index.upsert([replace(with_text(HOLIDAY, "Sabbaticals last three months"), title="sabbatical")])
    assert index.stats().points == 1
    (hit,) = index.search(make_query("sabbaticals", "everyone"))
    assert (hit.title, hit.text) == ("sabbatical", "Sabbaticals last three months")
    assert hit.sparse_score is not None
    (again,) = index.search(make_query("holiday", "everyone"))
    assert again.sparse_score is None


def test_many_points_at_once(index: Index) -> None:
    points = [make_point(f"n{i}", f"number {i} holiday", document_id="doc-1") for i in range(600)]
    index.upsert(points)
    assert index.stats().points == 600
    assert index.present([p.id for p in points]) == {p.id for p in points}
    assert names(index, make_query("number 417", "everyone", limit=1)) == ["n417"]


def test_update_payload_keeps_the_vectors(index: Index) -> None:
    index.upsert([HOLIDAY, SICK])
    blank = np.zeros(384, dtype=np.float32)
    blank[0] = 1.0
    moved = replace(HOLIDAY, title="moved", start=100, end=141, url=None, vector=blank, embedded_text="")
    index.update_payload([moved])
    hit = index.search(make_query("days of holiday", "everyone"))[0]
    assert (hit.title, hit.start, hit.end, hit.url) == ("moved", 100, 141, None)
    assert hit.sparse_score is not None
    assert hit.dense_score is not None and hit.dense_score > 0.3


def test_update_payload_leaves_out_what_is_not_stored(index: Index) -> None:
    index.upsert([HOLIDAY])
    index.update_payload([replace(SICK, title="ghost"), replace(HOLIDAY, title="moved")])
    assert index.stats().points == 1
    assert names(index, make_query("ill holiday", "everyone")) == ["moved"]


def test_update_payload_changes_access_too(index: Index) -> None:
    index.upsert([HOLIDAY])
    index.update_payload([replace(HOLIDAY, access=parse_access(["group:people"]))])
    assert names(index, make_query("holiday", "everyone")) == []
    assert names(index, make_query("holiday", "group:people")) == ["holiday"]


def test_set_access_counts_from_the_next_query(index: Index) -> None:
    index.upsert([HOLIDAY, replace(SICK, document_id="doc-1"), replace(TRAVEL, document_id="doc-1")])
    finance = parse_access(["group:finance"])
    index.set_access("acme", {"doc-1": finance, "doc-holiday": NOBODY})
    assert names(index, make_query("holiday lead trains", "everyone")) == []
    assert set(names(index, make_query("holiday lead trains", "group:finance"))) == {"sick", "travel"}
    index.set_access("acme", {"doc-1": finance | parse_access(["everyone"])})
    assert set(names(index, make_query("holiday lead trains", "everyone"))) == {"sick", "travel"}


def test_set_access_stays_in_its_workspace(index: Index) -> None:
    index.upsert([HOLIDAY])
    index.set_access("other", {"doc-holiday": NOBODY})
    index.set_access("acme", {})
    assert names(index, make_query("holiday", "everyone")) == ["holiday"]


def test_present(index: Index) -> None:
    index.upsert([HOLIDAY])
    assert index.present([HOLIDAY.id, SICK.id]) == {HOLIDAY.id}
    assert index.present([]) == set()


def test_keep_only(index: Index) -> None:
    parts = [make_point(n, f"part {n} of the same", document_id="doc-1") for n in "abc"]
    index.upsert([*parts, HOLIDAY])
    index.keep_only("acme", "doc-1", [parts[1].id, point_id("not stored")])
    assert index.present([p.id for p in parts] + [HOLIDAY.id]) == {parts[1].id, HOLIDAY.id}
    index.keep_only("other", "doc-1", [])
    assert index.present([parts[1].id]) == {parts[1].id}
    index.keep_only("acme", "doc-1", [])
    assert index.present([p.id for p in parts]) == set()


def test_delete_documents(index: Index) -> None:
    index.upsert([HOLIDAY, SICK, TRAVEL])
    index.delete_documents("other", ["doc-holiday"])
    assert index.stats().points == 3
    index.delete_documents("acme", ["doc-holiday", "doc-travel", "doc-unknown"])
    assert index.present([HOLIDAY.id, SICK.id, TRAVEL.id]) == {SICK.id}
    index.delete_documents("acme", [])
    assert index.stats().points == 1


def test_filters_by_source(index: Index) -> None:
    index.upsert([HOLIDAY, replace(SICK, source="wiki"), replace(TRAVEL, source="mail")])
    query = make_query("holiday lead trains", "everyone", filters=SearchFilters(sources=("wiki", "mail")))
    assert set(names(index, query)) == {"sick", "travel"}


def test_filters_by_date_from_inclusive_to_exclusive(index: Index) -> None:
    first, second = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, 12, tzinfo=UTC)
    index.upsert(
        [
            replace(HOLIDAY, updated_at=first),
            replace(SICK, updated_at=second),
            replace(TRAVEL, updated_at=None),
        ]
    )

    def found(after: datetime | None, before: datetime | None) -> set[str]:
        filters = SearchFilters(after=after, before=before)
        return set(names(index, make_query("holiday lead trains", "everyone", filters=filters)))

    assert found(first, second) == {"holiday"}
    assert found(second, None) == {"sick"}
    assert found(None, second) == {"holiday"}
    assert found(first, None) == {"holiday", "sick"}
    assert found(None, None) == {"holiday", "sick", "travel"}
    elsewhere = second.astimezone(timezone(timedelta(hours=9)))
    assert found(elsewhere, None) == {"sick"}


def test_nobody_reads_nothing(index: Index) -> None:
    index.upsert([HOLIDAY, replace(SICK, access=NOBODY)])
    assert index.search(make_query("holiday")) == []
    everybody = make_query("lead ill", "everyone", "public", "group:x", "user:a@example.com", "")
    assert names(index, everybody) == ["holiday"]


def test_workspaces_never_meet(index: Index) -> None:
    index.upsert([HOLIDAY, make_point("salary", "days of holiday elsewhere", workspace_id="other")])
    assert names(index, make_query("days of holiday", "everyone")) == ["holiday"]
    assert names(index, make_query("days of holiday", "everyone", workspace_id="other")) == ["salary"]
    assert index.search(make_query("days of holiday", "everyone", workspace_id="third")) == []


def test_what_may_not_be_read_takes_no_place_among_the_candidates(index: Index) -> None:
    secret = parse_access(["group:board"])
    hidden = [make_point(f"s{i}", "board salary list", document_id="doc-1", access=secret) for i in range(8)]
    index.upsert([*hidden, make_point("a", "the salary bands are public and long and wordy")])
    query = make_query("board salary list", "everyone", candidates=3, limit=3)
    assert names(index, query) == ["a"]
    assert len(index.search(replace(query, access=make_query("", "group:board").access))) == 3


def test_other_scripts_and_odd_names(index: Index) -> None:
    index.upsert(
        [
            make_point("café", "Öffnungszeiten: крем-брюле 🍮 im Café"),
            make_point("a", "東京都の休暇規程について", access=parse_access(["user:ünal@example.com"])),
        ]
    )
    (hit,) = index.search(make_query("cafe", "everyone"))
    assert hit.title == "café" and hit.text == "Öffnungszeiten: крем-брюле 🍮 im Café"
    assert hit.sparse_score is not None
    (hit,) = index.search(make_query("休暇", "user:ünal@example.com"))
    assert hit.text == "東京都の休暇規程について"


def test_a_question_without_words_still_searches_by_vector(index: Index) -> None:
    index.upsert([HOLIDAY])
    for text in ("???", "the of and"):
        (hit,) = index.search(make_query(text, "everyone"))
        assert hit.sparse_score is None and hit.dense_score is not None


def test_a_chunk_without_words_can_be_stored(index: Index) -> None:
    index.upsert([make_point("a", "--- *** ---"), HOLIDAY])
    assert index.stats().points == 2
    assert "holiday" in names(index, make_query("holiday", "everyone"))


def test_an_empty_index_finds_nothing(index: Index) -> None:
    assert index.search(make_query("anything", "everyone")) == []
    assert index.stats().points == 0
    index.upsert([])
    index.update_payload([])
    index.flush()


POOL = [
    Principal("everyone"),
    Principal("public"),
    Principal("group", "finance"),
    Principal("group", "everyone"),
    Principal("user", "a@example.com"),
    Principal("user", "b@example.com"),
]
SETS = st.frozensets(st.sampled_from(POOL), max_size=4)


@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    derandomize=True,
)
@given(lists=st.lists(SETS, min_size=1, max_size=6), principals=SETS)
def test_the_filter_is_the_rule_of_access(
    index: Index, lists: list[frozenset[Principal]], principals: frozenset[Principal]
) -> None:
    index.delete_documents("acme", ["doc-1"])
    points = [
        make_point(f"p{i}", f"text {i}", document_id="doc-1", access=access) for i, access in enumerate(lists)
    ]
    index.upsert(points)
    caller = Caller("acme", "u", "a@example.com", "A", "company", principals)
    query = replace(make_query("text", limit=50), access=access_filter(caller))
    expected = {p.id for p in points if may_read(p.access, principals)}
    assert {hit.chunk_id for hit in index.search(query)} == expected
