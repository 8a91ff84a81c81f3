"""The web connector against nginx, and against servers that speak badly."""

import gzip
import json
from typing import Any

import pytest

from app.core.errors import InputError, RungError, UnavailableError
from app.core.identity import EVERYONE
from ingest.connector import Checkpoint, Delete, Failure, Unchanged, Upsert
from ingest.connectors import read_settings
from ingest.connectors.web import WebSettings
from ingest.connectors.web.page import read_page
from ingest.remote import SourceWaitError
from tests.ingest.connectors.web.pages import Reader, documents, failures, html, paths
from tests.servers.bad import BadServer
from tests.servers.nginx import Nginx


def test_links_are_followed_within_the_site_and_each_page_is_read_once(site: Nginx, reader: Reader) -> None:
    site.write(
        "index.html", html("Home", "/a.html?utm_source=mail#top", "a.html", "/b/", "http://other.example/x")
    )
    site.write(
        "a.html", html("A", "/", "/b/../c.html", "mailto:x@example.com", "javascript:void(0)", "/photo.png")
    )
    site.write("b/index.html", html("B", "../a.html"))
    site.write("c.html", html("C"))
    assert paths(site, reader.pull(site.url("/"))) == ["/", "/a.html", "/b", "/c.html"]
    assert not [line for line in site.requests() if "photo.png" in line]


def test_a_page_brings_its_title_author_date_and_address(site: Nginx, reader: Reader) -> None:
    head = '<meta name="author" content="Ada">'
    head += '<meta property="article:modified_time" content="2024-05-06T07:08:09Z">'
    site.write("index.html", html("Holidays &amp; leave", head=head))
    document = documents(reader.pull(site.url("/")))[""]
    assert (document.title, document.author) == ("Holidays & leave", "Ada")
    assert document.updated_at.isoformat() == "2024-05-06T07:08:09+00:00"
    assert document.url == site.url("/") and document.media_type == "text/html"
    assert document.access == frozenset({EVERYONE})


def test_a_sitemap_is_found_by_robots_with_indexes_and_gzip(site: Nginx, reader: Reader) -> None:
    def urls(*names: str, kind: str = "urlset", item: str = "url") -> str:
        entries = "".join(f"<{item}><loc>{site.url(name)}</loc></{item}>" for name in names)
        return f'<?xml version="1.0"?><{kind} xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{entries}</{kind}>'

    site.write("robots.txt", f"User-agent: *\nDisallow: /hidden\nSitemap: {site.url('/maps/all.xml')}\n")
    site.write("maps/all.xml", urls("/maps/one.xml", "/maps/two.xml.gz", kind="sitemapindex", item="sitemap"))
    site.write("maps/one.xml", urls("/a.html", "/hidden.html", "/b.html"))
    site.write("maps/two.xml.gz", gzip.compress(urls("/c.html", "/a.html").encode()))
    for name in ("a", "b", "c", "hidden", "linked"):
        site.write(f"{name}.html", html(name, "/linked.html"))
    site.write("index.html", html("Home"))
    assert paths(site, reader.pull(site.url("/"), mode="sitemap")) == ["/a.html", "/b.html", "/c.html"]
    both = paths(site, Reader(reader.scratch / "b").pull(site.url("/"), mode="both"))
    assert both == ["/", "/a.html", "/b.html", "/c.html", "/linked.html"]
    connector = reader.connector(site.url("/"), mode="sitemap")
    assert connector.estimate().documents == 4
    assert any("4 pages" in finding.what for finding in connector.check().findings)
    connector.close()


@pytest.mark.parametrize(
    "content",
    ["<urlset><url><loc>http://x", '<!DOCTYPE x [<!ENTITY a "b">]><urlset>&a;</urlset>', "<rss></rss>"],
)
def test_a_sitemap_that_cannot_be_read_removes_nothing(site: Nginx, reader: Reader, content: str) -> None:
    site.write("sitemap.xml", content)
    site.write("index.html", html("Home"))
    with pytest.raises(UnavailableError) as caught:
        reader.pull(site.url("/"), mode="both")
    assert caught.value.code == "sitemap_invalid"


