"""The Git connector against Git's own servers."""

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from dulwich.objects import Blob, Commit
from pydantic import SecretStr, ValidationError

from app.core.errors import InputError, RungError
from app.core.identity import EVERYONE
from ingest.connector import Checkpoint, Delete, Failure, ReadContext, Unchanged, Upsert
from ingest.connectors.git import GitConnector, GitSettings
from ingest.connectors.git.trees import Selection, blob_size, files
from ingest.connectors.paths import PathPatterns
from ingest.remote import RemoteCalls, SourceWaitError
from tests.ingest.connectors.changes import deletes, end_of, failures, nothing_known, upserts
from tests.servers.git import GitServer, WorkingCopy, daemon, http_server

ONCE = RemoteCalls(tries=1, longest_wait_seconds=1)
Read = Callable[..., GitConnector]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[GitServer, Path]]:
    root = tmp_path_factory.mktemp("served")
    with http_server(root) as server:
        yield server, root


@pytest.fixture
def server(served: tuple[GitServer, Path]) -> Iterator[GitServer]:
    yield served[0]
    served[0].token = ""
    served[0].answer.clear()
    served[0].moved.clear()


@pytest.fixture
def work(served: tuple[GitServer, Path], request: pytest.FixtureRequest, tmp_path: Path) -> WorkingCopy:
    copy = WorkingCopy(served[1] / tmp_path.name)
    copy.write("handbook/leave.md", "# Leave\n\n25 days a year.\nAsk your lead.\nTell the office.\n")
    copy.write("handbook/travel.md", "# Travel\n\nBook early.\nKeep receipts.\n")
    copy.commit()
    return copy


@pytest.fixture
def reader(server: GitServer, work: WorkingCopy, tmp_path: Path) -> Iterator[Read]:
    made: list[GitConnector] = []
    context = ReadContext(frozenset({EVERYONE}), 100_000, scratch=tmp_path / "scratch", calls=ONCE)

    def read(scratch: str = "scratch", **settings: object) -> GitConnector:
        given = {"url": f"{server.url}/{work.folder.name}/.git", **settings}
        connector = GitConnector(
            GitSettings.model_validate(given), replace(context, scratch=tmp_path / scratch)
        )
        made.append(connector)
        return connector

    yield read
    for connector in made:
        connector.close()


def test_first_pass_reads_every_file_with_author_and_date(reader: Read, work: WorkingCopy) -> None:
    work.write("handbook/travel.md", "# Travel\n\nBook late.\n")
    work.commit(GIT_AUTHOR_NAME="Rui Costa", GIT_AUTHOR_DATE="2026-05-06T07:08:09+02:00")
    found = upserts(reader(link="https://git.example.com/h/{branch}/{path}").pull("", nothing_known))
    assert found["handbook/leave.md"].author == "Ana Ferreira"
    assert found["handbook/leave.md"].updated_at == datetime(2026, 3, 4, 10, tzinfo=UTC)
    travel = found["handbook/travel.md"]
    assert (travel.author, travel.updated_at) == ("Rui Costa", datetime(2026, 5, 6, 5, 8, 9, tzinfo=UTC))
    assert travel.url == "https://git.example.com/h/main/handbook/travel.md"
    assert travel.content == b"# Travel\n\nBook late.\n" and travel.file_name == "travel.md"


def test_commits_come_as_what_they_changed(reader: Read, work: WorkingCopy) -> None:
    for number in range(30):
        work.write(f"more/{number}.md", f"{number}")
    work.commit()
    state = end_of(list(reader().pull("", nothing_known)))
    work.write("more/3.md", "three")
    work.write("new.md", "new")
    work.git("rm", "-q", "more/4.md")
    work.commit()
    changes = list(reader().pull(state, nothing_known))
    assert set(upserts(changes)) == {"more/3.md", "new.md"} and deletes(changes) == {"more/4.md"}
    assert len(changes) == 4
    assert list(reader().pull(end_of(changes), nothing_known)) == [changes[-1]]


