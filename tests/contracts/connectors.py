"""One kit for each connector: a source with known content that the contract tests can break and change.

A new connector adds its kit to `KITS`; a test fails until it has one.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol, runtime_checkable

from app.core.identity import EVERYONE
from ingest.connector import Connector, ConnectorSettings, ReadContext
from ingest.connectors.folder import FolderConnector, FolderSettings
from tests.contracts.kits.git import GitKit
from tests.contracts.kits.imap import ImapKit
from tests.contracts.kits.s3 import S3Kit
from tests.contracts.kits.shared import ITEMS
from tests.contracts.kits.sql import SqlKit
from tests.contracts.kits.web import WebKit
from tests.contracts.kits.webdav import WebdavKit

CONTEXT = ReadContext(default_access=frozenset({EVERYONE}), max_file_bytes=1_000_000)


class ConnectorKit(Protocol):
    """A source of about as many readable items as it was made with, in groups, and one unreadable."""

    def settings(self) -> ConnectorSettings: ...

    def connector(self) -> Connector: ...

    def change_one(self) -> str:
        """Changes the content of one item and tells its id."""
        ...

    def remove_one(self) -> str:
        """Takes one item away and tells its id."""
        ...

    def forbid_reading(self) -> None:
        """From now on reading any item's content fails the test; listing still works."""
        ...

    def unreadable_id(self) -> str: ...


@runtime_checkable
class Moves(Protocol):
    """What a kit can do besides whose system tells that an item was moved."""

    def move_one(self) -> tuple[str, str]:
        """Moves an item that is not changed, and tells its id before and after."""
        ...


class MakeKit(Protocol):
    def __call__(self, folder: Path, *, items: int = ITEMS) -> ConnectorKit: ...


class FolderKit:
    """Files in three folders, and a link to nothing."""

    def __init__(self, folder: Path, *, items: int = ITEMS) -> None:
        self.root = folder / "source"
        for number in range(items):
            path = self.root / f"part {number % 3}" / f"page-{number}.md"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"# Page {number}\n\nText of page {number}.\n")
        (self.root / "part 1" / "a broken.md").symlink_to("nowhere.md")

    def settings(self) -> FolderSettings:
        return FolderSettings(path=self.root)

    def connector(self) -> Connector:
        return FolderConnector(self.settings(), CONTEXT)

    def change_one(self) -> str:
        (self.root / "part 2" / "page-2.md").write_text("# Page 2\n\nChanged, and longer than before.\n")
        return "part 2/page-2.md"

    def remove_one(self) -> str:
        (self.root / "part 0" / "page-3.md").unlink()
        return "part 0/page-3.md"

    def move_one(self) -> tuple[str, str]:
        (self.root / "part 1" / "page-4.md").rename(self.root / "part 0" / "a page elsewhere.md")
        return "part 1/page-4.md", "part 0/a page elsewhere.md"

    def forbid_reading(self) -> None:
        def refuse(*_: object) -> int:
            raise AssertionError("an unchanged item was read")

        os.open = refuse  # type: ignore[assignment]

    def unreadable_id(self) -> str:
        return "part 1/a broken.md"


KITS: Mapping[str, MakeKit] = {
    "folder": FolderKit,
    "git": GitKit,
    "s3": S3Kit,
    "sql": SqlKit,
    "web": WebKit,
    "imap": ImapKit,
    "webdav": WebdavKit,
}
