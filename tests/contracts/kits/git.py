"""A repository behind Git's own HTTP server."""

from pathlib import Path
from uuid import uuid4

from ingest.connector import Connector
from ingest.connectors.git import GitConnector, GitSettings
from tests.contracts.kits.shared import ITEMS, context, git_server
from tests.servers.git import WorkingCopy


class GitKit:
    """Files in three folders, and one that Git keeps elsewhere."""

    def __init__(self, folder: Path, *, items: int = ITEMS) -> None:
        server, root = git_server()
        name = uuid4().hex
        self._scratch = folder / "scratch"
        self._forbidden = False
        self._url = f"{server.url}/{name}/.git"
        self._work = WorkingCopy(root / name)
        for number in range(items):
            self._work.write(f"part {number % 3}/page-{number}.md", f"# Page {number}\n\nText of {number}.\n")
        pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n"
        self._work.write(self.unreadable_id(), pointer)
        self._work.commit()

    def settings(self) -> GitSettings:
        return GitSettings(url=self._url)

    def connector(self) -> Connector:
        made = GitConnector(self.settings(), context(self._scratch))
        if self._forbidden:
            made._read = _refuse  # type: ignore[method-assign,assignment]
        return made

    def change_one(self) -> str:
        self._work.write("part 2/page-2.md", "# Page 2\n\nChanged, and longer than before.\n")
        self._work.commit()
        return "part 2/page-2.md"

    def remove_one(self) -> str:
        self._work.git("rm", "-q", "part 0/page-3.md")
        self._work.commit()
        return "part 0/page-3.md"

    def move_one(self) -> tuple[str, str]:
        self._work.git("mv", "part 1/page-4.md", "part 0/a page elsewhere.md")
        self._work.commit()
        return "part 1/page-4.md", "part 0/a page elsewhere.md"

    def forbid_reading(self) -> None:
        # The one that is no document is read again in each pass.
        self._work.git("rm", "-q", self.unreadable_id())
        self._work.commit()
        self._forbidden = True

    def unreadable_id(self) -> str:
        return "part 1/a broken.md"


def _refuse(*_: object) -> None:
    raise AssertionError("an unchanged item was read")
