"""A new index beside the old one: searching goes on, nothing is lost, and nobody reads what they may not."""

import threading
import time
from collections.abc import Sequence

import pytest

from app.core.errors import ConflictError, UnavailableError
from ingest.chunking import CHUNKER_VERSION
from ingest.reindex import rebuild
from tests.ingest.reindex.library import OtherEmbedder, World

ALL = {f"Page {number}" for number in range(30)}


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rebuild, "BATCH_CHUNKS", 5)


def until_changed_over(world: World) -> None:
    deadline = time.monotonic() + 20
    while world.live.pair().generation.number != world.generations.current().number:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_nothing_is_due_while_the_encoder_is_the_one_of_the_settings(world: World) -> None:
    assert world.reindexer.status() is None
    assert world.rebuild()
    assert world.live.pair().generation.number == 1
    assert CHUNKER_VERSION


def test_searches_go_on_and_change_over_when_the_new_index_is_whole(
    world: World,
) -> None:
    seen: list[tuple[str, set[str], str]] = []

    def search(_: int) -> None:
        status = world.reindexer.status()
        assert status is not None
        seen.append((world.live.pair().embedder.name, world.found("probe"), status.message))

    world.want(OtherEmbedder(search))
    due = world.reindexer.status()
    assert due is not None and not due.working and "0%: 0 of 30 documents" in due.message
    assert world.rebuild()
    assert len(seen) >= 6
    assert {(name, frozenset(found)) for name, found, _ in seen} == {("hash-384", frozenset(ALL))}
    assert "Re-indexing, 16%: 5 of 30 documents" in seen[1][2]
    world.wanted.meanwhile = lambda _: None  # type: ignore[attr-defined]
    until_changed_over(world)
    assert world.live.pair().embedder.name == "other-128"
    assert world.found("probe") == ALL
    assert world.reindexer.status() is None
    assert {point.vector.shape for point in world.index_of(2).points.values()} == {(128,)}
    assert world.wanted.embedded >= 30  # type: ignore[attr-defined]


def test_nothing_is_read_or_embedded_again_by_the_next_sync(world: World) -> None:
    world.want(OtherEmbedder())
    world.rebuild()
    counts = world.sync().counts
    assert (counts.unchanged, counts.bytes_read, counts.chunks_embedded) == (30, 0, 0)


def test_a_changed_chunker_makes_a_new_index_too(world: World) -> None:
    world.chunker = "2"
    assert world.rebuild()
    assert world.generations.current().number == 2
    assert set(world.index_of(2).points) == set(world.index_of(1).points)


def test_a_list_narrowed_during_the_build_counts_in_both_at_once(world: World) -> None:
    def narrow(embedded: int) -> None:
        if embedded == 15:  # 00 to 14 or so are copied, the rest is not
            world.write(".access.toml", 'allow = ["group:finance"]')
            world.sync()
            assert world.found("probe") == set()
            for number in (1, 2):
                lists = {point.access for point in world.index_of(number).points.values()}
                assert {str(p) for access in lists for p in access} == {"group:finance"}, number

    world.want(OtherEmbedder(narrow))
    world.rebuild()
    until_changed_over(world)
    assert world.found("probe") == set()
    assert world.found("probe", "finance") == ALL


def test_documents_changed_added_and_removed_during_the_build_are_caught_up(world: World) -> None:
    def change(embedded: int) -> None:
        if embedded == 15:
            for number in range(30):
                if number % 3 == 0:
                    (world.root / f"{number:02}.md").unlink()
                if number % 3 == 1:
                    world.write(f"{number:02}.md", f"# Page {number}\n\nThe rocket number{number} rests.")
            world.write("new.md", "# New\n\nA new rocket.")
            world.sync()
            assert world.found("rocket") >= {"New"}

    world.want(OtherEmbedder(change))
    world.rebuild()
    until_changed_over(world)
    assert world.found("probe rocket") == {f"Page {n}" for n in range(30) if n % 3} | {"New"}
    texts = {point.text for point in world.index_of(2).points.values()}
    assert {"rocket" in text for text in texts if "number1 " in text} == {True}
    rows = world.rows()
    assert {p.document_id for p in world.index_of(2).points.values()} == {row.id for row in rows.values()}
    assert sum(row.chunk_count for row in rows.values()) == len(world.index_of(2).points)


