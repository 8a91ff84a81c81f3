"""What a folder source does with patterns, owners, moves and shares that are away."""

import errno
import os
import sqlite3
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.core.errors import InputError, UnavailableError
from app.core.identity import EVERYONE, NOBODY, AccessList, Principal
from ingest.connector import Change, Delete, Failure, ReadContext, Unchanged, Upsert
from ingest.connectors import read_settings
from ingest.connectors.folder import FolderConnector, FolderSettings
from ingest.connectors.folder.memory import mount_point
from ingest.connectors.folder.owners import FileOwners

ADA, STAFF = Principal.user("ada@example.com"), Principal.group("staff")
ALL = frozenset({EVERYONE})


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    folder.mkdir()
    return folder


def connector(root: Path, scratch: Path | None = None, **how: Any) -> FolderConnector:
    return FolderConnector(FolderSettings(path=root, **how), ReadContext(ALL, 1000, scratch=scratch))


def write(path: Path, text: str = "text") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def documents(changes: list[Change]) -> dict[str, Any]:
    return {c.document.external_id: c.document for c in changes if isinstance(c, Upsert)}


def ids(root: Path, **how: Any) -> list[str]:
    one = connector(root, **how)
    found = list(documents(list(one.pull("", lambda _: None))))
    assert found == list(one.list_ids())
    return found


def test_patterns_choose_files_and_excluded_folders_are_not_looked_into(root: Path) -> None:
    for name in ("a.md", "b.txt", "docs/c.md", "docs/deep/d.md", "archive/e.md"):
        write(root / name)
    write(root / "archive/.access.toml", "broken [")
    assert ids(root, include=("*.md",), exclude=("archive/",)) == ["a.md", "docs/c.md", "docs/deep/d.md"]
    assert ids(root, include=("docs/*",)) == ["docs/c.md"]
    assert ids(root, exclude=("archive/", "**/d.md", "b.*")) == ["a.md", "docs/c.md"]


def test_hidden_files_are_read_where_asked_for_and_access_files_never(root: Path) -> None:
    write(root / ".notes/a.md")
    write(root / "b.md")
    write(root / "~$b.docx")
    write(root / ".access.toml", 'allow = ["everyone"]')
    assert ids(root) == ["b.md"]
    assert ids(root, hidden=True) == [".notes/a.md", "b.md"]


def test_one_file_is_read_alone(root: Path, tmp_path: Path) -> None:
    write(root / "a/b/c.md")
    write(root / "a/two\nlines.md")
    write(root / "a/.hidden/x.md")
    write(root / "a/photo.png")
    write(root / "bad/.access.toml", "broken [")
    write(tmp_path / "outside.md")
    (root / "a/out").symlink_to(tmp_path)
    (root / "a/link").symlink_to(root / "a/b")
    one = connector(root)
    for name in ("a/b/c.md", "a/two\\nlines.md", "a/link/c.md"):
        found = one.fetch(name)
        assert isinstance(found, Upsert) and found.document.external_id == name
        assert found.document in documents(list(one.pull("", lambda _: None))).values()
    for name in ("a/photo.png", "a/out", "bad/.access.toml"):
        assert isinstance(one.fetch(name), Failure), name
    gone = (
        "a/none.md",
        "a/.hidden/x.md",
        "a/out/outside.md",
        "../outside.md",
        "a/../a/b/c.md",
        "a/b",
        "",
        ".",
    )
    for name in (*gone, "a/b/.access.toml", "../.access.toml", "/etc/passwd"):
        assert one.fetch(name) == Delete(name), name
    assert connector(root, exclude=("a/",)).fetch("a/b/c.md") == Delete("a/b/c.md")


def owners(root: Path, domain: str = "example.com") -> FileOwners:
    return FileOwners(root, domain, user_name=lambda _: "ada", group_name=lambda _: "staff")


@pytest.mark.parametrize(
    ("mode", "folder_mode", "expected"),
    [
        (0o644, 0o755, ALL),
        (0o640, 0o755, {ADA, STAFF}),
        (0o600, 0o755, {ADA}),
        (0o604, 0o755, {ADA}),
        (0o044, 0o755, set()),
        (0o644, 0o750, {ADA, STAFF}),
        (0o644, 0o700, {ADA}),
        (0o644, 0o701, {ADA}),
        (0o644, 0o600, set()),
        (0o000, 0o755, set()),
    ],
)
def test_rights_become_access(root: Path, mode: int, folder_mode: int, expected: set[Principal]) -> None:
    file = write(root / "folder/a.md")
    root.chmod(0o755)
    file.chmod(mode)
    about = file.stat()
    file.parent.chmod(folder_mode)
    assert owners(root).of_file(file, about) == frozenset(expected)
    file.parent.chmod(0o755)


