"""WebDAV against a real Apache, and against servers that answer as others do."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

import httpx
import pytest
from pydantic import ValidationError

from app.core.errors import InputError, UnavailableError
from app.core.identity import EVERYONE
from ingest.connector import Change, Delete, Failure, ReadContext, Unchanged, Upsert
from ingest.connectors.webdav import WebdavConnector, WebdavSettings
from ingest.connectors.webdav.multistatus import path_of_id, read_entries
from ingest.remote import RemoteCalls, SourceWaitError
from tests.ingest.connectors.changes import failures, nothing_known, upserts
from tests.servers.apache import SECRET, USER, Apache, apache

ACCESS = frozenset({EVERYONE})
_made: list[WebdavConnector] = []


@pytest.fixture(autouse=True)
def closing() -> Iterator[None]:
    yield
    while _made:
        _made.pop().close()


@pytest.fixture(scope="module")
def server() -> Iterator[Apache]:
    with apache() as running:
        yield running


@pytest.fixture
def root(server: Apache, request: pytest.FixtureRequest) -> Path:
    folder = server.root / str(abs(hash(request.node.name)))
    folder.mkdir()
    return folder


def connector(
    address: str, *, limit: int = 10_000, scratch: Path | None = None, **settings: object
) -> WebdavConnector:
    given = {
        "address": address,
        "requests_per_second": 1000,
        "username": USER,
        "password": SECRET,
        **settings,
    }
    calls = RemoteCalls(tries=2, sleep=lambda _: None)
    made = WebdavConnector(
        WebdavSettings.model_validate(given), ReadContext(ACCESS, limit, scratch=scratch, calls=calls)
    )
    _made.append(made)
    return made


def on(server: Apache, root: Path, **more: object) -> WebdavConnector:
    return connector(server.url(f"/dav/{root.name}"), **more)  # type: ignore[arg-type]


def pull(made: WebdavConnector, known: Callable[[str], str | None] = nothing_known) -> list[Change]:
    return list(made.pull("", known))


ODD = [
    "a b.md",
    "100%.md",
    "50%25.md",
    "é ü 漢.md",
    "a+b.md",
    "c#d.md",
    "q?x.md",
    "r&d.md",
    "semi;colon.md",
    "[x].md",
]


def test_odd_names_are_read_under_their_own_names(server: Apache, root: Path) -> None:
    for name in ODD:
        (root / "sub & dir").mkdir(exist_ok=True)
        (root / "sub & dir" / name).write_text(name)
    found = upserts(pull(on(server, root)))
    assert {key: one.content.decode() for key, one in found.items()} == {f"sub & dir/{n}": n for n in ODD}
    again = on(server, root).fetch("sub & dir/50%25.md")
    assert isinstance(again, Upsert) and again.document.content == b"50%25.md"


def test_name_that_is_no_utf8_is_printable_and_can_be_fetched(server: Apache, root: Path) -> None:
    (root / "bad\udce9.md").write_text("text")
    [found] = upserts(pull(on(server, root)))
    assert found.isprintable()
    assert isinstance(on(server, root).fetch(found), Upsert)


def test_file_that_changed_has_another_revision_and_others_are_not_read(server: Apache, root: Path) -> None:
    (root / "a.md").write_text("one")
    (root / "b.md").write_text("two")
    known = {key: one.revision for key, one in upserts(pull(on(server, root))).items()}
    (root / "a.md").write_text("one, longer")
    changes = pull(on(server, root), known.get)
    assert set(upserts(changes)) == {"a.md"}
    assert [c.external_id for c in changes if isinstance(c, Unchanged)] == ["b.md"]


def test_locked_out_folder_is_a_failure_and_nothing_is_pruned(server: Apache) -> None:
    (server.root / "locked out").mkdir(exist_ok=True)
    (server.root / "locked out" / "x.md").write_text("x")
    (server.root / "open.md").write_text("open")
    try:
        changes = pull(connector(server.url()))
        [failure] = [c for c in changes if isinstance(c, Failure) and c.external_id == "locked out"]
        assert failure.code == "permission_denied" and failure.whole_folder
        assert "open.md" in upserts(changes)
        with pytest.raises(UnavailableError) as raised:
            list(connector(server.url()).list_ids())
        assert raised.value.code == "listing_incomplete"
        with pytest.raises(InputError) as refused:
            pull(connector(server.url("/dav/locked%20out")))
        assert refused.value.code == "permission_missing"
        assert not connector(server.url("/dav/locked%20out")).check().ok
    finally:
        (server.root / "open.md").unlink()


def test_folder_that_asks_for_another_sign_in_is_a_failure_alone(server: Apache) -> None:
    (server.root / "asks again").mkdir(exist_ok=True)
    (server.root / "open too.md").write_text("open")
    try:
        changes = pull(connector(server.url()))
        assert failures(changes)["asks again"] == "permission_denied"
        assert "open too.md" in upserts(changes)
    finally:
        (server.root / "open too.md").unlink()


def test_file_that_somebody_locked_for_writing_is_still_read(server: Apache, root: Path) -> None:
    (root / "a.md").write_text("text")
    body = (
        '<d:lockinfo xmlns:d="DAV:"><d:lockscope><d:exclusive/></d:lockscope><d:locktype><d:write/>'
        "</d:locktype></d:lockinfo>"
    )
    url = server.url(f"/dav/{root.name}/a.md")
    auth = httpx.BasicAuth(USER.encode(), SECRET.encode())
    with httpx.Client(trust_env=False, auth=auth) as client:
        assert client.request("LOCK", url, content=body).status_code == 200
    assert set(upserts(pull(on(server, root)))) == {"a.md"}


def test_wrong_password_says_what_to_do_and_never_the_password(server: Apache, root: Path) -> None:
    made = on(server, root, password="wrong-secret")
    with pytest.raises(InputError) as raised:
        pull(made)
    assert raised.value.code == "sign_in_failed"
    assert "app password" in raised.value.message
    assert "wrong-secret" not in raised.value.message + repr(made.check()) + repr(raised.value.__cause__)
    with pytest.raises(InputError, match="wants a sign-in"):
        pull(on(server, root, username="", password=""))
    with pytest.raises(InputError, match="expired"):
        pull(on(server, root, bearer_token="old-token"))


def test_certificate_is_checked(server: Apache, root: Path) -> None:
    (root / "a.md").write_text("text")
    address = server.tls_url(f"/dav/{root.name}")
    with pytest.raises(UnavailableError) as raised:
        pull(connector(address))
    assert raised.value.code == "tls_failed"
    assert not connector(address).check().ok
    trusted = connector(address, ca_file=server.certificate)
    assert set(upserts(pull(trusted))) == {"a.md"}
    assert trusted.check().ok and all(finding.ok for finding in trusted.check().findings)


def test_check_tells_what_is_there_and_warns_of_a_password_in_the_clear(server: Apache, root: Path) -> None:
    (root / "a.md").write_text("text")
    check = on(server, root).check()
    assert check.ok and "1 items" in check.message
    assert [finding.what for finding in check.findings if not finding.ok] == [
        "The password travels unencrypted."
    ]
    assert on(server, root).estimate().documents == 1


def test_redirect_is_followed_on_this_host_alone(server: Apache, root: Path) -> None:
    (root / "a.md").write_text("text")
    assert connector(server.url(f"/moved/{root.name}/")).check().ok
    with pytest.raises(UnavailableError, match="another server"):
        pull(connector(server.url("/away/")))


def test_address_that_is_not_there_or_not_webdav_or_a_file(server: Apache, root: Path) -> None:
    (root / "a.md").write_text("text")
    with pytest.raises(UnavailableError, match="no folder"):
        pull(connector(server.url("/dav/nothing-here")))
    with pytest.raises(InputError) as raised:
        pull(connector(server.url("/")))
    assert raised.value.code == "not_webdav"
    assert not connector(server.url(f"/dav/{root.name}/a.md")).check().ok


def test_large_and_foreign_files_are_named_without_being_read(server: Apache, root: Path) -> None:
    (root / "big.md").write_text("x" * 20_000)
    (root / "film.mp4").write_text("x")
    (root / ".hidden.md").write_text("x")
    made = on(server, root)
    made._server.read = None  # type: ignore[method-assign, assignment]
    assert failures(pull(made)) == {"big.md": "too_large", "film.mp4": "unsupported_format"}


def test_patterns_choose_and_what_is_gone_is_a_delete(server: Apache, root: Path) -> None:
    for name in ("keep/a.md", "keep/b.txt", "drop/a.md"):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text("x")
    made = on(server, root, include=("*.md",), exclude=("drop/",))
    assert list(made.list_ids()) == ["keep/a.md"]
    assert made.fetch("keep/gone.md") == Delete("keep/gone.md")
    assert made.fetch("nowhere/gone.md") == Delete("nowhere/gone.md")
    assert made.fetch("drop/a.md") == Delete("drop/a.md")


@pytest.mark.parametrize(
    "address", ["ftp://x/", "https://a:b@x/", "nonsense", "https://x/a?b=c", "https://x/#f"]
)
def test_address_that_cannot_be_used_is_refused_at_once(address: str) -> None:
    with pytest.raises(ValidationError):
        WebdavSettings(address=address)


# Servers that are not Apache.

Reply = tuple[int, dict[str, str], bytes]


@contextmanager
def answering(answer: Callable[[str, str], Reply]) -> Iterator[str]:
    """A server that answers as told by method and path."""

    class Handler(BaseHTTPRequestHandler):
        def _reply(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, headers, body = answer(self.command, self.path)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self) -> None:
            self._reply()

        def do_PROPFIND(self) -> None:
            self._reply()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            return

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=listening.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.server_port}"
    finally:
        listening.shutdown()
        thread.join()
        listening.server_close()


def listing(*responses: str) -> bytes:
    return (
        '<?xml version="1.0"?><d:multistatus xmlns:d="DAV:" xmlns:oc="http://owncloud.org/ns">'
        f"{''.join(responses)}</d:multistatus>"
    ).encode()


def entry(href: str, props: str = "", *, folder: bool = False) -> str:
    kind = "<d:resourcetype><d:collection/></d:resourcetype>" if folder else "<d:resourcetype/>"
    return (
        f"<d:response><d:href>{href}</d:href><d:propstat><d:prop>{kind}{props}</d:prop>"
        "<d:status>HTTP/1.1 200 OK</d:status></d:propstat><d:propstat><d:prop><oc:permissions/></d:prop>"
        "<d:status>HTTP/1.1 404 Not Found</d:status></d:propstat></d:response>"
    )


def etag(value: str) -> str:
    return f"<d:getetag>{value}</d:getetag><d:getcontentlength>4</d:getcontentlength>"


@pytest.mark.parametrize(
    ("status", "code"), [(423, "locked"), (403, "permission_denied"), (507, "server_full"), (404, "vanished")]
)
def test_file_that_is_refused_is_a_failure_and_the_run_goes_on(status: int, code: str) -> None:
    def answer(method: str, path: str) -> Reply:
        if method == "PROPFIND":
            entries = [entry("/d/", folder=True), entry("/d/a.md", etag("1")), entry("/d/b.md", etag("2"))]
            return 207, {}, listing(*entries)
        return (status, {}, b"") if path.endswith("a.md") else (200, {}, b"text")

    with answering(answer) as origin:
        changes = pull(connector(f"{origin}/d"))
    assert failures(changes) == {"a.md": code}
    assert set(upserts(changes)) == {"b.md"}


def test_broken_file_is_a_failure_and_a_busy_server_makes_the_run_wait() -> None:
    def broken(method: str, path: str) -> Reply:
        if method == "PROPFIND":
            return 207, {}, listing(entry("/d/", folder=True), entry("/d/a.md", etag("1")))
        return 500, {}, b""

    with answering(broken) as origin:
        assert failures(pull(connector(f"{origin}/d"))) == {"a.md": "server_error"}
    busy = (429, {"Retry-After": "3600"}, b"")
    with answering(lambda *_: busy) as origin, pytest.raises(SourceWaitError) as raised:
        pull(connector(f"{origin}/d"))
    assert raised.value.code == "rate_limited" and raised.value.retry_after_seconds == 3600


def test_windows_sign_in_alone_is_explained() -> None:
    headers = {"WWW-Authenticate": "NTLM"}
    with answering(lambda *_: (401, headers, b"")) as origin, pytest.raises(InputError, match="NTLM"):
        pull(connector(f"{origin}/d"))


def moving(here: dict[str, str]) -> Callable[[str, str], Reply]:
    """A Nextcloud whose one file lies at `here["name"]`."""

    def answer(method: str, path: str) -> Reply:
        if method == "GET":
            return 200, {}, b"text"
        props = (
            etag("&quot;e1&quot;")
            + "<oc:fileid>77</oc:fileid><oc:owner-display-name>Ann</oc:owner-display-name>"
        )
        base = "/remote.php/dav/files/ann/"
        return 207, {}, listing(entry(base, folder=True), entry(base + here["name"], props))

    return answer


def test_nextcloud_file_that_moved_says_where_it_was(tmp_path: Path) -> None:
    here = {"name": "old.md"}
    with answering(moving(here)) as origin:
        address = f"{origin}/remote.php/dav/files/ann"
        before = upserts(pull(connector(address, scratch=tmp_path)))
        here["name"] = "new.md"
        known = {key: one.revision for key, one in before.items()}
        after = upserts(pull(connector(address, scratch=tmp_path), known.get))
    assert before["old.md"].url == f"{origin}/index.php/f/77" and before["old.md"].author == "Ann"
    assert after["new.md"].moved_from == "old.md"


def test_move_that_was_told_but_not_stored_is_told_again(tmp_path: Path) -> None:
    here = {"name": "old.md"}
    with answering(moving(here)) as origin:
        address = f"{origin}/remote.php/dav/files/ann"
        known = {k: one.revision for k, one in upserts(pull(connector(address, scratch=tmp_path))).items()}
        for name in ("new.md", "newer.md"):
            here["name"] = name
            for _ in range(2):
                again = upserts(pull(connector(address, scratch=tmp_path), known.get))
                assert again[name].moved_from == "old.md"
        # Now it is held there, so that what lay elsewhere is forgotten.
        known = {"newer.md": known["old.md"]}
        assert not upserts(pull(connector(address, scratch=tmp_path), known.get))
    (file,) = tmp_path.iterdir()
    assert json.loads(file.read_text()) == {"77": ["newer.md"]}


def test_weak_and_strong_tags_are_the_same_and_a_missing_one_is_made_up_for() -> None:
    weak = read_entries(listing(entry("/d/a.md", etag('W/"1"'))), "/d/")[1][0]
    strong = read_entries(listing(entry("/d/a.md", etag('"1"'))), "/d/")[1][0]
    assert weak.revision == strong.revision
    when = "<d:getlastmodified>Mon, 01 Jan 2024 10:00:00 GMT</d:getlastmodified>"
    dated = read_entries(listing(entry("/d/a.md", when)), "/d/")[1][0]
    assert dated.revision and dated.modified
    assert read_entries(listing(entry("/d/a.md")), "/d/")[1][0].revision == ""


def test_entries_by_address_or_path_escaped_or_not_are_the_same() -> None:
    for href in (
        "http://inside:81/d/r%26d%20x.md",
        "/d/r&amp;d x.md",
        "/d/r%26d%20x.md",
        "HTTP://h/d/r&amp;d%20x.md",
    ):
        itself, entries = read_entries(listing(entry("/d/", folder=True), entry(href)), "/d")
        assert itself is not None and [one.name for one in entries] == ["r&d x.md"]
        assert unquote(entries[0].path) == "/d/r&d x.md"


def test_listing_that_leads_elsewhere_or_repeats_is_cut_to_the_folder() -> None:
    body = listing(
        entry("/d/", folder=True),
        *[entry("/d/a.md")] * 3,
        entry("/other/b.md"),
        entry("/d/deep/c.md"),
        entry("/d/.."),
        entry("/d/%2e%2e"),
        entry("/d/x%2Fy.md"),
    )
    names = [one.name for one in read_entries(body, "/d/")[1]]
    assert names == ["a.md"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"<a/>",
        b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><multistatus xmlns="DAV:">&e;</multistatus>',
        b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><x>&b;</x>',
    ],
)
def test_answer_that_is_no_listing_is_refused(body: bytes) -> None:
    with pytest.raises(UnavailableError) as raised:
        read_entries(body, "/d/")
    assert raised.value.code == "unreadable_answer"


def test_folder_without_end_is_cut() -> None:
    def answer(method: str, path: str) -> Reply:
        return 207, {}, listing(entry(path, folder=True), entry(path + "again/", folder=True))

    with answering(answer) as origin:
        changes = pull(connector(f"{origin}/d"))
    assert [c.code for c in changes if isinstance(c, Failure)] == ["too_deep"]


def test_path_of_an_id_is_escaped_once() -> None:
    assert path_of_id("a b/c%20#d.md") == "a%20b/c%2520%23d.md"