def test_a_page_in_place_of_a_guessed_sitemap_is_none(site: Nginx, reader: Reader) -> None:
    site.write("sitemap.xml", "<!DOCTYPE html><html></html>")
    site.write("index.html", html("Home"))
    assert paths(site, reader.pull(site.url("/"), mode="both")) == ["/"]
    with pytest.raises(UnavailableError) as caught:
        reader.pull(site.url("/"), mode="sitemap")
    assert caught.value.code == "sitemap_missing"


def test_robots_and_its_meta_are_kept_to(site: Nginx, reader: Reader) -> None:
    site.write("robots.txt", "User-agent: Rung\nDisallow: /no/\n\nUser-agent: *\nDisallow: /\n")
    site.write("index.html", html("Home", "/no/a.html", "/noindex.html", "/nofollow.html"))
    site.write("no/a.html", html("A"))
    site.write("noindex.html", html("N", "/b.html", head='<meta name="robots" content="noindex">'))
    site.write("nofollow.html", html("F", "/c.html", head='<meta name="ROBOTS" content="NOFOLLOW">'))
    site.write("b.html", html("B"))
    site.write("c.html", html("C"))
    assert paths(site, reader.pull(site.url("/"))) == ["/", "/nofollow.html", "/b.html"]


def test_a_start_page_that_robots_forbids_is_said(site: Nginx, reader: Reader) -> None:
    site.write("robots.txt", "User-agent: *\nDisallow: /\n")
    site.write("index.html", html("Home"))
    with pytest.raises(InputError) as caught:
        reader.pull(site.url("/"))
    assert caught.value.code == "robots_disallow"
    check = reader.check(site.url("/"))
    assert not check.ok and "robots.txt" in check.message


def test_one_document_for_one_canonical_address(site: Nginx, reader: Reader) -> None:
    canonical = '<link rel="canonical" href="/real.html">'
    site.write("index.html", html("Home", "/print.html", "/mobile.html"))
    for name in ("print", "mobile", "real"):
        site.write(f"{name}.html", html("Real", head=canonical))
    assert paths(site, reader.pull(site.url("/"))) == ["/", "/real.html"]


def test_a_site_whose_pages_all_name_the_home_page_is_told(site: Nginx, reader: Reader) -> None:
    names = [f"/p{chr(97 + number)}.html" for number in range(25)]
    site.write("index.html", html("Home", *names))
    for name in names:
        site.write(name[1:], html("P", head='<link rel="canonical" href="/">'))
    assert list(failures(site, reader.pull(site.url("/"))).values()) == ["canonical_shared"]


def test_an_unchanged_page_is_asked_for_by_its_etag_and_its_links_are_remembered(
    site: Nginx, reader: Reader
) -> None:
    site.write("index.html", html("Home", "/a.html"))
    site.write("a.html", html("A", "/b.html"))
    site.write("b.html", html("B"))
    assert len(paths(site, reader.pull(site.url("/")))) == 3
    before = len(site.requests())
    changes = reader.pull(site.url("/"))
    assert sum(isinstance(change, Unchanged) for change in changes) == 3
    assert [line.split()[-1] for line in site.requests()[before:]] == ["404", "304", "304", "304"]
    site.write("a.html", html("A, changed", "/b.html", "/c.html"))
    site.write("c.html", html("C"))
    assert paths(site, reader.pull(site.url("/"))) == ["/a.html", "/c.html"]


def test_pages_are_known_again_when_the_scratch_folder_is_lost(site: Nginx, reader: Reader) -> None:
    site.write("index.html", html("Home", "/a.html"))
    site.write("a.html", html("A"))
    reader.pull(site.url("/"))
    reader.scratch = reader.scratch / "new"
    changes = reader.pull(site.url("/"))
    assert sum(isinstance(change, Unchanged) for change in changes) == 2 and paths(site, changes) == []


def test_a_checkpoint_is_short_and_one_of_a_lost_crawl_begins_again(site: Nginx, reader: Reader) -> None:
    names = [f"/{number:04}.html" for number in range(120)]
    site.write("index.html", html("Home", *names))
    for name in names:
        site.write(name[1:], html(name))
    changes = reader.pull(site.url("/"))
    states = [change.state for change in changes if isinstance(change, Checkpoint) and not change.last]
    assert len(states) == 2 and all(len(state) < 40 for state in states)
    lost = Reader(reader.scratch / "elsewhere").connector(site.url("/"))
    assert len(documents(list(lost.pull(states[1], lambda _: None)))) == 121
    lost.close()