@settings(max_examples=200)
@given(st.integers(0, 0o777), st.integers(0, 0o777), st.booleans(), st.booleans())
def test_nobody_reads_by_access_whom_the_file_system_keeps_out(
    mode: int, folder_mode: int, same_owner: bool, same_group: bool
) -> None:
    """Against the file system's own rule, for the owner, for a member of the group, and for a stranger."""
    file = _about(mode, uid=1, gid=10)
    folder = _about(folder_mode, uid=1 if same_owner else 2, gid=10 if same_group else 20)
    where = owners(Path("/r"))
    where._folders = {Path("/r"): (folder, False)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ingest.connectors.folder.owners.has_extended_rights", lambda _: False)
        access = where.of_file(Path("/r/a.md"), file)
    people = {"owner": (1, {11}), "member": (3, {10}), "stranger": (4, set())}
    may = {
        name: _may(file, uid, gids, 4) and _may(folder, uid, gids, 1) for name, (uid, gids) in people.items()
    }
    assert EVERYONE not in access or all(may.values())
    assert ADA not in access or may["owner"]
    assert STAFF not in access or may["member"]


def _about(mode: int, *, uid: int, gid: int) -> os.stat_result:
    return os.stat_result((mode, 1, 1, 1, uid, gid, 0, 0, 0, 0))


def _may(about: os.stat_result, uid: int, gids: set[int], bit: int) -> bool:
    shift = 6 if uid == about.st_uid else 3 if about.st_gid in gids else 0
    return bool(about.st_mode >> shift & bit)


def give_extended_rights(path: Path) -> None:
    """As `setfacl -m u:12345:r` does: one more person may read, and nobody else."""
    nobody, entries = 0xFFFFFFFF, ((1, 6), (2, 4), (4, 0), (0x10, 4), (0x20, 0))
    ids = (nobody, 12345, nobody, nobody, nobody)
    packed = [struct.pack("<HHI", tag, bits, who) for (tag, bits), who in zip(entries, ids, strict=True)]
    try:
        os.setxattr(path, "system.posix_acl_access", struct.pack("<I", 2) + b"".join(packed))
    except OSError as error:
        pytest.skip(f"this file system keeps no extended rights ({error.strerror})")


def test_extended_rights_leave_the_owner_alone(root: Path) -> None:
    root.chmod(0o755)
    file, other = write(root / "folder/a.md"), write(root / "folder/b.md")
    other.chmod(0o644)
    give_extended_rights(file)
    # The bits of the group now stand for the mask, not for the group.
    assert file.stat().st_mode & 0o040
    assert owners(root).of_file(file, file.stat()) == {ADA}
    assert owners(root).of_file(other, other.stat()) == ALL
    file.parent.chmod(0o755)
    give_extended_rights(file.parent)
    assert EVERYONE not in owners(root).of_file(other, other.stat())


def test_owners_without_a_domain_or_a_name_count_for_nobody(root: Path) -> None:
    file = write(root / "a.md")
    root.chmod(0o755)
    file.chmod(0o640)
    assert owners(root, "").of_file(file, file.stat()) == {STAFF}
    nameless = FileOwners(root, "example.com", user_name=lambda _: None, group_name=lambda _: "no such: name")
    assert nameless.of_file(file, file.stat()) == NOBODY
    assert owners(root).of_file(root / "gone.md", file.stat()) == NOBODY
    assert owners(root / "elsewhere").of_file(file, file.stat()) == NOBODY


def test_owners_are_asked_in_place_of_access_files(root: Path) -> None:
    write(root / ".access.toml", 'allow = ["group:finance"]')
    write(root / "a.md").chmod(0o644)
    write(root / "b.md").chmod(0o600)
    root.chmod(0o755)
    one = connector(root, access_from="file owners")
    access: dict[str, AccessList] = {
        n: d.access for n, d in documents(list(one.pull("", lambda _: None))).items()
    }
    assert access == {"a.md": ALL, "b.md": NOBODY}
    (root / "a.md").chmod(0o600)
    known = {n: d.revision for n, d in documents(list(one.pull("", lambda _: None))).items()}
    assert Unchanged("a.md", NOBODY) in list(one.pull("", known.get))


def test_a_moved_file_says_from_where(root: Path, tmp_path: Path) -> None:
    for name in ("a.md", "b.md", "c.md", "d.md"):
        write(root / name, name)
    first = connector(root, tmp_path / "scratch")
    known = {n: d.revision for n, d in documents(list(first.pull("", lambda _: None))).items()}
    first.close()
    (root / "new").mkdir()
    (root / "a.md").rename(root / "new/a.md")
    (root / "b.md").rename(root / "B.md")
    os.link(root / "c.md", root / "new/linked.md")
    (root / "d.md").rename(root / "new/d.md")
    write(root / "new/d.md", "changed as well")
    found = documents(list(connector(root, tmp_path / "scratch").pull("", known.get)))
    assert {name: document.moved_from for name, document in found.items()} == {
        "B.md": "b.md",
        "new/a.md": "a.md",
        "new/d.md": None,
        "new/linked.md": None,
    }


def test_a_share_that_is_not_mounted_is_not_an_empty_folder(root: Path, tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    connector(root, scratch).close()
    with sqlite3.connect(scratch / "folder.sqlite") as database:
        database.execute("INSERT INTO mounts VALUES (?)", (str(root),))
    database.close()
    one = connector(root, scratch)
    for call in (lambda: list(one.pull("", lambda _: None)), lambda: list(one.list_ids()), one.estimate):
        with pytest.raises(UnavailableError) as caught:
            call()
        assert caught.value.code == "not_mounted"
    assert not one.check().ok
    write(root / "a.md")
    assert list(one.list_ids()) == ["a.md"], "the files are here now, so it was meant"


def test_a_mount_is_remembered(tmp_path: Path) -> None:
    shared = Path("/dev/shm")
    if not os.path.ismount(shared):
        pytest.skip("/dev/shm is no mount of its own here")
    assert mount_point(shared / "x") == shared
    connector(shared, tmp_path / "s", include=("no such file",)).check()
    with sqlite3.connect(tmp_path / "s/folder.sqlite") as database:
        assert ("/dev/shm",) in list(database.execute("SELECT point FROM mounts"))
    database.close()


def test_a_file_that_is_stale_once_is_read_and_a_share_that_is_away_ends_the_run(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a.md", "b.md"):
        write(root / name)
    real_open, errors = os.open, [errno.ESTALE]

    def failing(path: Path, *rest: int) -> int:
        if errors:
            raise OSError(errors.pop(), "failed")
        return real_open(path, *rest)

    monkeypatch.setattr(os, "open", failing)
    assert len(documents(list(connector(root).pull("", lambda _: None)))) == 2
    errors.append(errno.EIO)
    changes = list(connector(root).pull("", lambda _: None))
    assert [c.code for c in changes if isinstance(c, Failure)] == ["unreadable"]
    errors.extend([errno.EHOSTDOWN])
    with pytest.raises(UnavailableError) as caught:
        list(connector(root).pull("", lambda _: None))
    assert caught.value.code == "source_unreachable"


def test_a_file_that_changes_while_it_is_read_is_read_again_by_the_next_pass(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write(root / "a.md", "one")
    real = os.fstat
    asked: list[int] = []

    def changing(number: int) -> os.stat_result:
        about = real(number)
        if not asked:
            asked.append(number)
            write(file, "one and two")
        return about

    monkeypatch.setattr(os, "fstat", changing)
    known = {n: d.revision for n, d in documents(list(connector(root).pull("", lambda _: None))).items()}
    assert asked
    [again] = documents(list(connector(root).pull("", known.get))).values()
    assert again.content == b"one and two"


def test_a_link_inside_the_folder_is_a_document_with_the_access_of_where_it_leads(root: Path) -> None:
    write(root / "secret/.access.toml", 'allow = ["group:board"]')
    write(root / "secret/a.md")
    write(root / "open/.access.toml", 'allow = ["everyone"]')
    (root / "open/link.md").symlink_to("../secret/a.md")
    (root / "open/folder").symlink_to("../secret")
    found = documents(list(connector(root).pull("", lambda _: None)))
    assert {name: document.access for name, document in found.items()} == {
        name: frozenset({Principal.group("board")})
        for name in ("secret/a.md", "open/link.md", "open/folder/a.md")
    }


def test_settings_that_cannot_be_are_refused(root: Path) -> None:
    for how in ({"owner_domain": "not a domain"}, {"access_from": "anyone"}, {"path": "/a\x00b"}):
        with pytest.raises(InputError) as caught:
            read_settings("folder", {"path": str(root), **how})
        assert caught.value.code == "invalid_source_settings"