@pytest.mark.parametrize("edited", [False, True])
def test_renamed_file_says_where_it_was(reader: Read, work: WorkingCopy, edited: bool) -> None:
    state = end_of(list(reader().pull("", nothing_known)))
    work.git("mv", "handbook/leave.md", "holidays.md")
    if edited:
        work.write("holidays.md", "# Leave\n\n30 days a year.\nAsk your lead.\nTell the office.\n")
    work.commit()
    changes = list(reader().pull(state, nothing_known))
    assert upserts(changes)["holidays.md"].moved_from == "handbook/leave.md"
    assert not deletes(changes)


def test_file_renamed_to_what_is_not_read_is_gone_under_its_old_name(reader: Read, work: WorkingCopy) -> None:
    state = end_of(list(reader().pull("", nothing_known)))
    work.git("mv", "handbook/leave.md", "leave.xyz")
    work.commit()
    changes = list(reader().pull(state, nothing_known))
    assert failures(changes) == {"leave.xyz": "unsupported_format"}
    assert deletes(changes) == {"handbook/leave.md"}


def test_forced_push_with_the_copy_lost_compares_everything(reader: Read, work: WorkingCopy) -> None:
    first = list(reader().pull("", nothing_known))
    known = {name: document.revision for name, document in upserts(first).items()}
    work.write("handbook/leave.md", "rewritten")
    work.git("add", "-A")
    work.git("commit", "-q", "--amend", "-m", "another history")
    changes = list(reader("elsewhere").pull(end_of(first), known.get))
    assert set(upserts(changes)) == {"handbook/leave.md"}
    assert [c.external_id for c in changes if isinstance(c, Unchanged)] == ["handbook/travel.md"]


def test_interrupted_pass_ends_with_the_commit_it_began_with(reader: Read, work: WorkingCopy) -> None:
    for number in range(120):
        work.write(f"p/{number:03}.md", f"{number}")
    work.commit()
    changes = list(reader().pull("", nothing_known))
    place = next(i for i, c in enumerate(changes) if isinstance(c, Checkpoint))
    state = changes[place]
    assert isinstance(state, Checkpoint)
    work.write("p/119.md", "later")
    work.commit()
    rest = list(reader().pull(state.state, nothing_known))
    assert upserts(rest)["p/119.md"].content == b"119" and len(rest) == len(changes) - place - 1
    after = upserts(reader().pull(end_of(rest), nothing_known))
    assert {name: document.content for name, document in after.items()} == {"p/119.md": b"later"}


def test_interrupted_pass_begins_again_where_its_commits_are_gone(reader: Read, work: WorkingCopy) -> None:
    for number in range(60):
        work.write(f"p/{number:03}.md", f"{number}")
    work.commit()
    state = next(c for c in reader().pull("", nothing_known) if isinstance(c, Checkpoint))
    work.git("commit", "-q", "--amend", "-m", "another history")
    assert len(upserts(reader("elsewhere").pull(state.state, nothing_known))) == 62


def test_other_choice_of_files_is_a_full_pass(reader: Read) -> None:
    state = end_of(list(reader(include=("*leave*",)).pull("", nothing_known)))
    assert set(upserts(reader().pull(state, nothing_known))) == {"handbook/leave.md", "handbook/travel.md"}


def test_history_ends_where_the_fetched_commits_end(reader: Read, work: WorkingCopy) -> None:
    for number in range(5):
        work.write("often.md", str(number))
        work.commit()
    found = upserts(reader(history_depth=2).pull("", nothing_known))
    assert found["often.md"].author == "Ana Ferreira"
    assert found["handbook/leave.md"].author is None and found["handbook/leave.md"].updated_at is None