def test_damaged_files_of_earlier_runs_are_made_anew(site: Nginx, reader: Reader) -> None:
    site.write("index.html", html("Home"))
    reader.pull(site.url("/"))
    names = [path for path in reader.scratch.iterdir() if path.name.endswith(".sqlite")]
    assert len(names) == 2
    for path in names:
        path.write_bytes(b"damaged " * 500)
    crawl = next(path.stem.removeprefix("crawl-") for path in names if path.name.startswith("crawl-"))
    connector = reader.connector(site.url("/"))
    assert len(documents(list(connector.pull(f"{crawl}:1", lambda _: None)))) == 1
    connector.close()


def test_a_crawl_interrupted_between_checkpoints_goes_on_at_the_last_one(site: Nginx, reader: Reader) -> None:
    names = [f"/{number:04}.html" for number in range(150)]
    site.write("index.html", html("Home", *names[:75]))
    for number, name in enumerate(names):
        site.write(name[1:], html(name, names[(number + 75) % 150]))
    whole = [c for c in reader.pull(site.url("/")) if isinstance(c, Upsert)]
    first = reader.connector(site.url("/"))
    before: list[Upsert] = []
    pulling, state, kept = first.pull("", lambda _: None), "", 0
    for change in pulling:
        if isinstance(change, Checkpoint):
            state, kept = change.state, len(before)
        elif isinstance(change, Upsert):
            before.append(change)
        if len(before) == 120:
            break
    pulling.close()  # type: ignore[attr-defined]
    first.close()
    second = reader.connector(site.url("/"))
    rest = [c for c in second.pull(state, lambda _: None) if isinstance(c, Upsert)]
    assert [c.document.external_id for c in before[:kept] + rest] == [c.document.external_id for c in whole]
    assert sorted(second.list_ids()) == sorted(c.document.external_id for c in whole)
    second.close()


def test_redirects_are_followed_within_the_site_only(site: Nginx, reader: Reader) -> None:
    site.write("index.html", html("Home", "/to-metadata", "/to-localhost", "/to-b.html", "/circle"))
    site.write("b.html", html("B"))
    changes = reader.pull(site.url("/"))
    assert paths(site, changes) == ["/", "/b.html"]
    assert failures(site, changes) == {"/circle": "too_many_redirects"}


def test_a_page_that_moved_for_good_says_from_where(site: Nginx, reader: Reader) -> None:
    site.write("index.html", html("Home", "/to-b.html"))
    site.write("b.html", html("B"))
    reader.known[site.url("/to-b.html")] = "old"
    assert documents(reader.pull(site.url("/")))["b.html"].moved_from == site.url("/to-b.html")


def test_an_internal_site_is_refused_until_it_is_allowed(site: Nginx, reader: Reader) -> None:
    site.write("index.html", html("Home"))
    with pytest.raises(UnavailableError) as caught:
        reader.pull(site.url("/"), allowed_hosts=[])
    assert caught.value.code == "address_refused"
    check = reader.check(site.url("/"), allowed_hosts=[])
    assert not check.ok and "internal hosts" in check.message


def test_pages_that_cannot_be_read_are_named(site: Nginx, reader: Reader) -> None:
    links = ["secret", "gone", "staff", "broken", "soft", "script", "big", "missing"]
    site.write("index.html", html("Home", *(f"/{name}.html" for name in links), "/picture", "/a.pdf"))
    site.write("accounts/login", html("Sign in"))
    site.write("soft.html", html("Page not found"))
    site.write(
        "script.html", '<html><body><div id="root"></div><script src="/app.js"></script></body></html>'
    )
    site.write("big.html", html("Big", text="word " * 60_000))
    site.write("picture", b"\x89PNG")
    site.write("a.pdf", b"%PDF-1.4 not really")
    changes = reader.pull(site.url("/"))
    assert failures(site, changes) == {
        "/secret.html": "permission_denied",
        "/staff.html": "permission_denied",
        "/broken.html": "server_error",
        "/soft.html": "soft_not_found",
        "/script.html": "needs_javascript",
        "/big.html": "too_large",
        "/picture": "unsupported_format",
    }
    assert documents(changes)["a.pdf"].media_type == "application/pdf"


