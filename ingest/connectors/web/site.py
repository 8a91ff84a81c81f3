"""Asking a site for pages: politely, within its rules, and never anywhere else."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import httpx

from app.core.errors import UnavailableError
from app.core.outgoing import Outgoing, OutgoingError, reaching, read_limited, retry_after_seconds
from ingest.connector import ReadContext
from ingest.connectors.web.addresses import host_of, normalise, same_site
from ingest.connectors.web.robots import MAX_SITEMAP_BYTES, Robots
from ingest.connectors.web.settings import WebSettings
from ingest.remote import SourceWaitError, TryAgainError

_MAX_ROBOTS_BYTES = 512_000
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MAX_HOPS = 5
_SERVER_ERROR = "server_error"
MAY_PASS = frozenset({_SERVER_ERROR, "source_unreachable", "source_timeout", "unreadable_answer"})
"""Codes of a page that could not be had now: it may be there tomorrow."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back for a page. `url` is where it was found, `left_site` where a redirect leads out."""

    url: str
    status: int
    headers: httpx.Headers = field(default_factory=httpx.Headers)
    content: bytes = b""
    left_site: str = ""
    moved_for_good: bool = False


class PageError(Exception):
    """One page that cannot be had; the site itself answers."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason


class Site:
    """The hosts of one source.

    Args:
        outgoing: for tests; made from the settings by default.
    """

    def __init__(
        self, settings: WebSettings, context: ReadContext, *, outgoing: Outgoing | None = None
    ) -> None:
        self._settings = settings
        self._context = context
        self._hosts = tuple(dict.fromkeys(map(host_of, settings.start_urls)))
        self._secrets = settings.secret_headers()
        self._outgoing = outgoing or Outgoing(settings.allowed_hosts, ca_file=settings.ca_file)
        self._client = self._outgoing.client()
        self._robots: dict[str, Robots] = {}
        self._next = 0.0

    def belongs(self, url: str) -> bool:
        return same_site(url, self._hosts, subdomains=self._settings.subdomains)

    def robots(self, url: str) -> Robots:
        """The rules of the address's host, read once.

        Raises:
            SourceWaitError: it cannot be read now, so nobody knows what the site allows.
        """
        origin = _origin(url)
        if origin not in self._robots:
            self._robots[origin] = Robots(self.file(f"{origin}/robots.txt", _MAX_ROBOTS_BYTES))
        return self._robots[origin]

    def allows(self, url: str) -> bool:
        """Whether the host's robots.txt lets this page be read.

        Raises:
            PageError: nobody can say, and the host is only one of the subdomains.
            OutgoingError, SourceWaitError: the site does not answer.
        """
        try:
            return self.robots(url).allows(url)
        except UnavailableError as error:
            if host_of(url) in self._hosts:
                raise
            raise PageError(error.code, error.message) from error

    def file(self, url: str, max_bytes: int = MAX_SITEMAP_BYTES) -> bytes | None:
        """A file that need not be there.

        Raises:
            OutgoingError, SourceWaitError: the site does not answer.
        """
        try:
            answer = self._follow(url, {}, max_bytes, lambda _: True)
        except PageError:
            return None  # it redirects in a circle
        return answer.content if answer.status == 200 else None

    def page(self, url: str, *, etag: str = "", modified: str = "") -> Answer:
        """A page, after redirects within the site that its robots.txt allows.

        Raises:
            PageError: this page cannot be had.
            OutgoingError, SourceWaitError: the site does not answer, or asks to be left alone.
        """
        headers = {}
        if etag:
            headers["If-None-Match"] = etag
        elif modified:
            headers["If-Modified-Since"] = modified
        try:
            return self._follow(url, headers, self._context.max_file_bytes, self.allows)
        except SourceWaitError as error:
            if error.code in MAY_PASS:
                raise PageError(error.code, f"{error.message} It is tried again at the next sync.") from error
            raise
        except OutgoingError as error:
            of_page = error.code in ("too_large", "unreadable_answer", "too_many_redirects")
            if of_page or host_of(url) not in self._hosts:
                raise PageError(error.code, error.message) from error
            raise

    def close(self) -> None:
        self._client.close()

    def _follow(
        self, url: str, headers: dict[str, str], max_bytes: int, allowed: Callable[[str], bool]
    ) -> Answer:
        here, for_good = url, True
        for hop in range(_MAX_HOPS + 1):
            asked = here
            answer = self._context.calls.run(
                host_of(asked),
                lambda asked=asked: self._once(asked, headers, max_bytes),  # type: ignore[misc]
            )
            target = answer.headers.get("location") if answer.status in _REDIRECTS else None
            if not target:
                return Answer(
                    here, answer.status, answer.headers, answer.content, moved_for_good=for_good and hop > 0
                )
            for_good = for_good and answer.status in (301, 308)
            there = normalise(target, here)
            if there is None or not self.belongs(there) or not allowed(there):
                return Answer(here, answer.status, left_site=there or target[:200])
            here = there
        raise PageError("too_many_redirects", "It redirects in a circle; mend it at the site.")

    def _once(self, url: str, headers: dict[str, str], max_bytes: int) -> Answer:
        self._wait(url)
        secrets = self._secrets if host_of(url) in self._hosts else {}
        host = host_of(url)
        try:
            with reaching(host), self._client.stream("GET", url, headers={**headers, **secrets}) as response:
                if response.status_code == 429 or response.status_code >= 500:
                    raise _try_again(host, response)
                content = read_limited(response, max_bytes) if response.status_code == 200 else b""
                return Answer(url, response.status_code, response.headers, content)
        except OutgoingError as error:
            if error.passing:
                raise TryAgainError(error.message, code=error.code) from error
            raise

    def _wait(self, url: str) -> None:
        robots = self._robots.get(_origin(url))
        pause = max(1 / self._settings.requests_per_second, robots.delay_seconds if robots else 0.0)
        now = time.monotonic()
        start = max(now, self._next)
        self._next = start + pause
        while now < start and not self._context.stopping():
            time.sleep(min(start - now, 0.2))
            now = time.monotonic()


def _try_again(host: str, response: httpx.Response) -> TryAgainError:
    after = retry_after_seconds(response)
    if response.status_code == 429 or (response.status_code == 503 and after is not None):
        return TryAgainError(
            f"{host} asks to be called less often ({response.status_code}).",
            code="rate_limited",
            after_seconds=after,
        )
    return TryAgainError(f"{host} answers {response.status_code}: an error of its own.", code=_SERVER_ERROR)


def _origin(url: str) -> str:
    return "/".join(url.split("/", 3)[:3])
