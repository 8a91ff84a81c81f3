"""Sync runs: what is embedded, what is kept, what is pruned, and what a run says about itself."""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlmodel import col, select, update

from app.core.config import Settings
from app.core.db import Database
from app.core.errors import ConflictError, InputError, NotFoundError, UnavailableError
from app.core.identity import EVERYONE, NOBODY, PUBLIC, Caller, Principal
from ingest.library import Library
from ingest.parsing import ParserProcess
from ingest.sources import Sources
from ingest.sync import SyncEngine, SyncProgress, SyncSummary
from ingest.tables import DocumentRow, SourceRow, SyncRunRow
from retrieval.index import Point
from tests.fakes.embedder import HashEmbedder
from tests.fakes.index import MemoryIndex
from tests.ingest import make_files

ALL = frozenset({EVERYONE})


def caller(*principals: Principal, workspace_id: str = "default") -> Caller:
    return Caller(workspace_id, "u", "u@example.com", "U", "team", frozenset(principals))


@dataclass
class House:
    """A folder source, synced into an index in memory."""

    root: Path
    database: Database
    settings: Settings
    parser: ParserProcess
    index: MemoryIndex = field(default_factory=MemoryIndex)
    embedder: HashEmbedder = field(default_factory=HashEmbedder)

    def write(self, name: str, text: str) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    @property
    def sources(self) -> Sources:
        return Sources(self.database, self.index)

    def engine(self) -> SyncEngine:
        return SyncEngine(self.database, self.index, self.embedder, self.settings, parser=self.parser)

    def sync(self, *, allow_empty: bool = False) -> SyncSummary:
        return self.engine().run("docs", allow_empty=allow_empty)

    def rows(self) -> dict[str, DocumentRow]:
        with self.database.read() as session:
            return {row.external_id: row for row in session.exec(select(DocumentRow)).all()}

    def access_in_index(self, external_id: str) -> set[str]:
        document_id = self.rows()[external_id].id
        lists = [p.access for p in self.index.points.values() if p.document_id == document_id]
        assert lists and all(access == lists[0] for access in lists)
        return {str(principal) for principal in lists[0]}

    def check(self) -> None:
        """Rows and points describe each other."""
        for row in self.rows().values():
            points = [p for p in self.index.points.values() if p.document_id == row.id]
            assert len(points) == row.chunk_count > 0
            assert row.state == "indexed"
            for point in points:
                assert row.text[point.start : point.end] == point.text
                assert sorted(map(str, point.access)) == row.access
                assert point.title == row.title
        assert {p.document_id for p in self.index.points.values()} == {r.id for r in self.rows().values()}


@pytest.fixture
def house(tmp_path: Path, database: Database, settings: Settings, parser: ParserProcess) -> House:
    root = tmp_path / "docs"
    root.mkdir()
    made = House(root, database, settings, parser)
    made.sources.add("folder", "docs", {"path": str(root)}, ALL)
    return made


def test_whole_life_of_documents(house: House) -> None:
    house.write("leave.md", "# Leave\n\nSixteen weeks.\n\n## Spain\n\n" + "Paid in full. " * 200)
    house.write("pay/salaries.csv", "Name,Pay\nAna,1\nTom,2\n")
    house.write("pay/.access.toml", 'allow = ["group:finance"]')
    house.write("logo.png", "not text")
    first = house.sync()
    assert first.state == "complete"
    assert first.message.startswith("Complete: 2 documents held, 2 new or changed, 1 of other formats passed")
    assert (first.counts.listed, first.counts.held, first.counts.skipped) == (3, 2, 1)
    assert first.counts.chunks_embedded == house.embedder.embedded == len(house.index.points) > 3
    assert house.access_in_index("pay/salaries.csv") == {"group:finance"}
    house.check()

    second = house.sync()
    assert (second.counts.unchanged, second.counts.upserted, second.counts.chunks_embedded) == (2, 0, 0)
    assert second.counts.bytes_read == 0
    assert second.message.endswith("nothing embedded.")

    (house.root / "pay" / "salaries.csv").unlink()
    third = house.sync()
    assert third.counts.deleted == 1
    assert set(house.rows()) == {"leave.md"}
    house.check()
    (source,) = house.sources.list()
    assert (source.documents, source.syncing) == (1, False)
    assert source.last_run is not None and source.last_run.state == "complete"
    assert [run.id for run in house.sources.runs("docs")] == [third.run_id, second.run_id, first.run_id]
    assert house.sources.remove("docs") == 1
    assert not house.index.points and not house.rows() and not house.sources.list()


