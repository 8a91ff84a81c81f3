"""What was read of mails before, kept in the scratch folder: headers never change under their UID."""

import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from ingest.connectors.imap.mail.mails import Mail, Part

_FORM = 2
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


class MailCache:
    """Summaries by folder, UIDVALIDITY and UID. A file that is damaged is begun anew."""

    def __init__(self, scratch: Path | None) -> None:
        self._path = None if scratch is None else scratch / f"mails-{_FORM}.sqlite"
        self._database = self._open()

    def find(self, folder: str, validity: int, uids: Iterable[int]) -> dict[int, Mail]:
        """Those that are known; forgets all others of the folder."""
        try:
            return self._find(folder, validity, set(uids))
        except sqlite3.DatabaseError as error:
            self._begin_anew(error)
            return {}

    def _find(self, folder: str, validity: int, wanted: set[int]) -> dict[int, Mail]:
        rows = self._database.execute(
            "SELECT uid, about FROM mail WHERE folder = ? AND validity = ?", (folder, validity)
        ).fetchall()
        gone = [(folder, validity, uid) for uid, _ in rows if uid not in wanted]
        with self._database:
            self._database.execute("DELETE FROM mail WHERE folder = ? AND validity <> ?", (folder, validity))
            self._database.executemany("DELETE FROM mail WHERE folder = ? AND validity = ? AND uid = ?", gone)
        return {uid: _mail(json.loads(about)) for uid, about in rows if uid in wanted}

    def keep_folders(self, folders: Iterable[str]) -> None:
        """Forgets all folders but these."""
        kept = set(folders)
        gone = [
            (name,)
            for (name,) in self._database.execute("SELECT DISTINCT folder FROM mail")
            if name not in kept
        ]
        with self._database:
            self._database.executemany("DELETE FROM mail WHERE folder = ?", gone)

    def keep(self, folder: str, validity: int, mails: Sequence[Mail]) -> None:
        rows = [(folder, validity, mail.uid, json.dumps(asdict(mail), default=str)) for mail in mails]
        with self._database:
            self._database.executemany("INSERT OR REPLACE INTO mail VALUES (?, ?, ?, ?)", rows)

    def close(self) -> None:
        self._database.close()

    def _open(self) -> sqlite3.Connection:
        if self._path is not None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
        database = sqlite3.connect(self._path or ":memory:", check_same_thread=False)
        try:
            database.execute(
                "CREATE TABLE IF NOT EXISTS mail (folder TEXT, validity INTEGER, uid INTEGER, about TEXT, "
                "PRIMARY KEY (folder, validity, uid))"
            )
        except sqlite3.DatabaseError as error:
            database.close()
            if self._path is None or error.sqlite_errorcode not in _DAMAGED:
                raise
            self._path.unlink()
            return self._open()
        return database

    def _begin_anew(self, error: sqlite3.DatabaseError) -> None:
        if self._path is None or error.sqlite_errorcode not in _DAMAGED:
            raise error
        self._database.close()
        self._path.unlink()
        self._database = self._open()


def _mail(about: dict[str, Any]) -> Mail:
    return Mail(
        **{
            **about,
            "references": tuple(about["references"]),
            "date": datetime.fromisoformat(about["date"]),
            "texts": tuple(Part(**part) for part in about["texts"]),
            "attachments": tuple(Part(**part) for part in about["attachments"]),
        }
    )
