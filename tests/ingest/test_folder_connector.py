"""Names, links, access files and files that change under the connector's hands."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.errors import InputError, UnavailableError
from app.core.identity import EVERYONE, NOBODY, AccessList, Principal
from ingest.connector import Change, Failure, ReadContext, Unchanged, Upsert
from ingest.connectors import make_connector, read_settings
from ingest.connectors.folder import FolderConnector, FolderSettings
from ingest.connectors.folder.access_files import read_access
from ingest.connectors.paths import printable

FINANCE = frozenset({Principal.group("finance")})


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    folder.mkdir()
    return folder


def connector(root: Path, *, default: AccessList = NOBODY, limit: int = 1000) -> FolderConnector:
    return FolderConnector(FolderSettings(path=root), ReadContext(default, limit))


def changes(root: Path, *, default: AccessList = NOBODY, limit: int = 1000) -> list[Change]:
    return list(connector(root, default=default, limit=limit).pull("", lambda _: None))


def access_of(root: Path, *, default: AccessList = NOBODY) -> dict[str, AccessList]:
    found = changes(root, default=default)
    return {c.document.external_id: c.document.access for c in found if isinstance(c, Upsert)}


def failures(root: Path, *, limit: int = 1000) -> dict[str, str]:
    return {c.external_id: c.code for c in changes(root, limit=limit) if isinstance(c, Failure)}


def write(path: Path, text: str = "text") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_nearest_access_file_wins_and_the_default_counts_without_one(root: Path) -> None:
    write(root / "free.md")
    write(root / "finance" / "pay.md")
    write(root / "finance" / ".access.toml", 'allow = ["group:finance"]')
    write(root / "finance" / "public" / "deep" / "menu.md")
    write(root / "finance" / "public" / ".access.toml", 'allow = ["everyone"]')
    assert access_of(root) == {
        "free.md": NOBODY,
        "finance/pay.md": FINANCE,
        "finance/public/deep/menu.md": frozenset({EVERYONE}),
    }
    assert access_of(root, default=frozenset({EVERYONE}))["free.md"] == frozenset({EVERYONE})


@pytest.mark.parametrize(
    "content",
    [
        "allow = [",
        "",
        "allow = 'everyone'",
        "allow = [1]",
        "allow = ['everyon']",
        "allow = ['everyone', 'group:']",
        "alow = ['everyone']",
        "allow = ['everyone']\ndeny = ['group:finance']",
    ],
)
def test_access_file_that_cannot_be_read_means_nobody_and_is_named(root: Path, content: str) -> None:
    write(root / ".access.toml", 'allow = ["everyone"]')
    write(root / "a" / ".access.toml", content)
    write(root / "a" / "b" / "page.md")
    assert access_of(root, default=frozenset({EVERYONE})) == {"a/b/page.md": NOBODY}
    assert failures(root) == {"a/.access.toml": "access_file_invalid"}


def test_access_file_that_is_a_folder_or_a_dead_link_means_nobody(root: Path) -> None:
    write(root / "a" / "x.md")
    (root / "a" / ".access.toml").mkdir()
    write(root / "b" / "x.md")
    (root / "b" / ".access.toml").symlink_to("gone")
    assert set(access_of(root, default=frozenset({EVERYONE})).values()) == {NOBODY}
    assert set(failures(root)) == {"a/.access.toml", "b/.access.toml"}


def test_empty_access_list_means_nobody_without_a_failure(root: Path) -> None:
    write(root / ".access.toml", "allow = []")
    write(root / "x.md")
    assert access_of(root, default=frozenset({EVERYONE})) == {"x.md": NOBODY}
    assert failures(root) == {}


def test_link_does_not_widen_the_access_of_where_it_leads(root: Path) -> None:
    write(root / "open" / ".access.toml", 'allow = ["everyone"]')
    write(root / "open" / "page.md")
    write(root / "secret" / ".access.toml", 'allow = ["group:finance"]')
    write(root / "secret" / "deep" / "pay.md")
    (root / "open" / "folder").symlink_to(root / "secret" / "deep")
    (root / "open" / "file.md").symlink_to(root / "secret" / "deep" / "pay.md")
    found = access_of(root)
    assert found["open/folder/pay.md"] == found["open/file.md"] == found["secret/deep/pay.md"] == FINANCE


def test_links_that_loop_lead_out_or_nowhere_are_named(root: Path, tmp_path: Path) -> None:
    write(root / "a" / "page.md")
    write(tmp_path / "outside.md")
    (root / "a" / "up").symlink_to(root)
    (root / "a" / "self").symlink_to(root / "a")
    (root / "a" / "one.md").symlink_to("two.md")
    (root / "a" / "two.md").symlink_to("one.md")
    (root / "a" / "out.md").symlink_to(tmp_path / "outside.md")
    (root / "a" / "parent").symlink_to(tmp_path)
    (root / "a" / "dead.md").symlink_to("gone.md")
    assert failures(root) == {
        "a/up": "symlink_loop",
        "a/self": "symlink_loop",
        "a/one.md": "symlink_loop",
        "a/two.md": "symlink_loop",
        "a/out.md": "outside_source",
        "a/parent": "outside_source",
        "a/dead.md": "broken_link",
    }
    assert set(access_of(root)) == {"a/page.md"}
    assert set(connector(root).list_ids()) == {"a/page.md", *failures(root)}


def test_two_folders_that_link_to_each_other_end(root: Path) -> None:
    write(root / "a" / "x.md")
    write(root / "b" / "y.md")
    (root / "a" / "b").symlink_to(root / "b")
    (root / "b" / "a").symlink_to(root / "a")
    assert set(access_of(root)) == {"a/x.md", "a/b/y.md", "b/y.md", "b/a/x.md"}
    assert failures(root) == {"a/b/a": "symlink_loop", "b/a/b": "symlink_loop"}


def test_odd_names_are_read_under_printable_ids(root: Path) -> None:
    write(root / "two\nlines.md", "first")
    write(root / "back\\nslash.md", "second")
    Path(os.fsdecode(os.fsencode(root) + b"/caf\xe9.md")).write_text("third")
    contents = {c.document.external_id: c.document.content for c in changes(root) if isinstance(c, Upsert)}
    assert contents == {"two\\nlines.md": b"first", "back\\\\nslash.md": b"second", "caf\\udce9.md": b"third"}


@given(st.lists(st.text(), min_size=2, max_size=2, unique=True))
def test_no_two_names_share_an_id(names: list[str]) -> None:
    assert printable(names[0]) != printable(names[1])
    assert all(printable(name).isprintable() for name in names)


def test_hidden_names_are_left_out(root: Path) -> None:
    write(root / ".git" / "page.md")
    write(root / ".hidden.md")
    write(root / "~$open.docx")
    write(root / "page.md")
    assert set(access_of(root)) == {"page.md"} == set(connector(root).list_ids())


def test_other_formats_and_devices_are_passed_over_unread(root: Path) -> None:
    (root / "photo.png").write_bytes(b"\x89PNG")
    os.mkfifo(root / "pipe.md")
    assert failures(root) == {"photo.png": "unsupported_format", "pipe.md": "not_a_file"}


def test_file_of_300_megabytes_is_not_read(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (root / "huge.txt").open("wb") as file:
        file.truncate(300_000_000)
    write(root / "small.txt")
    assert failures(root, limit=100_000_000) == {"huge.txt": "too_large"}
    assert set(access_of(root)) == {"small.txt"}


def test_file_that_vanishes_after_the_listing(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in "abc":
        write(root / f"{name}.md")
    pulling = connector(root).pull("", lambda _: None)
    real_open = os.open

    def remove_then_open(path: Path, *rest: int) -> int:
        if path.name == "b.md":
            path.unlink()
        return real_open(path, *rest)

    monkeypatch.setattr(os, "open", remove_then_open)
    found = list(pulling)
    assert [c.code for c in found if isinstance(c, Failure)] == ["vanished"]
    assert [c.document.external_id for c in found if isinstance(c, Upsert)] == ["a.md", "c.md"]


@pytest.fixture
def as_nobody() -> Iterator[None]:
    """Runs the test without root's right to read everything."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    yield
    os.seteuid(0)