def test_new_time_with_the_same_content_embeds_nothing(house: House) -> None:
    path = house.write("a.md", "# A\n\nThe same.")
    house.sync()
    os.utime(path, (1, 1))
    again = house.sync()
    assert (again.counts.unchanged, again.counts.chunks_embedded) == (1, 0)
    assert again.counts.bytes_read > 0
    assert house.sync().counts.bytes_read == 0


def test_changed_document_embeds_its_new_chunks_alone_and_moves_the_others(house: House) -> None:
    parts = [f"## Part {n}\n\n" + f"Words of part {n}. " * 40 for n in range(8)]
    house.write("a.md", "\n\n".join(["# Guide", *parts]))
    before = house.sync().counts.chunks_embedded
    new = "## New\n\n" + "A new first part. " * 40
    house.write("a.md", "\n\n".join(["# Guide", new, *parts[:5], *parts[6:]]))
    after = house.sync()
    # The first part's chunk began with the document's heading, which now begins another one.
    assert (before, after.counts.chunks_embedded, after.counts.chunks_reused) == (8, 2, 6)
    assert len(house.index.points) == 8
    house.check()


def test_text_that_comes_twice_in_a_document_is_held_twice(house: House) -> None:
    part = "# Same\n\n" + "The very same words. " * 50 + "\n\n"
    house.write("a.md", part * 3)
    assert house.sync().counts.chunks_embedded == 3
    house.check()


def test_access_change_alone_embeds_nothing_and_counts_at_once(house: House) -> None:
    house.write("a.md", "# A\n\nText.")
    house.sync()
    house.write(".access.toml", 'allow = ["group:finance"]')
    changed = house.sync()
    assert (changed.counts.access_changed, changed.counts.chunks_embedded) == (1, 0)
    assert house.access_in_index("a.md") == {"group:finance"}
    house.check()
    assert house.sync().counts.access_changed == 0


def test_access_file_that_breaks_hides_its_documents_and_is_a_failure(house: House) -> None:
    house.write("pay/a.md", "# A\n\nText.")
    house.write("b.md", "# B\n\nText.")
    house.sync()
    house.write("pay/.access.toml", "allow = [")
    broken = house.sync()
    assert broken.message.startswith("Complete with 1 failure: ")
    assert [(f.external_id, f.code) for f in broken.failures] == [("pay/.access.toml", "access_file_invalid")]
    assert house.access_in_index("pay/a.md") == set()
    assert house.access_in_index("b.md") == {"everyone"}


def test_every_kind_of_bad_file_is_named_and_all_else_is_indexed(house: House, tmp_path: Path) -> None:
    house.write("good.md", "# Good\n\nText.")
    (house.root / "locked.pdf").write_bytes(make_files.pdf("secret", password="open"))
    (house.root / "cut.pdf").write_bytes(make_files.pdf("text " * 500)[:900])
    (house.root / "empty.md").touch()
    with (house.root / "huge.txt").open("wb") as file:
        file.truncate(300_000_000)
    (house.root / "latin.txt").write_bytes(b"caf\xe9 is not UTF-8")
    (house.root / "loop").symlink_to(house.root)
    (house.root / "two\nlines.md").write_text("# Odd name\n\nIndexed all the same.")
    (house.root / "bomb.docx").write_bytes(make_files.bomb(200))
    (house.root / "out.md").symlink_to(tmp_path)
    done = house.sync()
    assert {f.external_id: f.code for f in done.failures} == {
        "locked.pdf": "encrypted",
        "cut.pdf": "damaged",
        "empty.md": "empty",
        "huge.txt": "too_large",
        "latin.txt": "invalid_encoding",
        "loop": "symlink_loop",
        "bomb.docx": "archive_bomb",
        "out.md": "outside_source",
    }
    assert done.state == "complete"
    assert done.message.startswith("Complete with 8 failures: 2 documents held")
    assert set(house.rows()) == {"good.md", "two\\nlines.md"}
    assert list(house.sources.failures(done.run_id)) == list(done.failures)
    house.check()


