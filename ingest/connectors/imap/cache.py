"""What was read of mails before, kept in the scratch folder: headers never change under their UID."""

import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from ingest.connectors.imap.mails import Mail, Part

_FORM = 1


class MailCache:
    """Summaries by folder, UIDVALIDITY and UID. A file that is damaged is begun anew."""

    def __init__(self, scratch: Path | None) -> None:
        self._path = None if scratch is None else scratch / f"mails-{_FORM}.sqlite"
        self._database = self._open()

    def find(self, folder: str, validity: int, uids: Iterable[int]) -> dict[int, Mail]:
        """Those that are known; forgets all others of the folder."""
        wanted = set(uids)
        rows = self._database.execute(
            "SELECT uid, about FROM mail WHERE folder = ? AND validity = ?", (folder, validity)
        )
        found = {uid: _mail(json.loads(about)) for uid, about in rows if uid in wanted}
        with self._database:
            self._database.execute("DELETE FROM mail WHERE folder = ? AND validity <> ?", (folder, validity))
        return found

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
        except sqlite3.DatabaseError:
            database.close()
            if self._path is None:
                raise
            self._path.unlink()
            return self._open()
        return database


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
