"""A web site as a source."""

import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from app.core.errors import RungError, UnavailableError
from ingest.connector import (
    About,
    Change,
    Check,
    Checkpoint,
    ConnectorSettings,
    Delete,
    Estimate,
    Failure,
    Finding,
    KnownRevision,
    ReadContext,
    Upsert,
)
from ingest.connectors.web.addresses import document_id, normalise
from ingest.connectors.web.cache import PageCache
from ingest.connectors.web.crawl import Crawl
from ingest.connectors.web.frontier import Frontier, Place
from ingest.connectors.web.page import read_page, to_text
from ingest.connectors.web.settings import WebSettings
from ingest.connectors.web.site import PageError, Site

_ESTIMATE_SECONDS = 8.0


class WebConnector:
    """Reads the pages of a site and the documents that they link to. Ids are addresses."""

    kind: ClassVar[str] = "web"
    about: ClassVar[About] = About(
        title="Web site",
        summary="The pages of a site, found by its sitemap or by their links, and the documents on it.",
        needs="The site's address; a name and a password where it asks for them.",
        tells_access=False,
    )
    settings_type: ClassVar[type[ConnectorSettings]] = WebSettings
    lists_quickly: ClassVar[bool] = False

    def __init__(self, settings: WebSettings, context: ReadContext) -> None:
        self._settings = settings
        self._context = context
        self._site = Site(settings, context)
        self._temporary = Path(tempfile.mkdtemp()) if context.scratch is None else None
        self._folder = context.scratch or self._temporary or Path()
        self._cache = PageCache(self._folder)
        self._frontier: Frontier | None = None
        self._passed: Crawl | None = None

    def check(self) -> Check:
        """Reaches each start page, asks robots.txt and the sitemap, and looks at what the page is."""
        findings: list[Finding] = []
        for url in self._settings.start_urls:
            findings.extend(self._look_at(url))
        if all(finding.ok for finding in findings) and self._settings.mode != "crawl":
            findings.append(self._look_for_sitemap())
        wrong = next((finding for finding in findings if not finding.ok), None)
        if wrong is not None:
            return Check(False, f"{wrong.what} {wrong.remedy}".strip(), tuple(findings))
        return Check(True, "The site can be read.", tuple(findings))

    def estimate(self) -> Estimate:
        """What the sitemap lists, or what a crawl of some seconds finds."""
        frontier = Frontier(Path(":memory:"), "estimate")
        crawl = self._crawl(frontier, lambda _: None)
        try:
            listed = crawl.seed()
            if listed and self._settings.mode == "sitemap":
                return Estimate(frontier.count())
            until, number = time.monotonic() + _ESTIMATE_SECONDS, 0
            while (place := frontier.after(number)) is not None:
                if time.monotonic() > until or self._context.stopping():
                    return Estimate(max(listed, frontier.count()), at_least=True)
                list(crawl.visit(place))
                number = place.number
            return Estimate(len(frontier.told()))
        finally:
            frontier.close()

    def pull(self, checkpoint: str, known: KnownRevision) -> Iterator[Change]:
        """See `Connector.pull`. A checkpoint whose crawl is no longer in the scratch folder begins again."""
        if self._frontier is not None:
            self._frontier.close()
        self._passed = None
        resumed = Frontier.resume(self._folder, checkpoint) if checkpoint else None
        self._frontier, after = resumed or (Frontier.begin(self._folder), 0)
        crawl = self._crawl(self._frontier, known)
        if resumed is None:
            crawl.seed()
        yield from crawl.run(after)
        self._passed = crawl
        yield Checkpoint("", last=True)

    def fetch(self, external_id: str) -> Upsert | Delete | Failure:
        """See `Connector.fetch`."""
        url = self._cache.url_of(external_id) or normalise(external_id)
        if url is None or document_id(normalise(external_id) or "") != external_id:
            return Delete(external_id)
        frontier = Frontier(Path(":memory:"), "fetch")
        try:
            crawl = self._crawl(frontier, lambda _: None)
            for change in crawl.visit(Place(1, url, self._settings.max_depth, listed=True, start=False)):
                if isinstance(change, Upsert) and change.document.external_id == external_id:
                    return change
                if isinstance(change, Failure) and change.external_id == external_id:
                    return change
            return Delete(external_id)
        finally:
            frontier.close()

    def list_ids(self) -> Iterator[str]:
        """What the pass just made has met; without one, a new pass that asks for changes only."""
        if self._passed is not None and self._frontier is not None:
            yield from self._listed(self._passed, self._frontier)
            return
        frontier = Frontier.begin(self._folder / "listing")
        try:
            crawl = self._crawl(frontier, self._cache.revision_of)
            crawl.seed()
            for _ in crawl.run(0):
                if self._context.stopping():
                    raise UnavailableError("The listing was stopped.", code="listing_incomplete")
            yield from self._listed(crawl, frontier)
        finally:
            frontier.close(remove=True)

    def close(self) -> None:
        """See `Connector.close`."""
        if self._frontier is not None:
            self._frontier.close()
            self._frontier = None
        self._cache.close()
        self._site.close()
        if self._temporary is not None:
            shutil.rmtree(self._temporary, ignore_errors=True)

    def _crawl(self, frontier: Frontier, known: KnownRevision) -> Crawl:
        return Crawl(self._settings, self._context, self._site, self._cache, frontier, known)

    def _listed(self, crawl: Crawl, frontier: Frontier) -> list[str]:
        if crawl.unsure:
            raise UnavailableError(
                "Some pages could not be read, so what they lead to is not known; the next sync looks again.",
                code="listing_incomplete",
            )
        return frontier.told()

    def _look_at(self, url: str) -> Iterator[Finding]:
        try:
            robots = self._site.robots(url)
            if not robots.allows(url):
                remedy = "Ask whoever runs the site to allow the robot Rung in robots.txt."
                yield Finding(False, f"{url}: robots.txt asks Rung not to read it.", remedy)
                return
            answer = self._site.page(url)
        except PageError as error:
            yield Finding(False, f"{url}: {error.reason}")
            return
        except RungError as error:
            yield Finding(False, error.message)
            return
        yield Finding(True, f"{url} can be reached and robots.txt allows to read it.")
        yield self._look_at_answer(url, answer.status, answer.left_site, answer.content, dict(answer.headers))

    def _look_at_answer(
        self, url: str, status: int, left: str, content: bytes, headers: dict[str, str]
    ) -> Finding:
        if left:
            return Finding(False, f"{url} leads to {left}.", "Give that address as a start address.")
        if status in (401, 403):
            return Finding(False, f"{url} asks to sign in.", "Fill in the user name and the password.")
        if status != 200:
            return Finding(False, f"{url} answers {status}.", "Correct the start address.")
        content_type = headers.get("content-type", "text/html")
        if "html" not in content_type:
            return Finding(True, f"{url} is a document ({content_type}).")
        page = read_page(to_text(content, content_type), url)
        if page.asks_to_sign_in:
            return Finding(
                False, f"{url} is a page to sign in at.", "Give the site's own sign-in a secret header."
            )
        if page.needs_javascript:
            remedy = "Choose to read the sitemap, or connect the system that the text comes from."
            return Finding(False, f"The text of {url} is made by scripts, which Rung does not run.", remedy)
        return Finding(True, f"Its title is {page.title!r}." if page.title else "The page has no title.")

    def _look_for_sitemap(self) -> Finding:
        frontier = Frontier(Path(":memory:"), "check")
        try:
            pages = len(set(self._crawl(frontier, lambda _: None).listed()))
        except RungError as error:
            return Finding(self._settings.mode != "sitemap" and "invalid" not in error.code, error.message)
        finally:
            frontier.close()
        if pages:
            return Finding(True, f"The sitemap lists {pages:,} pages to read.")
        if self._settings.mode == "sitemap":
            return Finding(False, "No sitemap with pages was found.", "Name its address, or follow links.")
        return Finding(True, "There is no sitemap; pages are found by their links.")