def test_document_that_breaks_keeps_its_last_good_version(house: House) -> None:
    path = house.write("a.md", "# A\n\nGood text.")
    house.sync()
    path.write_bytes(b"\xff broken")
    broken = house.sync()
    assert (broken.counts.failed, broken.counts.held, broken.state) == (1, 1, "complete")
    assert "Good text." in house.rows()["a.md"].text
    house.check()
    assert house.sync().counts.failed == 1
    path.write_text("# A\n\nMended text.")
    assert house.sync().counts.failed == 0
    assert "Mended text." in house.rows()["a.md"].text


def test_broken_document_gets_narrower_access_at_once_but_never_wider(house: House) -> None:
    path = house.write("a.md", "# A\n\nGood text.")
    house.write(".access.toml", 'allow = ["group:finance", "group:people"]')
    house.sync()
    path.write_bytes(b"\xff broken")
    house.write(".access.toml", 'allow = ["group:finance", "everyone"]')
    house.sync()
    assert house.access_in_index("a.md") == {"group:finance"}


def test_old_text_is_never_opened_to_the_new_readers_of_a_new_text(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.write("a.md", "# A\n\nThe secret number is 7.")
    house.write(".access.toml", 'allow = ["group:board"]')
    house.sync()
    house.write("a.md", "# A\n\nNothing to see.")
    house.write(".access.toml", 'allow = ["everyone"]')
    seen: list[tuple[str, bool]] = []
    upsert = house.index.upsert

    def watch(points: Sequence[Point]) -> None:
        seen.extend((p.text, EVERYONE in p.access) for p in house.index.points.values())
        upsert(points)

    monkeypatch.setattr(house.index, "upsert", watch)
    house.sync()
    assert seen == [("A\n\nThe secret number is 7.", False)]
    assert house.access_in_index("a.md") == {"everyone"}


def test_folder_that_cannot_be_listed_any_more_hides_what_was_in_it(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.write("locked/a.md", "# A\n\nText.")
    house.write("locked too/b.md", "# B\n\nText.")
    house.sync()
    real = os.scandir

    def scandir(path: Path) -> object:
        if Path(path).name == "locked":
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    done = house.sync()
    assert done.state == "incomplete"
    assert [(f.external_id, f.code) for f in done.failures] == [("locked", "permission_denied")]
    assert set(house.rows()) == {"locked/a.md", "locked too/b.md"}
    assert house.access_in_index("locked/a.md") == set()
    assert house.access_in_index("locked too/b.md") == {"everyone"}
    monkeypatch.undo()
    assert house.sync().state == "complete"
    assert house.access_in_index("locked/a.md") == {"everyone"}


def test_empty_listing_removes_nothing_unless_it_is_meant(house: House) -> None:
    path = house.write("a.md", "# A\n\nText.")
    house.sync()
    path.unlink()
    refused = house.sync()
    assert refused.state == "incomplete"
    assert "The source lists nothing, but 1 documents" in refused.message
    assert len(house.rows()) == 1
    assert house.sync(allow_empty=True).state == "complete"
    assert not house.rows() and not house.index.points


def test_missing_folder_lets_the_run_wait_and_removes_nothing(house: House) -> None:
    house.write("a.md", "# A\n\nText.")
    house.sync()
    house.root.rename(house.root.with_name("moved"))
    with pytest.raises(UnavailableError) as caught:
        house.sync()
    assert caught.value.code == "source_unreachable"
    (last, *_) = house.sources.runs("docs")
    assert (last.state, last.code, last.finished_at) == ("waiting", "source_unreachable", None)
    assert last.resume_at is not None and last.resume_at > last.heartbeat_at
    assert len(house.rows()) == 1
    house.root.with_name("moved").rename(house.root)
    assert house.sync().state == "complete"


def test_file_that_appears_behind_the_run_makes_it_incomplete(house: House) -> None:
    house.write("b.md", "# B\n\nText.")

    def add_late(progress: SyncProgress) -> None:
        if progress.documents_done:
            house.write("a.md", "# Late\n\nText.")

    done = house.engine().run("docs", add_late)
    assert done.state == "incomplete"
    assert "1 listed item not taken in (a.md); sync again." in done.message
    assert house.sync().state == "complete"


def test_progress_only_grows_and_ends_at_the_total(house: House) -> None:
    for number in range(30):
        house.write(f"{number}.md", f"# Page {number}\n\n" + f"Text of page {number}. " * 300)
    seen: list[SyncProgress] = []
    house.engine().run("docs", seen.append)
    done = [progress.documents_done for progress in seen]
    assert done == sorted(done)
    assert done[-1] == seen[-1].documents_total == 30
    assert len(set(done)) > 2


def test_one_run_at_a_time(house: House) -> None:
    house.write("a.md", "# A\n\nText.")
    refused: list[str] = []

    def sync_again(_: SyncProgress) -> None:
        with pytest.raises(ConflictError) as caught:
            house.sync()
        refused.append(caught.value.code)

    house.engine().run("docs", sync_again)
    assert set(refused) == {"sync_running"}
    assert house.sync().state == "complete"


def _claim_for(house: House, holder: str, beat: datetime) -> None:
    with house.database.write() as session:
        session.exec(update(SourceRow).values(claim_id="x", claim_holder=holder, claim_heartbeat_at=beat))


def test_claim_of_another_machine_counts_until_it_is_silent_too_long(house: House) -> None:
    _claim_for(house, "elsewhere:1", datetime.now(UTC))
    with pytest.raises(ConflictError):
        house.sync()
    _claim_for(house, "elsewhere:1", datetime.now(UTC) - timedelta(minutes=4))
    assert house.sync().state == "complete"


def test_run_that_lost_its_claim_stops_and_writes_nothing_more(house: House) -> None:
    house.write("a.md", "# A\n\nText.")

    def steal(_: SyncProgress) -> None:
        _claim_for(house, "elsewhere:1", datetime.now(UTC))

    with pytest.raises(ConflictError) as caught:
        house.engine().run("docs", steal)
    assert caught.value.code == "claim_lost"
    assert all(row.state == "indexing" for row in house.rows().values())


def test_cancelled_run_stops_and_the_next_one_completes(house: House) -> None:
    for number in range(3):
        house.write(f"{number}.md", "# Page\n\nText.")

    def stop(_: SyncProgress) -> None:
        house.sources.cancel(house.sources.runs("docs")[0].id)

    with pytest.raises(ConflictError) as caught:
        house.engine().run("docs", stop)
    assert caught.value.code == "sync_cancelled"
    assert house.sources.runs("docs")[0].state == "cancelled"
    assert house.sync().counts.held == 3


class _Killed(BaseException):
    """Stands for the end of the process at one point."""


def _die_at(house: House, monkeypatch: pytest.MonkeyPatch, method: str, before: bool) -> None:
    real: Callable[..., object] = getattr(house.index, method)

    def die(*arguments: object) -> object:
        if not before:
            real(*arguments)
        monkeypatch.undo()
        raise _Killed

    monkeypatch.setattr(house.index, method, die)


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize(
    "method", ["upsert", "update_payload", "keep_only", "delete_documents", "set_access"]
)
def test_death_at_any_write_to_the_index_is_made_good_by_the_next_run(
    house: House, monkeypatch: pytest.MonkeyPatch, method: str, before: bool
) -> None:
    for number in range(6):
        house.write(
            f"{number}.md", "\n\n".join(f"# {number} {n}\n\n" + "Words here. " * 90 for n in range(3))
        )
    house.sync()
    house.write("1.md", "# 1 0\n\n" + "Words here. " * 90 + "\n\n# New\n\n" + "Other words. " * 90)
    (house.root / "2.md").unlink()
    house.write("sub/.access.toml", 'allow = ["group:finance"]')
    house.write("sub/7.md", "# 7\n\nText.")
    house.write(".access.toml", 'allow = ["group:people"]')
    _die_at(house, monkeypatch, method, before)
    with pytest.raises(_Killed):
        house.sync()
    resumed = house.sync()
    assert (resumed.state, resumed.resumed) == ("complete", True)
    assert set(house.rows()) == {"0.md", "1.md", "3.md", "4.md", "5.md", "sub/7.md"}
    assert house.access_in_index("1.md") == {"group:people"}
    assert house.access_in_index("sub/7.md") == {"group:finance"}
    house.check()


def test_run_that_died_long_ago_is_not_resumed(house: House) -> None:
    house.write("a.md", "# A\n\nText.")
    house.sync()
    with house.database.write() as session:
        session.exec(
            update(SyncRunRow).values(
                state="running", finished_at=None, heartbeat_at=datetime.now(UTC) - timedelta(days=2)
            )
        )
    assert not house.sync().resumed
    assert [run.state for run in house.sources.runs("docs")] == ["complete", "failed"]


def test_queued_run_is_the_one_that_is_run(house: House) -> None:
    first, second = house.sources.queue("docs"), house.sources.queue("docs")
    assert first == second
    assert house.sources.run(first).state == "queued"
    assert house.sync().run_id == first


def test_library_opens_a_document_only_for_its_readers(house: House) -> None:
    house.write("a.md", "# Pay\n\nText.")
    house.write(".access.toml", 'allow = ["group:finance"]')
    house.sync()
    library, document_id = Library(house.database), house.rows()["a.md"].id
    opened = library.document(caller(EVERYONE, Principal.group("finance")), document_id)
    assert (opened.title, opened.text, opened.source) == ("Pay", "Pay\n\nText.", "docs")
    assert opened.headings[0].text == "Pay"
    assert library.may_read(caller(Principal.group("finance")), document_id)
    messages = set()
    for who, which in (
        (caller(EVERYONE, PUBLIC), document_id),
        (caller(Principal.group("finance"), workspace_id="other"), document_id),
        (caller(Principal.group("finance")), "0f0f0f0f-0000-5000-8000-000000000000"),
        (caller(Principal.group("finance")), "../etc"),
    ):
        assert not library.may_read(who, which)
        with pytest.raises(NotFoundError) as caught:
            library.document(who, which)
        messages.add((caught.value.code, caught.value.message))
    assert messages == {("no_such_document", "There is no such document.")}


def test_stored_access_that_cannot_be_read_means_nobody(house: House) -> None:
    house.write("a.md", "# A\n\nText.")
    house.sync()
    document_id = house.rows()["a.md"].id
    for broken in (["everyon"], ["everyone", 3], {"everyone": 1}, "everyone"):
        with house.database.write() as session:
            session.exec(update(DocumentRow).where(col(DocumentRow.id) == document_id).values(access=broken))
        with pytest.raises(NotFoundError):
            Library(house.database).document(caller(EVERYONE), document_id)


def test_sources_refuse_what_cannot_work(house: House, tmp_path: Path) -> None:
    for kind, name, settings, error, code in (
        ("folder", "docs", {"path": str(tmp_path)}, ConflictError, "source_exists"),
        ("folder", "x", {"path": str(tmp_path / "gone")}, InputError, "source_unreachable"),
        ("folder", " ", {"path": str(tmp_path)}, InputError, "invalid_source_name"),
        ("folder", "a/b", {"path": str(tmp_path)}, InputError, "invalid_source_name"),
        ("floppy", "x", {}, InputError, "unknown_connector"),
    ):
        with pytest.raises(error) as caught:
            house.sources.add(kind, name, settings)
        assert caught.value.code == code
    with pytest.raises(NotFoundError):
        house.engine().run("gone")
    assert house.sources.add("folder", "closed", {"path": str(tmp_path)}).default_access == NOBODY


@pytest.fixture(autouse=True)
def _no_thread_is_left_behind() -> Iterator[None]:
    import threading

    yield
    assert not [t for t in threading.enumerate() if t.name.startswith("sync-") and t.is_alive()]
