"""What is kept of each page between runs: how to ask whether it changed, and where it led."""

import json
import sqlite3
import zlib
from dataclasses import dataclass
from pathlib import Path

_SCHEMA = """
CREATE TABLE IF NOT EXISTS pages (
    url TEXT PRIMARY KEY, etag TEXT, modified TEXT, id TEXT, revision TEXT, links BLOB
);
CREATE INDEX IF NOT EXISTS by_id ON pages (id);
"""


@dataclass(frozen=True, slots=True)
class Remembered:
    """A page at its last reading. `document_id` is empty for one that is no document (noindex)."""

    etag: str
    modified: str
    document_id: str
    revision: str
    links: tuple[str, ...]


class PageCache:
    """A file in the source's scratch folder. Without it each page is read in full once more, that is all."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "pages.sqlite"
        try:
            self._db = self._open(path)
        except sqlite3.DatabaseError:
            path.unlink(missing_ok=True)
            self._db = self._open(path)

    def get(self, url: str) -> Remembered | None:
        row = self._db.execute(
            "SELECT etag, modified, id, revision, links FROM pages WHERE url = ?", (url,)
        ).fetchone()
        if row is None:
            return None
        etag, modified, document_id, revision, links = row
        return Remembered(etag, modified, document_id, revision, tuple(json.loads(zlib.decompress(links))))

    def put(self, url: str, page: Remembered) -> None:
        links = zlib.compress(json.dumps(page.links).encode())
        self._db.execute(
            "INSERT OR REPLACE INTO pages VALUES (?, ?, ?, ?, ?, ?)",
            (url, page.etag, page.modified, page.document_id, page.revision, links),
        )
        # At once: a check made in the browser may look into this file while a sync writes to it.
        self._db.commit()

    def revision_of(self, document_id: str) -> str | None:
        row = self._db.execute("SELECT revision FROM pages WHERE id = ?", (document_id,)).fetchone()
        return str(row[0]) if row else None

    def url_of(self, document_id: str) -> str | None:
        """Where a document was read last."""
        row = self._db.execute("SELECT url FROM pages WHERE id = ?", (document_id,)).fetchone()
        return str(row[0]) if row else None

    def close(self) -> None:
        self._db.commit()
        self._db.close()

    def _open(self, path: Path) -> sqlite3.Connection:
        found = sqlite3.connect(path, check_same_thread=False)
        found.execute("PRAGMA journal_mode=WAL")
        found.execute("PRAGMA synchronous=NORMAL")
        found.executescript(_SCHEMA)
        return found
