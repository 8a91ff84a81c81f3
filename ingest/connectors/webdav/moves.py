"""Ids that Nextcloud keeps when a file is moved, remembered in the scratch folder."""

import json
from pathlib import Path

_NAME = "file-ids.json"


class FileIds:
    """Where each file lay when it was last seen. Nothing is lost when the folder vanishes but the history."""

    def __init__(self, scratch: Path | None) -> None:
        self._path = None if scratch is None else scratch / _NAME
        self._before = self._read()
        self._now: dict[str, str] = {}

    def saw(self, file_id: str, external_id: str) -> str | None:
        """Notes where a file lies, and tells where it lay, if that was elsewhere."""
        if not file_id:
            return None
        self._now[file_id] = external_id
        before = self._before.get(file_id)
        return before if before != external_id else None

    def keep(self, *, whole: bool) -> None:
        """Writes it down. `whole` is whether the pass saw everything."""
        if self._path is None or not self._now:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        new = self._path.with_suffix(".new")
        new.write_text(json.dumps(self._now if whole else {**self._before, **self._now}))
        new.replace(self._path)

    def _read(self) -> dict[str, str]:
        if self._path is None or not self._path.exists():
            return {}
        try:
            told = json.loads(self._path.read_text())
        except ValueError:
            return {}
        return told if isinstance(told, dict) else {}