@pytest.mark.parametrize("how", ["http", "daemon"])
def test_first_clone_is_shallow_and_later_fetches_bring_what_is_new(
    reader: Read, work: WorkingCopy, how: str
) -> None:
    for number in range(20):
        work.write("often.md", f"version {number}")
        work.commit()
    with daemon(work.folder.parent) as address:
        given = {"url": f"{address}/{work.folder.name}/.git"} if how == "daemon" else {}
        connector = reader(history_depth=3, **given)
        first = list(connector.pull("", nothing_known))
        assert _held(connector) == (3, {f"version {number}" for number in (17, 18, 19)})
        # More commits than are looked back on: what changed is still told from the two ends.
        for number in range(20, 30):
            work.write("often.md", f"version {number}")
            work.commit()
        work.git("mv", "handbook/leave.md", "leave.md")
        work.commit()
        again = list(reader(history_depth=3, **given).pull(end_of(first), nothing_known))
    found = upserts(again)
    assert set(found) == {"often.md", "leave.md"} and found["leave.md"].moved_from == "handbook/leave.md"
    assert found["often.md"].content == b"version 29" and not deletes(again)


def _held(connector: GitConnector) -> tuple[int, set[str]]:
    """How many commits are in the copy, and which contents of the file that changes often."""
    store = connector._clone.repo.object_store
    objects = [store[sha] for sha in store]
    texts = {one.data.decode() for one in objects if isinstance(one, Blob)}
    return sum(isinstance(one, Commit) for one in objects), {t for t in texts if t.startswith("version")}


def test_merge_leaves_the_author_of_the_side_branch(reader: Read, work: WorkingCopy) -> None:
    work.git("checkout", "-q", "-b", "side")
    work.write("side.md", "side")
    work.commit(GIT_AUTHOR_NAME="Rui Costa")
    work.git("checkout", "-q", "main")
    work.write("other.md", "other")
    work.commit()
    work.git("merge", "-q", "--no-ff", "-m", "merge", "side", GIT_AUTHOR_NAME="The Merger")
    assert upserts(reader().pull("", nothing_known))["side.md"].author == "Rui Costa"


