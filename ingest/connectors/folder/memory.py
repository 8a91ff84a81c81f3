"""What a folder source remembers between runs: where each file lay, and what it was mounted on."""

import os
import sqlite3
from pathlib import Path

from app.core.errors import UnavailableError
from ingest.connector import KnownRevision
from ingest.connectors.paths import unprintable

_SCHEMA = """
DROP TABLE IF EXISTS places;
CREATE TABLE IF NOT EXISTS lay (inode TEXT, id TEXT, PRIMARY KEY (inode, id));
CREATE TABLE IF NOT EXISTS mounts (point TEXT PRIMARY KEY);
"""


class FolderMemory:
    """A small file in the scratch folder. Without it no move is noticed, and no share that is away."""

    def __init__(self, scratch: Path | None) -> None:
        if scratch is not None:
            scratch.mkdir(parents=True, exist_ok=True)
        path = Path(":memory:") if scratch is None else scratch / "folder.sqlite"
        # Written together and quickly: a check made in the browser may look here while a sync runs.
        self._notes: list[tuple[str, str, bool]] = []
        try:
            self._db = _open(path)
        except sqlite3.DatabaseError:
            path.unlink(missing_ok=True)
            self._db = _open(path)

    def check_mount(self, root: Path) -> None:
        """Refuses an empty folder at which a share was mounted before.

        Raises:
            UnavailableError: `not_mounted`.
        """
        before = [str(row[0]) for row in self._db.execute("SELECT point FROM mounts")]
        gone = [point for point in before if not os.path.ismount(point)]
        if gone and _is_empty(root):
            raise UnavailableError(
                f"The share that was mounted at {gone[0]} is not mounted now, so {root} is empty. Mount it "
                "again; nothing was removed.",
                code="not_mounted",
            )
        self._db.execute("DELETE FROM mounts")
        point = mount_point(root)
        if point != Path("/"):
            self._db.execute("INSERT INTO mounts VALUES (?)", (str(point),))
        self._db.commit()

    def moved_from(
        self, root: Path, external_id: str, inode: int, revision: str, known: KnownRevision
    ) -> str | None:
        """Where this very file, unchanged, lay before, if it no longer lies there."""
        rows = self._db.execute("SELECT id FROM lay WHERE inode = ? ORDER BY rowid DESC", (str(inode),))
        for (name,) in rows.fetchall():
            if name != external_id and known(name) == revision:
                old = root.joinpath(*(unprintable(part) for part in name.split("/")))
                if not _is_listed(old):
                    return str(name)
        return None

    def note(self, external_id: str, inode: int, *, held: bool) -> None:
        """Remembers where a file lies, and forgets where it lay before once it is `held` here.

        A run that dies before it has stored a move is to notice it again.
        """
        # As text: some file systems number beyond what a column of numbers holds.
        self._notes.append((str(inode), external_id, held))

    def commit(self) -> None:
        held = [(inode, name) for inode, name, held in self._notes if held]
        self._db.executemany("DELETE FROM lay WHERE inode = ? AND id != ?", held)
        self._db.executemany("INSERT OR IGNORE INTO lay VALUES (?, ?)", [note[:2] for note in self._notes])
        self._notes.clear()
        self._db.commit()

    def close(self) -> None:
        self._db.close()


def _open(path: Path) -> sqlite3.Connection:
    found = sqlite3.connect(path, check_same_thread=False)
    found.execute("PRAGMA synchronous=NORMAL")
    found.executescript(_SCHEMA)
    return found


def mount_point(path: Path) -> Path:
    """The place at which the file system of this folder is mounted."""
    return next((place for place in (path, *path.parents) if os.path.ismount(place)), Path("/"))


def _is_empty(folder: Path) -> bool:
    with os.scandir(folder) as entries:
        return next(entries, None) is None


def _is_listed(path: Path) -> bool:
    """Whether a name stands in its folder in exactly this spelling: some shares do not tell `A` from `a`."""
    try:
        with os.scandir(path.parent) as entries:
            return any(entry.name == path.name for entry in entries)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True  # nobody can say that it moved