def test_a_sync_that_meets_the_switch_goes_on_in_the_new_index(world: World) -> None:
    """What it wrote into the old index is not noted as indexed."""
    world.write("00.md", "# Page 0\n\nThe comet number0 glows.")
    world.write("new.md", "# New\n\nA new comet.")
    engine, base = world.engine(), world.wanted
    world.want(OtherEmbedder())
    switched: list[bool] = []
    embed = base.embed

    def switch_first(texts):  # type: ignore[no-untyped-def]
        if not switched:
            switched.append(world.rebuild())
        return embed(texts)

    base.embed = switch_first  # type: ignore[method-assign]
    with pytest.raises(ConflictError) as ended:
        engine.run("docs")
    assert ended.value.code == "sync_interrupted"
    assert switched == [True]
    summary = world.sync()
    assert summary.resumed and summary.state == "complete"
    until_changed_over(world)
    assert world.found("comet") >= {"Page 0", "New"}
    assert not any("probe number0 " in point.text for point in world.index_of(2).points.values())


def test_access_narrowed_while_another_process_switches_does_not_leak(world: World) -> None:
    """The list reaches the new index although the sync saw none when it began."""
    engine = world.engine()
    world.write(".access.toml", 'allow = ["group:finance"]')
    world.want(OtherEmbedder())
    everywhere = world.live.everywhere
    switched: list[bool] = []

    def only_the_old_one():  # type: ignore[no-untyped-def]
        first = next(iter(everywhere()))
        if not switched:
            switched.append(world.rebuild())
            return iter([first])
        return everywhere()

    world.live.everywhere = only_the_old_one  # type: ignore[method-assign]
    with pytest.raises(ConflictError):
        engine.run("docs")
    world.sync()
    until_changed_over(world)
    assert world.found("probe") == set()
    assert world.found("probe", "finance") == ALL


def test_the_old_index_gets_lists_while_it_may_be_searched_and_goes_then(world: World) -> None:
    world.want(OtherEmbedder())
    world.rebuild()
    world.write(".access.toml", "allow = []")
    world.sync()
    assert all(point.access == frozenset() for point in world.index_of(1).points.values())
    world.reindexer.tidy()
    assert world.index_of(1).points
    for _ in range(2):
        world.pass_time()
        world.reindexer.tidy()
    assert not world.index_of(1).points and world.index_of(2).points
    assert [g.number for g in world.generations.alive()] == [2]


def test_one_process_builds_at_a_time(world: World) -> None:
    refused: list[str] = []

    def build_too(_: int) -> None:
        with pytest.raises(ConflictError) as caught:
            world.rebuild()
        refused.append(caught.value.code)

    world.want(OtherEmbedder(build_too))
    assert world.rebuild()
    assert set(refused) == {"reindex_running"}


def test_a_stopped_build_is_gone_on_with(world: World) -> None:
    stop = threading.Event()
    first = OtherEmbedder(lambda embedded: stop.set() if embedded >= 10 else None)
    world.want(first)
    assert not world.reindexer.run(stop)
    assert world.generations.current().number == 1
    second = OtherEmbedder()
    world.want(second)
    assert world.rebuild()
    assert first.embedded + second.embedded == 30
    assert len(world.index_of(2).points) == 30


def test_a_build_for_another_encoder_than_the_settings_ask_for_is_given_up(world: World) -> None:
    before, stop = world.wanted, threading.Event()
    world.want(OtherEmbedder(lambda _: stop.set()))
    assert not world.reindexer.run(stop)
    world.want(before)
    assert world.rebuild()
    assert world.generations.current().number == 1 and world.generations.building() is None
    world.pass_time()
    world.reindexer.tidy()
    assert not world.index_of(2).points


def test_without_the_old_encoder_the_message_says_what_to_do_and_the_new_index_mends_it(world: World) -> None:
    world.want(OtherEmbedder())
    del world.there["hash-384"]
    world.live = process = world.process()
    with pytest.raises(UnavailableError) as refused:
        process.pair()
    assert refused.value.code == "old_encoder_gone"
    assert "hash-384" in refused.value.message and "reindex" in refused.value.message
    assert world.rebuild()
    assert process.pair().embedder.name == "other-128"


def test_a_source_removed_while_its_last_documents_are_copied_leaves_nothing(world: World) -> None:
    """The switch comes between the removal from the index and that of the rows."""
    world.want(OtherEmbedder())
    delete = world.live.delete_documents
    seen: list[bool] = []

    def then_switch(workspace_id: str, ids: Sequence[str]) -> None:
        delete(workspace_id, ids)
        if not seen:
            seen.append(world.rebuild())

    world.live.delete_documents = then_switch  # type: ignore[method-assign, assignment]
    world.sources.remove("docs")
    assert seen == [True]
    assert world.generations.current().number == 2
    assert not world.index_of(2).points
