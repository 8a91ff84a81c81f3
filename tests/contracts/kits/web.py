"""A site on nginx: pages that link to each other, and one that nginx refuses."""

import atexit
import tempfile
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import Any
from uuid import uuid4

from app.core.identity import EVERYONE
from ingest.connector import Connector, ReadContext
from ingest.connectors.web import WebConnector, WebSettings
from ingest.connectors.web.site import Answer
from tests.contracts.kits.shared import ITEMS
from tests.servers.nginx import Nginx, nginx

_LISTS, _PAGES = tuple(range(13)), 9
_FEW_LISTS, _FEW_PAGES = (0, 2, 12), 3


class WebKit:
    """A start page that links to 13 lists, each of which links to nine more pages; or few of few."""

    def __init__(self, folder: Path, *, items: int = ITEMS) -> None:
        self._scratch = folder / "scratch"
        self._name = uuid4().hex
        self._server = _server()
        self._forbidden = False
        lists, pages = (_LISTS, _PAGES) if items >= ITEMS else (_FEW_LISTS, _FEW_PAGES)
        self._write("index.html", "Home", *(f"list-{number}/" for number in lists))
        for number in lists:
            links = [f"page-{page}.html" for page in range(1, pages + 1)]
            self._write(f"list-{number}/index.html", f"List {number}", *links)
            for page in range(1, pages + 1):
                self._write(f"list-{number}/page-{page}.html", f"Page {number}-{page}", "../", "broken.html")
        # In the other lists it is a link to nothing, which is no item of the site.
        self._write("list-12/broken.html", "Refused")

    def settings(self) -> WebSettings:
        return WebSettings(
            start_urls=(self._url("/"),),
            allowed_hosts=("127.0.0.1",),
            requests_per_second=1000,
            mode="crawl",
        )

    def connector(self) -> Connector:
        # A folder that stays, as between the runs of one source.
        context = ReadContext(frozenset({EVERYONE}), 1_000_000, scratch=self._scratch)
        made = WebConnector(self.settings(), context)
        if self._forbidden:
            ask = made._site.page

            def checked(url: str, **how: Any) -> Answer:
                answer = ask(url, **how)
                assert answer.status != 200, f"{url} was read although it has not changed"
                return answer

            made._site.page = checked  # type: ignore[method-assign]
        return made

    def change_one(self) -> str:
        self._write("list-2/page-2.html", "Changed, and longer than before", "../")
        return self._url("/list-2/page-2.html")

    def remove_one(self) -> str:
        (self._server.root / self._name / "list-0/page-3.html").unlink()
        return self._url("/list-0/page-3.html")

    def forbid_reading(self) -> None:
        self._forbidden = True

    def unreadable_id(self) -> str:
        return self._url("/list-12/broken.html")

    def _url(self, path: str) -> str:
        return self._server.url(f"/{self._name}{path}")

    def _write(self, path: str, title: str, *links: str) -> None:
        anchors = "".join(f'<a href="{link}">link</a> ' for link in links)
        page = f"<title>{title}</title><h1>{title}</h1><p>Some words to read on it.</p>{anchors}"
        self._server.write(f"{self._name}/{path}", page)


@cache
def _server() -> Nginx:
    """One server for the whole session; each kit has a folder on it."""
    stack = ExitStack()
    atexit.register(stack.close)
    folder = stack.enter_context(tempfile.TemporaryDirectory())
    refused = "location ~ /list-12/broken.html$ { return 403; }"
    return stack.enter_context(nginx(Path(folder), refused))
