"""Pages of a site, a reader of it, and what the tests say of what it reads."""

from pathlib import Path
from typing import Any

from app.core.identity import EVERYONE
from ingest.connector import Change, Check, Failure, ReadContext, Upsert
from ingest.connectors.web import WebConnector, WebSettings
from ingest.remote import RemoteCalls
from tests.servers.nginx import Nginx


def html(title: str, *links: str, head: str = "", text: str = "Some words that people may look for.") -> str:
    anchors = "".join(f'<a href="{link}">link</a> ' for link in links)
    body = f"<h1>{title}</h1><p>{text}</p>{anchors}"
    return f"<html><head><title>{title}</title>{head}</head><body>{body}</body></html>"


class Reader:
    """Reads a site with a scratch folder that stays."""

    def __init__(self, scratch: Path) -> None:
        self.scratch = scratch
        self.known: dict[str, str] = {}

    def check(self, start: str, **settings: Any) -> Check:
        connector = self.connector(start, **settings)
        try:
            return connector.check()
        finally:
            connector.close()

    def connector(self, start: str, **settings: Any) -> WebConnector:
        calls = RemoteCalls(tries=2, sleep=lambda _: None)
        context = ReadContext(
            default_access=frozenset({EVERYONE}),
            max_file_bytes=settings.pop("limit", 200_000),
            scratch=self.scratch,
            calls=calls,
        )
        plain = {
            "start_urls": [start],
            "allowed_hosts": ["127.0.0.1"],
            "requests_per_second": 1000,
            "mode": "crawl",
            **settings,
        }
        return WebConnector(WebSettings.model_validate(plain), context)

    def pull(self, start: str, **settings: Any) -> list[Change]:
        connector = self.connector(start, **settings)
        try:
            found = list(connector.pull("", self.known.get))
            self.known.update(
                {c.document.external_id: c.document.revision for c in found if isinstance(c, Upsert)}
            )
            return found
        finally:
            connector.close()


def paths(server: Nginx, changes: list[Change]) -> list[str]:
    start = server.url("")
    return [c.document.external_id.removeprefix(start) for c in changes if isinstance(c, Upsert)]


def failures(server: Nginx, changes: list[Change]) -> dict[str, str]:
    return {c.external_id.removeprefix(server.url("")): c.code for c in changes if isinstance(c, Failure)}


def documents(changes: list[Change]) -> dict[str, Any]:
    return {c.document.external_id.rpartition("/")[2]: c.document for c in changes if isinstance(c, Upsert)}