def test_file_without_the_right_to_read_is_named(root: Path, request: pytest.FixtureRequest) -> None:
    write(root / "a.md")
    write(root / "b.md")
    (root / "a.md").chmod(0)
    for folder in (root, *root.parents):
        if folder.stat().st_uid == os.geteuid() and folder not in (Path("/"), Path("/tmp")):
            folder.chmod(0o755)
    request.getfixturevalue("as_nobody")
    assert failures(root) == {"a.md": "permission_denied"}


def test_folder_that_cannot_be_listed_is_a_failure_and_makes_the_listing_unsure(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(root / "a.md")
    write(root / "locked" / "b.md")
    real = os.scandir

    def scandir(path: Path) -> object:
        if Path(path).name == "locked":
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    assert failures(root) == {"locked": "permission_denied"}
    with pytest.raises(UnavailableError) as caught:
        list(connector(root).list_ids())
    assert caught.value.code == "listing_incomplete"


def test_missing_root_is_an_error_and_not_an_empty_source(tmp_path: Path) -> None:
    missing = connector(tmp_path / "gone")
    assert not missing.check().ok
    for attempt in (lambda: list(missing.pull("", lambda _: None)), lambda: list(missing.list_ids())):
        with pytest.raises(UnavailableError) as caught:
            attempt()
        assert caught.value.code == "source_unreachable"


def test_unchanged_file_still_tells_its_access(root: Path) -> None:
    write(root / "x.md")
    (first,) = (c for c in changes(root) if isinstance(c, Upsert))
    write(root / ".access.toml", 'allow = ["group:finance"]')
    again = list(connector(root).pull("", {"x.md": first.document.revision}.get))
    assert again[0] == Unchanged("x.md", FINANCE)


def test_settings_are_checked(root: Path) -> None:
    assert make_connector("folder", {"path": str(root)}, ReadContext(NOBODY, 1)).kind == "folder"
    for kind, settings, code in (
        ("folder", {}, "invalid_source_settings"),
        ("folder", {"path": str(root), "depth": 3}, "invalid_source_settings"),
        ("folder", {"path": " "}, "invalid_source_settings"),
        ("floppy", {}, "unknown_connector"),
    ):
        with pytest.raises(InputError) as caught:
            read_settings(kind, settings)
        assert caught.value.code == code


@given(st.binary(max_size=60))
def test_any_bytes_as_access_file_name_principals_or_are_refused(content: bytes) -> None:
    try:
        assert all(isinstance(p, Principal) for p in read_access(content))
    except InputError as error:
        assert error.message
