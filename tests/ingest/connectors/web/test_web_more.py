"""What a web source does with dates, scripts, paces, other hosts, and names that turn internal."""

import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import pytest

from app.core.errors import RungError
from app.core.outgoing import Outgoing
from ingest.connector import Failure, Unchanged
from ingest.connectors.web import site as site_module
from ingest.connectors.web.page import read_page
from tests.ingest.connectors.web.pages import Reader, documents, failures, html, paths
from tests.servers.bad import BadServer
from tests.servers.nginx import Nginx

SCRIPT = '<script src="/app.js"></script>'


def answer(body: str = "", status: str = "200 OK", **headers: str) -> bytes:
    given = {
        "Content-Type": "text/html",
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in given.items())]
    return "\r\n".join([*lines, f"Content-Length: {len(body.encode())}", "", body]).encode()


def asked_for(bad: BadServer, path: str) -> list[str]:
    return [head for head in bad.seen if head.split(" ")[1] == path]


def test_a_page_without_a_tag_is_asked_for_by_its_date(bad: BadServer, reader: Reader) -> None:
    date = "Mon, 01 Jan 2024 10:00:00 GMT"
    bad.answers["/"] = answer(html("Home"), Last_Modified=date)
    assert paths_of(bad, reader.pull(bad.url("/"))) == ["/"]
    bad.answers["/"] = answer(status="304 Not Modified")
    changes = reader.pull(bad.url("/"))
    assert [type(change) for change in changes[:-1]] == [Unchanged]
    assert f"if-modified-since: {date}".lower() in asked_for(bad, "/")[-1].lower()
    later = "Tue, 02 Jan 2024 10:00:00 GMT"
    bad.answers["/"] = answer(html("Home, changed"), Last_Modified=later)
    [document] = documents(reader.pull(bad.url("/"))).values()
    assert (document.title, document.updated_at.day) == ("Home, changed", 2)


def test_a_page_without_tag_and_date_is_compared_by_its_content(bad: BadServer, reader: Reader) -> None:
    bad.answers["/"] = answer(html("Home"))
    reader.pull(bad.url("/"))
    assert [type(change) for change in reader.pull(bad.url("/"))[:-1]] == [Unchanged]
    bad.answers["/"] = answer(html("Home, changed"))
    assert paths_of(bad, reader.pull(bad.url("/"))) == ["/"]


def paths_of(bad: BadServer, changes: list[Any]) -> list[str]:
    return paths(bad, changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "body",
    [
        f'<div id="root"></div>{SCRIPT}',
        f'<div id="app"></div>{SCRIPT}',
        f"<noscript>You need to enable JavaScript to run this app.</noscript><div id=x></div>{SCRIPT}",
        f"<app-root></app-root>{SCRIPT}",
        f"<app-root>Loading…</app-root>{SCRIPT}",
        f'<div id="__next"><div class="spinner">Loading...</div></div>{SCRIPT}',
        f'<div id="q-app"><p>Please wait</p></div>{SCRIPT}',
        f"<p>This site requires JavaScript.</p>{SCRIPT}",
        f'<div style="display: contents">{SCRIPT}</div>',
        '<div id="root"></div><script>window.__STATE__ = {"text": "' + "many words " * 200 + '"}</script>',
    ],
)
def test_pages_that_scripts_make_are_known(body: str) -> None:
    assert read_page(
        f"<html><head><title>App</title></head><body>{body}</body></html>", "http://x/"
    ).needs_javascript


@pytest.mark.parametrize(
    "body",
    [
        "<p>Short, and all there is.</p>",
        f"<p>Short, and all there is.</p>{SCRIPT}",
        f'<div id="root"><p>Made at the server.</p></div>{SCRIPT}',
        f"<h1>Loading bay</h1><p>Ring twice.</p>{SCRIPT}",
        f"<noscript>Enable JavaScript for the menu.</noscript><p>{'Many words. ' * 40}</p>{SCRIPT}",
        '<div id="root"></div>',
    ],
)
def test_pages_with_a_text_of_their_own_need_no_scripts(body: str) -> None:
    assert not read_page(
        f"<html><head><title>A</title></head><body>{body}</body></html>", "http://x/"
    ).needs_javascript


def test_the_header_for_robots_counts_for_pages_and_files(bad: BadServer, reader: Reader) -> None:
    bad.answers["/"] = answer(html("Home", "/a.html", "/b.txt", "/c.html"))
    bad.answers["/a.html"] = answer(html("A", "/d.html"), X_Robots_Tag="noindex, nofollow")
    bad.answers["/b.txt"] = answer("words", Content_Type="text/plain", X_Robots_Tag="noindex")
    bad.answers["/c.html"] = answer(html("C"))
    bad.answers["/d.html"] = answer(html("D"))
    assert paths_of(bad, reader.pull(bad.url("/"))) == ["/", "/c.html"]


