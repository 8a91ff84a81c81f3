"""What is told of sources and their runs: plain values."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.core.identity import NOBODY, AccessList
from ingest.sync.records.claims import Counts
from ingest.tables import AccessMode

CHANGES_SHOWN = 20
"""Of how many runs a source tells the changes."""


@dataclass(frozen=True, slots=True)
class Run:
    """One sync run, as it stands. `code` says why it waits, is paused or failed; `to_remove` is how many
    documents it would remove if an admin confirms."""

    id: str
    source_name: str
    state: str
    message: str
    counts: Counts
    started_at: datetime
    heartbeat_at: datetime
    finished_at: datetime | None
    resumed: int
    kind: str = "full"
    code: str = ""
    to_remove: int = 0
    resume_at: datetime | None = None
    asked_by: str = ""
    stopping: bool = False

    @property
    def is_open(self) -> bool:
        """Whether it is not over."""
        return self.finished_at is None


@dataclass(frozen=True, slots=True)
class Source:
    """A configured connector, how much Rung holds of it, and its last run.

    `settings` holds no secrets. `changes` are the documents that each of the latest runs wrote or removed,
    oldest first.
    """

    id: str
    name: str
    kind: str
    settings: Mapping[str, Any]
    default_access: AccessList
    created_at: datetime
    documents: int
    chunks: int
    syncing: bool
    last_run: Run | None
    state: str = "active"
    access_mode: str = "source"
    every_minutes: int | None = None
    next_sync_at: datetime | None = None
    prune_share_max: float = 0.3
    created_by: str = ""
    changes: tuple[int, ...] = ()

    @property
    def is_draft(self) -> bool:
        """Whether it is still being set up."""
        return self.state == "draft"

    @property
    def watches(self) -> bool:
        """Whether changes are taken in as they happen."""
        return self.settings.get("watch") is True


@dataclass(frozen=True, slots=True)
class AccessChoice:
    """Who may see a source: as it says itself (`default` where it says nothing), or `default` alone."""

    mode: AccessMode
    default: AccessList = NOBODY


@dataclass(frozen=True, slots=True)
class Schedule:
    """How often a source is synced: `every_minutes`, only by hand where there is none, or as changes happen
    (`watch`; then the schedule only catches what the watching missed).

    `prune_share_max` is the share of what is held that a run may remove without being asked, from 0 to 1.
    """

    every_minutes: int | None
    watch: bool = False
    prune_share_max: float = 0.3