def test_what_is_no_document_is_named(reader: Read, work: WorkingCopy) -> None:
    work.write("big.md", os.urandom(200_000).hex())
    work.write("film.mp4", b"\x00\x01")
    work.write("large.pdf", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 12345\n")
    work.write(".github/hidden.md", "hidden")
    (work.folder / "link.md").symlink_to("/etc/passwd")
    head = work.git("rev-parse", "HEAD")
    work.git("update-index", "--add", "--cacheinfo", f"160000,{head},module")
    work.git("add", "big.md", "film.mp4", "large.pdf", ".github", "link.md")
    work.git("commit", "-q", "-m", "odd things")
    connector = reader()
    changes = list(connector.pull("", nothing_known))
    assert failures(changes) == {
        "big.md": "too_large",
        "film.mp4": "unsupported_format",
        "large.pdf": "lfs_pointer",
        "link.md": "not_a_file",
        "module": "not_a_file",
    }
    assert set(connector.list_ids()) == {*failures(changes), *upserts(changes)}


def test_sizes_are_told_without_unpacking(work: WorkingCopy, tmp_path: Path) -> None:
    text = "".join(f"line {number} of a long text that changes little\n" for number in range(2_000))
    for number in range(4):
        work.write("long.md", text.replace(f"line {number} ", f"row {number} "))
        work.write(f"copy {number}.md", text.replace(f"line {number} ", f"now {number} "))
        work.commit()
    work.git("gc", "-q", "--aggressive")
    with daemon(work.folder.parent) as address:
        context = ReadContext(frozenset({EVERYONE}), 1_000_000, scratch=tmp_path, calls=ONCE)
        connector = GitConnector(GitSettings(url=f"{address}/{work.folder.name}/.git"), context)
        found = upserts(connector.pull("", nothing_known))
        store = connector._clone.repo.object_store
        head = next(iter(connector._clone.update().values()))
        for entry in files(store, head, Selection("", PathPatterns())):
            assert blob_size(store, entry.sha) == len(found[entry.path].content)
        connector.close()
    assert len(found) == 7


def test_folder_of_this_machine_is_a_repository_too(work: WorkingCopy, tmp_path: Path) -> None:
    context = ReadContext(frozenset({EVERYONE}), 1_000_000, scratch=tmp_path / "scratch", calls=ONCE)
    for url in (str(work.folder), f"file://{work.folder}"):
        connector = GitConnector(GitSettings(url=url), context)
        assert len(upserts(connector.pull("", nothing_known))) == 2
        connector.close()
    missing = GitConnector(GitSettings(url=str(tmp_path / "nothing")), context).check()
    assert not missing.ok and "repository" in missing.message


def test_several_branches_are_documents_of_their_own(reader: Read, work: WorkingCopy) -> None:
    work.git("checkout", "-q", "-b", "next")
    work.write("handbook/leave.md", "next year")
    work.commit()
    work.git("checkout", "-q", "main")
    both = reader(branches=("main", "next"))
    found = upserts(both.pull("", nothing_known))
    assert found["next:handbook/leave.md"].content == b"next year" and len(found) == 4
    assert set(both.list_ids()) == set(found)
    assert isinstance(both.fetch("main:handbook/leave.md"), Upsert)
    assert set(upserts(reader(branches=("next",)).pull("", nothing_known))) == {
        "handbook/leave.md",
        "handbook/travel.md",
    }


def test_branch_that_is_missing_names_those_there_are(reader: Read, work: WorkingCopy) -> None:
    work.git("branch", "stable")
    found = reader(branches=("master",)).check()
    assert not found.ok and "main, stable" in found.message
    with pytest.raises(InputError) as error:
        list(reader(branches=("master",)).pull("", nothing_known))
    assert error.value.code == "branch_missing"


def test_empty_repository_is_read_and_filled_later(
    reader: Read, work: WorkingCopy, server: GitServer, served: tuple[GitServer, Path]
) -> None:
    empty = WorkingCopy(served[1] / f"{work.folder.name}-empty")
    url = f"{server.url}/{empty.folder.name}/.git"
    changes = list(reader(url=url).pull("", nothing_known))
    assert len(changes) == 1 and reader(url=url).check().ok and not list(reader(url=url).list_ids())
    empty.write("first.md", "first")
    empty.commit()
    assert set(upserts(reader(url=url).pull(end_of(changes), nothing_known))) == {"first.md"}


def test_names_of_odd_bytes_are_printable_and_found_again(reader: Read, work: WorkingCopy) -> None:
    raw = os.fsencode(work.folder) + b"/caf\xe9 \n.md"
    Path(os.fsdecode(raw)).write_text("odd")
    work.commit()
    connector = reader(link="https://git.example.com/{path}")
    found = upserts(connector.pull("", nothing_known))
    (name,) = set(found) - {"handbook/leave.md", "handbook/travel.md"}
    assert name == "caf\\udce9 \\n.md" and found[name].url == "https://git.example.com/caf%E9%20%0A.md"
    assert isinstance(connector.fetch(name), Upsert)


def test_one_document_again(reader: Read, work: WorkingCopy) -> None:
    work.write("handbook/leave.md", "new text")
    work.commit(GIT_AUTHOR_NAME="Rui Costa")
    again = reader().fetch("handbook/leave.md")
    assert isinstance(again, Upsert)
    assert (again.document.content, again.document.author) == (b"new text", "Rui Costa")
    assert reader().fetch("nowhere.md") == Delete("nowhere.md")


def test_patterns_and_folder_choose(reader: Read, work: WorkingCopy) -> None:
    work.write("handbook/old/leave.md", "old")
    work.write("notes.md", "notes")
    work.commit()
    chosen = reader(subfolder="handbook", exclude=("old/",))
    assert set(upserts(chosen.pull("", nothing_known))) == {"handbook/leave.md", "handbook/travel.md"}
    assert chosen.estimate().documents == 2


def test_token_opens_and_is_never_shown(reader: Read, server: GitServer) -> None:
    server.token = "s3cret-token"
    assert len(upserts(reader(token=SecretStr("s3cret-token")).pull("", nothing_known))) == 2
    for token in ("", "wr0ng-token"):
        connector = reader("other", token=SecretStr(token))
        with pytest.raises(InputError) as error:
            list(connector.pull("", nothing_known))
        assert error.value.code == "sign_in_failed"
        assert "wr0ng-token" not in f"{error.value!r} {connector.check()!r} {connector._settings!r}"


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ((403, {}), "permission_missing"),
        ((404, {}), "repository_missing"),
        ((418, {}), "not_a_repository"),
        ((200, {"Content-Type": "text/html"}), "not_a_repository"),
    ],
)
def test_refusals_say_what_to_do(
    reader: Read, server: GitServer, answer: tuple[int, dict[str, str]], code: str
) -> None:
    server.answer.append(answer)
    with pytest.raises(InputError) as error:
        list(reader().pull("", nothing_known))
    assert error.value.code == code


