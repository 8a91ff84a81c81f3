"""What a crawl has found and where it is: a file in scratch, so that checkpoints are short.

Addresses are numbered as they are found and visited in that order; a checkpoint is the crawl's name and the
last number visited. What is found again after a resume has its number already.
"""

import secrets
import sqlite3
from dataclasses import dataclass
from pathlib import Path

_SCHEMA = """
CREATE TABLE IF NOT EXISTS found (
    number INTEGER PRIMARY KEY, key TEXT UNIQUE, url TEXT, depth INTEGER, listed INTEGER, start INTEGER
);
CREATE TABLE IF NOT EXISTS told (id TEXT PRIMARY KEY, number INTEGER);
CREATE TABLE IF NOT EXISTS patterns (pattern TEXT PRIMARY KEY, pages INTEGER);
CREATE TABLE IF NOT EXISTS notes (name TEXT PRIMARY KEY, value TEXT);
"""


@dataclass(frozen=True, slots=True)
class Place:
    """An address to visit. `listed` in a sitemap; `start` named by the admin."""

    number: int
    url: str
    depth: int
    listed: bool
    start: bool


class Frontier:
    """One crawl's addresses. Made by `begin` or `resume`."""

    def __init__(self, path: Path, name: str) -> None:
        self._path = path
        self.name = name
        # A reading may begin in one thread and be closed in another, never in both at once.
        self._db = sqlite3.connect(path, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.executescript(_SCHEMA)

    @classmethod
    def begin(cls, folder: Path) -> "Frontier":
        """An empty one; those of earlier crawls go."""
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.glob("crawl-*.sqlite*"):
            old.unlink(missing_ok=True)
        name = secrets.token_hex(8)
        return cls(folder / f"crawl-{name}.sqlite", name)

    @classmethod
    def resume(cls, folder: Path, checkpoint: str) -> "tuple[Frontier, int] | None":
        """The crawl of a checkpoint and the last number visited, or nothing where it is gone."""
        name, _, number = checkpoint.partition(":")
        path = folder / f"crawl-{name}.sqlite"
        if not (name.isalnum() and number.isdigit() and path.is_file()):
            return None
        try:
            frontier = cls(path, name)
            frontier._db.execute("DELETE FROM told WHERE number > ?", (int(number),))
        except sqlite3.DatabaseError:
            return None  # damaged, so as good as gone
        return frontier, int(number)

    def checkpoint(self, number: int) -> str:
        """Stores what was found, and says how to come back here."""
        self._db.commit()
        return f"{self.name}:{number}"

    def add(self, key: str, url: str, *, depth: int, listed: bool = False, start: bool = False) -> None:
        self._db.execute(
            "INSERT OR IGNORE INTO found (key, url, depth, listed, start) VALUES (?, ?, ?, ?, ?)",
            (key, url, depth, listed, start),
        )

    def has(self, key: str) -> bool:
        return self._db.execute("SELECT 1 FROM found WHERE key = ?", (key,)).fetchone() is not None

    def after(self, number: int) -> Place | None:
        """The next address to visit."""
        row = self._db.execute(
            "SELECT number, url, depth, listed, start FROM found WHERE number > ? ORDER BY number LIMIT 1",
            (number,),
        ).fetchone()
        return Place(row[0], row[1], row[2], bool(row[3]), bool(row[4])) if row else None

    def count(self) -> int:
        """How many addresses were found; none is ever taken out."""
        return int(self._db.execute("SELECT coalesce(max(number), 0) FROM found").fetchone()[0])

    def tell(self, name: str, number: int) -> bool:
        """Whether an item is handed over for the first time, and notes it."""
        done = self._db.execute("INSERT OR IGNORE INTO told VALUES (?, ?)", (name, number))
        return done.rowcount == 1

    def was_told(self, name: str) -> bool:
        return self._db.execute("SELECT 1 FROM told WHERE id = ?", (name,)).fetchone() is not None

    def told(self) -> list[str]:
        """All items that were handed over."""
        return [row[0] for row in self._db.execute("SELECT id FROM told ORDER BY number, id")]

    def pages_of(self, pattern: str) -> int:
        """How many addresses of a pattern were found, this one included."""
        row = self._db.execute(
            "INSERT INTO patterns VALUES (?, 1) ON CONFLICT (pattern) DO UPDATE SET pages = pages + 1 "
            "RETURNING pages",
            (pattern,),
        ).fetchone()
        return int(row[0])

    def note(self, name: str, value: str) -> None:
        self._db.execute("INSERT OR REPLACE INTO notes VALUES (?, ?)", (name, value))

    def noted(self, name: str) -> str | None:
        row = self._db.execute("SELECT value FROM notes WHERE name = ?", (name,)).fetchone()
        return str(row[0]) if row else None

    def close(self, *, remove: bool = False) -> None:
        self._db.commit()
        self._db.close()
        if remove:
            for path in self._path.parent.glob(f"{self._path.name}*"):
                path.unlink(missing_ok=True)