@pytest.mark.parametrize(
    ("title", "missing"),
    [
        *(
            ("404", True),
            ("Error 404 - Handbook", True),
            ("404: Not found", True),
            ("Seite nicht gefunden", True),
        ),
        *(("Page 404", False), ("Room 404 of 500", False), ("What we found", False)),
    ],
)
def test_only_a_title_that_says_so_makes_a_page_missing(title: str, missing: bool) -> None:
    assert read_page(html(title), "http://x.example/").says_not_found == missing


def test_a_page_that_could_not_be_had_leaves_the_listing_unsure(site: Nginx, reader: Reader) -> None:
    site.write("index.html", html("Home", "/broken.html"))
    connector = reader.connector(site.url("/"))
    list(connector.pull("", lambda _: None))
    with pytest.raises(UnavailableError) as caught:
        list(connector.list_ids())
    assert caught.value.code == "listing_incomplete"
    connector.close()


def test_what_is_gone_is_deleted_once_it_was_held(site: Nginx, reader: Reader) -> None:
    site.write("index.html", html("Home", "/gone.html", "/a.html"))
    reader.known = {site.url("/gone.html"): "x", site.url("/a.html"): "y"}
    deleted = [c.external_id for c in reader.pull(site.url("/")) if isinstance(c, Delete)]
    assert deleted == [site.url("/gone.html"), site.url("/a.html")]


def test_a_site_that_asks_to_be_left_alone_is(site: Nginx, reader: Reader) -> None:
    site.write("index.html", html("Home", "/busy.html"))
    with pytest.raises(SourceWaitError) as caught:
        reader.pull(site.url("/"))
    assert caught.value.retry_after_seconds == 3600 and caught.value.code == "rate_limited"


def test_depth_patterns_and_the_limit_of_pages(site: Nginx, reader: Reader) -> None:
    site.write("index.html", html("Home", "/docs/a.html", "/news/x.html"))
    site.write("docs/a.html", html("A", "/docs/b.html"))
    site.write("docs/b.html", html("B", "/docs/c.html"))
    site.write("docs/c.html", html("C"))
    site.write("news/x.html", html("X"))
    start = site.url("/")
    assert paths(site, reader.pull(start, max_depth=1)) == ["/", "/docs/a.html", "/news/x.html"]
    reader.known.clear()
    only = paths(site, reader.pull(start, include=["docs/**"]))
    assert only == ["/", "/docs/a.html", "/docs/b.html", "/docs/c.html"]
    reader.known.clear()
    assert "/news/x.html" not in paths(site, reader.pull(start, exclude=["news/"]))
    reader.known.clear()
    changes = reader.pull(start, max_pages=2)
    assert len(paths(site, changes)) == 2 and failures(site, changes) == {"/#over-the-limit": "page_limit"}


def test_an_endless_calendar_and_a_growing_path_end(site: Nginx, reader: Reader) -> None:
    site.write(
        "index.html", html("Home", *(f"/cal/{number}.html" for number in range(40)), "/x/y/x/y/x/y/x/y/")
    )
    for number in range(40):
        site.write(f"cal/{number}.html", html(f"Day {number}"))
    changes = reader.pull(site.url("/"), max_pages_of_a_pattern=10)
    assert len(paths(site, changes)) == 11
    assert sorted(failures(site, changes).values()) == ["crawl_trap", "crawl_trap"]


def test_a_password_opens_the_site_and_goes_nowhere_else(site: Nginx, reader: Reader) -> None:
    site.write("members/index.html", html("Members"))
    start = site.url("/members/")
    with pytest.raises(InputError) as caught:
        reader.pull(start)
    assert caught.value.code == "sign_in_failed"
    signed_in: dict[str, Any] = {"user_name": "ada", "password": "s3cret"}
    assert paths(site, reader.pull(start, **signed_in)) == ["/members"]
    connector = reader.connector(start, **signed_in)
    assert connector.check().ok
    assert "s3cret" not in repr(connector.check()) + repr(WebSettings(start_urls=(start,), **signed_in))
    connector.close()