@pytest.mark.parametrize("target", ["http://localhost:1/x", "http://169.254.169.254/latest", "//10.0.0.1/x"])
def test_redirect_to_another_machine_is_not_followed(reader: Read, server: GitServer, target: str) -> None:
    server.answer.append((302, {"Location": target}))
    with pytest.raises(InputError) as error:
        list(reader(token="t0ken").pull("", nothing_known))
    assert error.value.code == "redirects_elsewhere" and "t0ken" not in error.value.message
    server.answer.append((302, {"Location": target}))
    assert not reader().check().ok


def test_redirect_on_the_same_machine_is_followed(reader: Read, server: GitServer, work: WorkingCopy) -> None:
    asked = "/info/refs?service=git-upload-pack"
    server.moved["/old-name" + asked] = f"/{work.folder.name}/.git{asked}"
    assert len(upserts(reader(url=f"{server.url}/old-name").pull("", nothing_known))) == 2


def test_busy_server_is_left_alone_as_long_as_it_asks(reader: Read, server: GitServer) -> None:
    server.answer.append((429, {"Retry-After": "3600"}))
    with pytest.raises(SourceWaitError) as error:
        list(reader().pull("", nothing_known))
    assert (error.value.code, error.value.retry_after_seconds) == ("rate_limited", 3600)


def test_server_that_is_away(reader: Read) -> None:
    for url in ("http://127.0.0.1:9/x.git", "git://127.0.0.1:9/x.git"):
        with pytest.raises(SourceWaitError) as error:
            list(reader(url=url).list_ids())
        assert error.value.code == "source_unreachable"


def test_daemon_names_a_repository_that_it_has_not(work: WorkingCopy, tmp_path: Path) -> None:
    with daemon(work.folder.parent) as address:
        context = ReadContext(frozenset({EVERYONE}), 1_000_000, scratch=tmp_path, calls=ONCE)
        with pytest.raises(InputError) as error:
            list(GitConnector(GitSettings(url=f"{address}/nothing.git"), context).list_ids())
    assert error.value.code == "repository_missing"


def test_damaged_copy_is_made_anew(reader: Read, tmp_path: Path) -> None:
    list(reader().pull("", nothing_known))
    for place in (tmp_path / "scratch").glob("*.git"):
        (place / "HEAD").unlink()
        (place / "objects").rename(place / "lost")
    try:
        assert len(upserts(reader().pull("", nothing_known))) == 2
    except RungError as error:  # pragma: no cover - the message helps where it fails
        pytest.fail(error.message)


@pytest.mark.parametrize(
    "bad",
    [
        {"url": "git@example.com:team/handbook.git"},
        {"url": "ssh://example.com/handbook.git"},
        {"url": "https://user:pa55word@example.com/handbook.git"},
        {"url": "ftp://example.com/handbook.git"},
        {"url": "handbook"},
        {"url": "/x", "link": "https://example.com/{commit}"},
        {"url": "/x", "link": "javascript:alert(1)"},
        {"url": "/x", "subfolder": "../other"},
    ],
)
def test_settings_that_cannot_be_used(bad: dict[str, str]) -> None:
    with pytest.raises(ValidationError) as error:
        GitSettings.model_validate(bad)
    assert "pa55word" not in error.value.errors()[0]["msg"]


def test_failure_carries_the_access_of_the_source(reader: Read, work: WorkingCopy) -> None:
    work.write("film.mp4", b"\x00")
    work.commit()
    found = [c for c in reader().pull("", nothing_known) if isinstance(c, Failure)]
    assert [failure.access for failure in found] == [frozenset({EVERYONE})]
