"""One pass over a site: which page comes next, and what is handed over for it."""

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from app.core.errors import InputError, UnavailableError
from ingest.connector import (
    Change,
    Checkpoint,
    Delete,
    Failure,
    KnownRevision,
    ReadContext,
    Unchanged,
    Upsert,
)
from ingest.connectors.paths import PathPatterns
from ingest.connectors.web import addresses
from ingest.connectors.web.cache import PageCache, Remembered
from ingest.connectors.web.frontier import Frontier, Place
from ingest.connectors.web.page import Page, media_type_of, read_page, to_text
from ingest.connectors.web.robots import looks_like_html, sitemap_pages
from ingest.connectors.web.settings import WebSettings
from ingest.connectors.web.site import MAY_PASS, Answer, PageError, Site
from ingest.document import SourceDocument
from ingest.parsing.formats import supports, unsupported

_CHECKPOINT_EVERY = 50
_FAILING_AT_ONCE = 5
_PAGES_OF_A_CANONICAL = 20
_UNSURE = "unsure"


class Crawl:
    """Visits each address of a frontier once, in its order.

    Args:
        known: the revision held of an id. A page that is still at it is not asked for again in full.
    """

    def __init__(
        self,
        settings: WebSettings,
        context: ReadContext,
        site: Site,
        cache: PageCache,
        frontier: Frontier,
        known: KnownRevision,
    ) -> None:
        self._settings = settings
        self._context = context
        self._site = site
        self._cache = cache
        self._frontier = frontier
        self._known = known
        self._patterns = PathPatterns(settings.include, settings.exclude)
        self._failing = 0

    def seed(self) -> int:
        """Begins: the start pages, then what the sitemaps list, sorted. Tells how many the sitemaps list.

        Raises:
            UnavailableError: `sitemap_missing` where only a sitemap is to be read, `sitemap_invalid`.
        """
        if self._settings.mode != "sitemap":
            for url in self._settings.start_urls:
                self._frontier.add(addresses.document_id(url), url, depth=0, start=True)
        if self._settings.mode == "crawl":
            return 0
        listed = sorted(set(self.listed()))
        if not listed and self._settings.mode == "sitemap":
            raise UnavailableError(
                "No sitemap with pages of this site was found. Name the sitemap's address, or choose to find "
                "pages by their links.",
                code="sitemap_missing",
            )
        for url in listed:
            if self._has_room():
                self._frontier.add(addresses.document_id(url), url, depth=0, listed=True)
        return len(listed)

    def listed(self) -> Iterator[str]:
        """The pages that the site's sitemaps list and the settings want."""
        for start in dict.fromkeys(map(_origin, self._settings.start_urls)):
            named = self._settings.sitemap_url
            first = (
                [named] if named else self._site.robots(f"{start}/").sitemaps() or [f"{start}/sitemap.xml"]
            )
            inside = [url for url in first if url == named or self._site.belongs(url)]
            guessed = first == [f"{start}/sitemap.xml"]
            read = self._site.file if not guessed else self._guessed
            for url in sitemap_pages(inside, read, self._site.belongs):
                if self._wanted(url):
                    yield url

    def _guessed(self, url: str) -> bytes | None:
        """A sitemap where one may be: many sites answer with a page of their own instead."""
        content = self._site.file(url)
        return None if content is not None and looks_like_html(content) else content

    def run(self, after: int) -> Iterator[Change]:
        """Every change after the address of this number, with checkpoints, without the last one."""
        number, since = after, 0
        while (place := self._frontier.after(number)) is not None:
            yield from self.visit(place)
            number, since = place.number, since + 1
            if since == _CHECKPOINT_EVERY:
                yield Checkpoint(self._frontier.checkpoint(number))
                since = 0
        self._frontier.checkpoint(number)

    @property
    def unsure(self) -> bool:
        """Whether pages may be missing because one that leads to them could not be had."""
        return self._frontier.noted(_UNSURE) is not None

    def visit(self, place: Place) -> Iterator[Change]:
        """What one address gives: a document, a failure, or nothing."""
        own = addresses.document_id(place.url)
        if self._frontier.was_told(own):
            return
        before = self._cache.get(place.url)
        asked = before if before is not None and self._still_held(before) else None
        try:
            if not self._site.allows(place.url):
                if place.start:
                    raise _start(place, "robots_disallow", "its robots.txt asks Rung not to read it")
                return
            answer = self._site.page(
                place.url, etag=asked.etag if asked else "", modified=asked.modified if asked else ""
            )
        except PageError as error:
            yield from self._failed(place, error, before)
            return
        self._failing = 0
        yield from self._answered(place, answer, asked)

    def _answered(self, place: Place, answer: Answer, asked: Remembered | None) -> Iterator[Change]:
        signs_in = addresses.is_sign_in(answer.left_site or answer.url)
        if answer.status == 304 and asked is not None:
            if asked.document_id and self._frontier.tell(asked.document_id, place.number):
                yield Unchanged(asked.document_id, self._context.default_access)
            yield from self._offer(place, asked.links)
        elif answer.status in (401, 403) or (signs_in and not addresses.is_sign_in(place.url)):
            yield from self._asks_to_sign_in(place)
        elif answer.status == 200 and not answer.left_site:
            yield from self._content(place, answer)
        else:
            yield from self._not_there(place, answer)

    def _not_there(self, place: Place, answer: Answer) -> Iterator[Change]:
        own = addresses.document_id(place.url)
        if answer.left_site:
            if place.start:
                reason = f"it leads to {answer.left_site}; give that address"
                raise _start(place, "redirects_elsewhere", reason)
        elif answer.status in (404, 410):
            if place.start:
                reason = f"the site answers {answer.status}; correct the address"
                raise _start(place, "start_not_found", reason)
            if self._known(own) is not None:
                yield Delete(own)
        else:
            yield from self._failure(place, own, "unreadable", f"The site answers {answer.status} for it.")

    def _asks_to_sign_in(self, place: Place) -> Iterator[Change]:
        if place.start:
            raise _start(place, "sign_in_failed", "it asks to sign in; check the name and the password")
        own = addresses.document_id(place.url)
        yield from self._failure(place, own, "permission_denied", "The site asks to sign in for it.")

    def _content(self, place: Place, answer: Answer) -> Iterator[Change]:
        media_type = media_type_of(answer.headers.get("content-type", ""))
        if not media_type and addresses.is_page_name(answer.url):
            media_type = "text/html"
        if media_type in ("text/html", "application/xhtml+xml"):
            yield from self._page(place, answer)
            return
        own, name = addresses.document_id(answer.url), addresses.file_name_of(answer.url)
        if not supports(name, media_type):
            yield from self._failure(place, own, "unsupported_format", unsupported(name).reason)
        elif "noindex" not in answer.headers.get("x-robots-tag", "").lower():
            yield from self._document(place, answer, own, answer.content, media_type, Page())

    def _page(self, place: Place, answer: Answer) -> Iterator[Change]:
        text = to_text(answer.content, answer.headers.get("content-type", ""))
        page = read_page(text, answer.url, answer.headers.get("x-robots-tag", ""))
        own = addresses.document_id(answer.url)
        canonical = page.canonical if page.canonical and self._site.belongs(page.canonical) else None
        if page.asks_to_sign_in and (place.start or answer.url != place.url):
            yield from self._asks_to_sign_in(place)
            return
        if page.says_not_found:
            reason = "The site says on it that it does not exist, but answers 200; it should answer 404."
            yield from self._failure(place, own, "soft_not_found", reason)
        elif page.needs_javascript:
            reason = (
                "Its text is made by scripts in the browser, which Rung does not run. Have the site serve "
                "the text itself, or connect the system that the text comes from."
            )
            yield from self._failure(place, own, "needs_javascript", reason)
        elif not page.index:
            self._remember(place, answer, "", "", page.links)
        elif canonical and addresses.document_id(canonical) != own:
            yield from self._elsewhere(place, own, canonical)
        else:
            # Marked as UTF-8, whatever its own head still says.
            content = b"\xef\xbb\xbf" + text.encode("utf-8", errors="replace")
            yield from self._document(place, answer, own, content, "text/html", page)
        yield from self._offer(place, page.links)

    def _document(
        self, place: Place, answer: Answer, name: str, content: bytes, media_type: str, page: Page
    ) -> Iterator[Change]:
        revision = _revision(answer)
        self._remember(place, answer, name, revision, page.links)
        if not self._frontier.tell(name, place.number):
            return
        if self._known(name) == revision:
            yield Unchanged(name, self._context.default_access)
            return
        old = addresses.document_id(place.url)
        moved = answer.moved_for_good and old != name and self._known(old) is not None
        yield Upsert(
            SourceDocument(
                external_id=name,
                file_name=addresses.file_name_of(answer.url),
                content=content,
                revision=revision,
                access=self._context.default_access,
                url=answer.url,
                title=page.title,
                author=page.author,
                updated_at=page.updated_at or _moment(answer.headers.get("last-modified", "")),
                media_type=media_type,
                moved_from=old if moved else None,
            )
        )

    def _elsewhere(self, place: Place, own: str, canonical: str) -> Iterator[Change]:
        """A page that is another address's copy: that address is read in its place."""
        if self._wanted(canonical):
            self._frontier.add(
                addresses.document_id(canonical), canonical, depth=place.depth, listed=place.listed
            )
        if self._frontier.pages_of(f"canonical {canonical}") == _PAGES_OF_A_CANONICAL:
            reason = (
                f"It and many other pages name {canonical} as their canonical address, so only that one is "
                "read. If each has a text of its own, correct the canonical links at the site."
            )
            yield from self._failure(place, own, "canonical_shared", reason)

    def _failed(self, place: Place, error: PageError, before: Remembered | None) -> Iterator[Change]:
        if error.code in MAY_PASS:
            self._failing += 1
            if place.start or self._failing >= _FAILING_AT_ONCE:
                raise UnavailableError(f"{place.url}: {error.reason}", code=error.code)
            if before is None and self._settings.mode != "sitemap":
                self._frontier.note(_UNSURE, place.url)
        yield from self._failure(place, addresses.document_id(place.url), error.code, error.reason)
        if before is not None:
            yield from self._offer(place, before.links)

    def _failure(self, place: Place, name: str, code: str, reason: str) -> Iterator[Failure]:
        if self._frontier.tell(name, place.number):
            yield Failure(name, code, reason)

    def _offer(self, place: Place, links: tuple[str, ...]) -> Iterator[Failure]:
        """Takes up the links of a page that are wanted and new."""
        if self._settings.mode == "sitemap" or place.depth >= self._settings.max_depth:
            return
        for link in links:
            key = addresses.document_id(link)
            if not self._wanted(link) or self._frontier.has(key):
                continue
            pattern = addresses.pattern_of(link)
            if addresses.grows_by_itself(link):
                # Named once for all that begin alike.
                yield from self._trap(place, "/".join(pattern.split("/")[:3]) + "/…")
            elif "#" in pattern and self._frontier.pages_of(pattern) > self._settings.max_pages_of_a_pattern:
                yield from self._trap(place, pattern)
            elif self._has_room():
                self._frontier.add(key, link, depth=place.depth + 1)
            else:
                yield from self._failure(
                    place,
                    f"{self._settings.start_urls[0]}#over-the-limit",
                    "page_limit",
                    f"The site has more than {self._settings.max_pages:,} pages; raise the limit, or "
                    "exclude paths.",
                )

    def _trap(self, place: Place, pattern: str) -> Iterator[Failure]:
        reason = (
            "Addresses of this form go on without end, as a calendar's do; no more of them are followed. "
            "Exclude the path, or raise the number of pages of one pattern."
        )
        yield from self._failure(place, pattern, "crawl_trap", reason)

    def _wanted(self, url: str) -> bool:
        inside = self._site.belongs(url) and not addresses.is_media(url)
        return inside and self._patterns.wants(addresses.path_of(url))

    def _has_room(self) -> bool:
        return self._frontier.count() < self._settings.max_pages

    def _still_held(self, before: Remembered) -> bool:
        return not before.document_id or self._known(before.document_id) == before.revision

    def _remember(
        self, place: Place, answer: Answer, name: str, revision: str, links: tuple[str, ...]
    ) -> None:
        etag, modified = answer.headers.get("etag", ""), answer.headers.get("last-modified", "")
        self._cache.put(place.url, Remembered(etag, modified, name, revision, links))


def _revision(answer: Answer) -> str:
    return (
        answer.headers.get("etag")
        or answer.headers.get("last-modified")
        or hashlib.sha256(answer.content).hexdigest()
    )


def _moment(text: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _origin(url: str) -> str:
    return "/".join(url.split("/", 3)[:3])


def _start(place: Place, code: str, reason: str) -> InputError:
    return InputError(f"The start address {place.url} cannot be read: {reason}.", code=code)