def test_the_pace_of_robots_is_kept_to(site: Nginx, reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    site.write("robots.txt", "User-agent: *\nCrawl-delay: 7\n")
    site.write("index.html", html("Home", "/a.html", "/b.html"))
    site.write("a.html", html("A"))
    site.write("b.html", html("B"))
    clock = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(time, "sleep", lambda seconds: clock.append(clock.pop() + seconds))
    assert len(paths(site, reader.pull(site.url("/")))) == 3
    assert clock[0] >= 100 + 2 * 7


def resolving(monkeypatch: pytest.MonkeyPatch, resolve: Callable[[str], str]) -> None:
    made = partial(Outgoing, resolve=lambda host, _: [resolve(host)])
    monkeypatch.setattr(site_module, "Outgoing", made)


def names(monkeypatch: pytest.MonkeyPatch, found: Mapping[str, str]) -> None:
    resolving(monkeypatch, lambda host: found[host])


@pytest.mark.parametrize("at", [1, 2])
def test_a_name_that_turns_internal_while_the_site_is_read_is_refused(
    bad: BadServer, reader: Reader, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    """Whoever runs the name's server may point it inside after the first look (rebinding)."""
    looks: list[str] = []

    def resolve(host: str) -> str:
        looks.append(host)
        return "127.0.0.1" if len(looks) <= at else "169.254.169.254"

    resolving(monkeypatch, resolve)
    bad.answers["/"] = answer(html("Home", "/a.html"), Connection="close")
    bad.answers["/a.html"] = answer(html("A"), Connection="close")
    with pytest.raises(RungError) as caught:
        reader.pull(bad.url("/", "wiki.example"), allowed_hosts=["wiki.example"])
    assert caught.value.code == "address_refused"
    assert len(bad.seen) == at


def test_a_public_name_that_leads_inside_is_refused_at_once(
    bad: BadServer, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    names(monkeypatch, {"wiki.example": "127.0.0.1"})
    with pytest.raises(RungError) as caught:
        reader.pull(bad.url("/", "wiki.example"), allowed_hosts=[])
    assert caught.value.code == "address_refused" and not bad.seen


@pytest.mark.parametrize("where", ["robots.txt", "sitemap.xml", "page", "canonical", "link", "frame"])
def test_nothing_at_a_site_leads_to_an_internal_address(
    bad: BadServer, reader: Reader, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = "http://169.254.169.254/latest/meta-data/"
    called: list[str] = []
    names(monkeypatch, {"wiki.example": "127.0.0.1"})
    monkeypatch.setattr(site_module.Site, "_once", _watched(site_module.Site._once, called))
    away = answer(status="302 Found", Location=inside)
    bad.answers["/"] = answer(html("Home", "/a.html"))
    bad.answers["/a.html"] = answer(html("A"))
    if where in ("robots.txt", "sitemap.xml"):
        bad.answers[f"/{where}"] = away
    elif where == "page":
        bad.answers["/a.html"] = away
    elif where == "canonical":
        bad.answers["/a.html"] = answer(html("A", head=f'<link rel="canonical" href="{inside}">'))
    else:
        tag = f'<a href="{inside}">x</a>' if where == "link" else f'<iframe src="{inside}"></iframe>'
        bad.answers["/a.html"] = answer(html("A", text=tag))
    changes = reader.pull(bad.url("/", "wiki.example"), allowed_hosts=["wiki.example"], mode="both")
    expected = {""} if where == "page" else {"", "a.html"}
    assert set(documents(changes)) == expected
    assert called and all(url.startswith("http://wiki.example:") for url in called)
    assert not [change for change in changes if isinstance(change, Failure)]


def _watched(once: Callable[..., Any], called: list[str]) -> Callable[..., Any]:
    def watched(self: object, url: str, *more: Any) -> Any:
        called.append(url)
        return once(self, url, *more)

    return watched


def test_a_sitemap_that_names_other_hosts_is_kept_to_the_site(site: Nginx, reader: Reader) -> None:
    entries = "".join(
        f"<url><loc>{url}</loc></url>"
        for url in (
            site.url("/a.html"),
            "http://169.254.169.254/x",
            "http://localhost:1/y",
            "file:///etc/passwd",
        )
    )
    site.write("sitemap.xml", f"<urlset>{entries}</urlset>")
    site.write("a.html", html("A"))
    changes = reader.pull(site.url("/"), mode="sitemap")
    assert paths(site, changes) == ["/a.html"] and not failures(site, changes)


def test_a_canonical_address_elsewhere_leaves_the_page_where_it_is(site: Nginx, reader: Reader) -> None:
    site.write("index.html", html("Home", head='<link rel="canonical" href="https://other.example/">'))
    assert paths(site, reader.pull(site.url("/"))) == ["/"]


def test_subdomains_are_read_where_asked_for_and_never_get_the_password(
    bad: BadServer, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    names(monkeypatch, {"example.com": "127.0.0.1", "docs.example.com": "127.0.0.1"})
    bad.answers["/"] = answer(html("Home", bad.url("/docs.html", "docs.example.com"), "/a.html"))
    bad.answers["/a.html"] = answer(html("A"))
    bad.answers["/docs.html"] = answer(html("Docs", bad.url("/x.html", "notexample.com")))
    signed_in: dict[str, Any] = {
        "allowed_hosts": ["example.com", "docs.example.com"],
        "user_name": "ada",
        "password": "s3cret",
        "secret_header": "X-Key: k3y",
    }
    start = bad.url("/", "example.com")
    assert set(documents(reader.pull(start, **signed_in))) == {"", "a.html"}
    bad.seen.clear()
    reader.known.clear()
    changes = reader.pull(start, subdomains=True, **signed_in)
    assert set(documents(changes)) == {"", "a.html", "docs.html"}
    for head in bad.seen:
        own = f"Host: example.com:{bad.port}" in head
        assert ("authorization:" in head.lower()) == own and ("k3y" in head) == own
