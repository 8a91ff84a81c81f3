"""What a site asks of robots, and its sitemaps."""

import zlib
from collections.abc import Callable, Iterator

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import ParseError, fromstring
from protego import Protego

from app.core.errors import UnavailableError
from ingest.connectors.web.addresses import normalise

ROBOT_NAME = "Rung"
LONGEST_DELAY_SECONDS = 30.0
MAX_SITEMAP_BYTES = 52_428_800
_MAX_SITEMAPS = 1_000

ReadText = Callable[[str], bytes | None]
"""The content of a file at the site, or nothing where there is none."""


class Robots:
    """One host's robots.txt. Without one all is allowed."""

    def __init__(self, content: bytes | None) -> None:
        self._rules = Protego.parse((content or b"").decode("utf-8-sig", errors="replace"))

    def allows(self, url: str) -> bool:
        return bool(self._rules.can_fetch(url, ROBOT_NAME))

    @property
    def delay_seconds(self) -> float:
        """How long to wait between two requests, at most half a minute."""
        return min(float(self._rules.crawl_delay(ROBOT_NAME) or 0.0), LONGEST_DELAY_SECONDS)

    def sitemaps(self) -> list[str]:
        return [url for text in self._rules.sitemaps if (url := normalise(text)) is not None]


def looks_like_html(content: bytes) -> bool:
    """Whether it is a page and no sitemap."""
    start = content[:200].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return start.startswith((b"<!doctype html", b"<html", b"<head"))


def sitemap_pages(first: list[str], read: ReadText, belongs: Callable[[str], bool]) -> Iterator[str]:
    """The pages that sitemaps name; an index of sitemaps leads to more. Each sitemap is read once.

    Raises:
        UnavailableError: `sitemap_invalid`: a half-read sitemap would make pages look gone.
    """
    waiting, seen = list(first), set(first)
    while waiting:
        url = waiting.pop(0)
        content = read(url)
        if content is None:
            continue
        pages, more = _entries(url, _unzipped(url, content))
        yield from pages
        for link in more:
            if link not in seen and belongs(link) and len(seen) < _MAX_SITEMAPS:
                seen.add(link)
                waiting.append(link)


def _entries(url: str, content: bytes) -> tuple[list[str], list[str]]:
    if not content.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        lines = content.decode("utf-8-sig", errors="replace").split()
        return [found for line in lines if (found := normalise(line)) is not None], []
    try:
        root = fromstring(content, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError) as error:
        raise _invalid(url, "it is not valid XML") from error
    kind = root.tag.rpartition("}")[2]
    if kind not in ("urlset", "sitemapindex"):
        raise _invalid(url, f"it holds <{kind[:40]}> in place of <urlset>")
    entries: list[str] = []
    for entry in root:
        for part in entry:
            address = normalise(part.text or "", url) if part.tag.rpartition("}")[2] == "loc" else None
            if address is not None:
                entries.append(address)
    return (entries, []) if kind == "urlset" else ([], entries)


def _unzipped(url: str, content: bytes) -> bytes:
    if content[:2] != b"\x1f\x8b":
        return content
    inflate = zlib.decompressobj(zlib.MAX_WBITS | 32)
    try:
        text = inflate.decompress(content, MAX_SITEMAP_BYTES)
    except zlib.error as error:
        raise _invalid(url, "its compression is damaged") from error
    if inflate.unconsumed_tail or not inflate.eof:
        raise _invalid(url, f"it is cut, or larger than {MAX_SITEMAP_BYTES:,} bytes")
    return text


def _invalid(url: str, reason: str) -> UnavailableError:
    return UnavailableError(
        f"The sitemap {url} cannot be read: {reason}. Mend it, or choose to find pages by their links.",
        code="sitemap_invalid",
    )
