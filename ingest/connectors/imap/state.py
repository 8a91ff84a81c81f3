"""The resume state of a mailbox: what each folder looked like when it was last read to its end."""

import json
from dataclasses import dataclass, field

Seen = list[int | str]
"""UIDVALIDITY, UIDNEXT, count and HIGHESTMODSEQ of a folder, and a digest of its access and the settings."""


@dataclass(frozen=True, slots=True)
class At:
    """Where in which folder a pass is, as the folder was when the pass came to it."""

    folder: str
    seen: Seen
    after: str
    clean: bool


@dataclass(slots=True)
class State:
    """Folders by id. `at` is empty between passes; `since` counts documents after a checkpoint."""

    folders: dict[str, Seen] = field(default_factory=dict)
    at: At | None = None
    since: int = 0

    @classmethod
    def read(cls, checkpoint: str) -> "State":
        if not checkpoint:
            return cls()
        told = json.loads(checkpoint)
        return cls(told["folders"], At(*told["at"]) if told.get("at") else None)

    def write(self, at: At | None = None) -> str:
        where = [at.folder, at.seen, at.after, at.clean] if at else None
        return json.dumps({"folders": self.folders, "at": where}, separators=(",", ":"))

    def moved(self, now: dict[str, Seen]) -> dict[str, str]:
        """The earlier ids of folders that were renamed: the same UIDVALIDITY under another name."""
        gone = [(name, seen) for name, seen in self.folders.items() if name not in now]
        new = [(name, seen) for name, seen in now.items() if name not in self.folders]
        found = {}
        for name, seen in new:
            before = [old for old, was in gone if was[0] == seen[0] and int(was[1]) <= int(seen[1])]
            rivals = [other for other, theirs in new if theirs[0] == seen[0]]
            if len(before) == 1 and len(rivals) == 1:
                found[name] = before[0]
        return found
