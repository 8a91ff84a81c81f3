"""What connectors keep between runs (a clone, a cache): gone with its source.

It holds copies of what the source has, so it must not outlive the wish that nothing of it is held.
"""

import shutil
from pathlib import Path

import structlog
from sqlmodel import col, select

from app.core.db import Database
from ingest.tables import SourceRow

_FOLDER = "scratch"
_log = structlog.get_logger()


class Scratch:
    """The scratch folders of the sources, on this machine: workers of other machines have their own."""

    def __init__(self, database: Database, data_dir: Path) -> None:
        self._database = database
        self._root = data_dir / _FOLDER

    def remove(self, source_id: str) -> None:
        """Removes a source's folder. What cannot be removed now is by the next `tidy`."""
        shutil.rmtree(self._root / source_id, onerror=_tell)

    def tidy(self) -> None:
        """Removes the folders of sources that are gone.

        Raises:
            UnavailableError: the database does not answer; nothing is removed.
        """
        # In this order: a source that is added between the two has its folder still.
        found = [path.name for path in self._root.iterdir()] if self._root.is_dir() else []
        if not found:
            return
        with self._database.read() as session:
            kept = set(session.exec(select(SourceRow.id).where(col(SourceRow.id).in_(found))).all())
        for name in found:
            if name not in kept:
                self.remove(name)


def _tell(_call: object, path: str, problem: tuple[type, BaseException, object]) -> None:
    if not isinstance(problem[1], FileNotFoundError):
        _log.warning("scratch_not_removed", path=path, reason=str(problem[1]))
