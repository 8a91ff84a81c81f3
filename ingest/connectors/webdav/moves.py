"""Ids that Nextcloud keeps when a file is moved, remembered in the scratch folder."""

import json
from pathlib import Path

_NAME = "file-ids.json"
_PLACES = 5


class FileIds:
    """Where each file lay, newest first. Nothing is lost when the folder vanishes but the history."""

    def __init__(self, scratch: Path | None) -> None:
        self._path = None if scratch is None else scratch / _NAME
        self._before = self._read()
        self._now: dict[str, list[str]] = {}

    def saw(self, file_id: str, external_id: str, *, held: bool) -> list[str]:
        """Notes where a file lies, and tells where else it lay.

        What is not `held` there yet keeps its earlier places: a run that dies before it has stored a move is
        to notice it again.
        """
        if not file_id:
            return []
        earlier = [place for place in self._before.get(file_id, []) if place != external_id]
        self._now[file_id] = [external_id] if held else [external_id, *earlier][:_PLACES]
        return earlier

    def keep(self, *, whole: bool) -> None:
        """Writes it down. `whole` is whether the pass saw everything."""
        if self._path is None or not self._now:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        new = self._path.with_suffix(".new")
        new.write_text(json.dumps(self._now if whole else {**self._before, **self._now}))
        new.replace(self._path)

    def _read(self) -> dict[str, list[str]]:
        if self._path is None or not self._path.exists():
            return {}
        try:
            told = json.loads(self._path.read_text())
        except ValueError:
            return {}
        if not isinstance(told, dict):
            return {}
        return {name: [each] if isinstance(each, str) else list(each) for name, each in told.items()}