def test_letters_come_right_whatever_the_page_says_of_them(site: Nginx, reader: Reader) -> None:
    site.write("index.html", html("Home", "/latin.html", "/meta.html", "/liar.html"))
    site.write("latin.html", "<title>Café</title><p>Ouvert même l'été.</p>".encode("latin-1"))
    site.write("meta.html", '<meta charset="shift_jis"><title>日本</title><p>日本語</p>'.encode("shift_jis"))
    site.write("liar.html", '<meta charset="utf-8"><title>Straße</title>'.encode("cp1252"))
    found = documents(reader.pull(site.url("/")))
    assert [found[f"{name}.html"].title for name in ("latin", "meta", "liar")] == ["Café", "日本", "Straße"]
    assert "été" in found["latin.html"].content.decode("utf-8-sig")


def test_one_document_is_read_alone(site: Nginx, reader: Reader) -> None:
    site.write("index.html", html("Home", "/a/", "/secret.html"))
    site.write("a/index.html", html("A"))
    reader.pull(site.url("/"))
    connector = reader.connector(site.url("/"))
    upsert = connector.fetch(site.url("/a"))
    assert isinstance(upsert, Upsert) and upsert.document.title == "A"
    assert isinstance(connector.fetch(site.url("/secret.html")), Failure)
    for name in ("/never.html", "/#over-the-limit", "/a/"):
        assert connector.fetch(site.url(name)) == Delete(site.url(name))
    connector.close()


def test_a_start_that_leads_elsewhere_or_nowhere_is_said(site: Nginx, reader: Reader) -> None:
    for path, code in (("/to-metadata", "redirects_elsewhere"), ("/none.html", "start_not_found")):
        with pytest.raises(InputError) as caught:
            reader.pull(site.url(path))
        assert caught.value.code == code
        check = reader.check(site.url(path))
        assert not check.ok and check.findings[-1].remedy
    with pytest.raises(UnavailableError):
        reader.pull(site.url("/broken.html"))


def test_a_site_of_bad_pages_costs_failures_and_nothing_else(bad: BadServer, reader: Reader) -> None:
    names = ["/endless-body", "/bomb", "/broken-gzip", "/brotli", "/loop", "/wrong-charset"]
    body = html("Home", *names).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {len(body)}\r\n\r\n"
    bad.answers["/"] = head.encode() + body
    changes = reader.pull(bad.url("/"))
    assert {c.external_id.rpartition("/")[2]: c.code for c in changes if isinstance(c, Failure)} == {
        "endless-body": "too_large",
        "bomb": "too_large",
        "broken-gzip": "unreadable_answer",
        "brotli": "unreadable_answer",
        "loop": "too_many_redirects",
    }
    assert "Café" in (documents(changes)["wrong-charset"].title or "")


def test_a_site_that_fails_again_and_again_ends_the_reading(bad: BadServer, reader: Reader) -> None:
    body = html("Home", *(f"/cut?{number}" for number in range(9))).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {len(body)}\r\n\r\n"
    bad.answers["/"] = head.encode() + body
    with pytest.raises(UnavailableError) as caught:
        reader.pull(bad.url("/"))
    assert caught.value.code == "source_unreachable"


@pytest.mark.parametrize(
    "settings",
    [
        {"start_urls": []},
        {"start_urls": ["ftp://example.com/"]},
        {"start_urls": ["https://ada:s3cret@example.com/"]},
        {"start_urls": ["https://example.com/"], "secret_header": "s3cret"},
        {"start_urls": ["https://example.com/"], "secret_header": "X: s3cret\r\nHost: y"},
        {"start_urls": ["https://example.com/"], "secret_header": "X Y: s3cret"},
        {"start_urls": ["https://example.com/"], "max_pages": 0},
    ],
)
def test_settings_that_cannot_be_are_refused_without_their_secrets(settings: dict[str, Any]) -> None:
    with pytest.raises(RungError) as caught:
        read_settings("web", settings)
    assert caught.value.code == "invalid_source_settings"
    assert "s3cret" not in caught.value.message
    assert json.dumps(caught.value.message)
