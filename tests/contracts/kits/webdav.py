"""A folder on Apache: files in three folders, and one file that is too large."""

import atexit
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from uuid import uuid4

from app.core.identity import EVERYONE
from ingest.connector import Connector, ReadContext
from ingest.connectors.webdav import WebdavConnector, WebdavSettings
from tests.contracts.kits.shared import ITEMS
from tests.servers.apache import SECRET, USER, Apache, apache


@cache
def _server() -> Apache:
    stack = ExitStack()
    atexit.register(stack.close)
    return stack.enter_context(apache())


class WebdavKit:
    """Files, and one over the limit."""

    def __init__(self, folder: Path, *, items: int = ITEMS) -> None:
        self._server = _server()
        self._name = uuid4().hex
        self._scratch = folder / "scratch"
        self._root = self._server.root / self._name
        self._forbidden = False
        for number in range(items):
            path = self._root / f"part {number % 3} & more" / f"page-{number}#é+%25.md"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"# Page {number}\n\nText of page {number}.\n")
        (self._root / "part 1 & more" / "huge.md").write_text("long line of text\n" * 60_000)

    def settings(self) -> WebdavSettings:
        return WebdavSettings.model_validate(
            {
                "address": self._server.url(f"/dav/{self._name}"),
                "username": USER,
                "password": SECRET,
                "requests_per_second": 1000,
            }
        )

    def connector(self) -> Connector:
        context = ReadContext(frozenset({EVERYONE}), 1_000_000, scratch=self._scratch)
        made = WebdavConnector(self.settings(), context)
        if self._forbidden:

            def refuse(_: str) -> bytes:
                raise AssertionError("an unchanged item was read")

            made._server.read = refuse  # type: ignore[method-assign, assignment]
        return made

    def change_one(self) -> str:
        name = "part 2 & more/page-2#é+%25.md"
        (self._root / name).write_text("# Page 2\n\nChanged, and longer than before.\n")
        return name

    def remove_one(self) -> str:
        name = "part 0 & more/page-3#é+%25.md"
        (self._root / name).unlink()
        return name

    def forbid_reading(self) -> None:
        self._forbidden = True

    def unreadable_id(self) -> str:
        return "part 1 & more/huge.md"
