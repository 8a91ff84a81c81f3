"""What people do to syncs: start, pause, resume, cancel, try failures again; and how far a run is.

Nothing is read here: what is wanted is noted in the database, where a worker finds it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from app.core.audit import AuditLog
from app.core.clock import Clock, utc_now
from app.core.db import Database
from app.core.identity import DEFAULT_WORKSPACE_ID
from ingest.sync.runs import FailureNote

PRIORITY_SCHEDULE, PRIORITY_PERSON = 0, 10
"""A person who waits goes before the clock."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the open run of a source is. What cannot be told yet is `None`."""

    run_id: str
    state: str
    documents_done: int
    documents_total: int | None
    documents_per_second: float | None
    chunks_per_second: float | None
    seconds_left: float | None
    reason: str
    resume_at: datetime | None


@dataclass(frozen=True, slots=True)
class FailureGroup:
    """The failures of a source that have one cause. `reason` is that of the latest."""

    code: str
    reason: str
    skipped: bool
    count: int
    latest: tuple[FailureNote, ...]


@dataclass(frozen=True, slots=True)
class DocumentChange:
    """What a run did to one document: `new`, `changed`, `moved`, `removed` or `access`."""

    external_id: str
    kind: str
    title: str
    at: datetime


class SyncControl:
    """The wishes of people about syncs.

    Args:
        audit: notes who wished what.
    """

    def __init__(self, database: Database, audit: AuditLog, clock: Clock = utc_now) -> None:
        self._database = database
        self._audit = audit
        self._clock = clock

    def start(
        self,
        name: str,
        *,
        actor: str,
        again: bool = False,
        priority: int = PRIORITY_PERSON,
        workspace_id: str = DEFAULT_WORKSPACE_ID,
    ) -> str:
        """Notes that a run is wanted; one that waits already is that one, and gets the higher priority.

        Args:
            again: go over everything and index each document anew, whatever is held of it.

        Raises:
            NotFoundError: `no_such_source`.
            ConflictError: `source_paused`, `source_not_ready` for one that is not set up yet.
        """
        raise NotImplementedError

    def pause(self, name: str, *, actor: str, workspace_id: str = DEFAULT_WORKSPACE_ID) -> None:
        """Stops syncing a source until `resume`: a run under way ends after its batch and keeps its place."""
        raise NotImplementedError

    def resume(self, name: str, *, actor: str, workspace_id: str = DEFAULT_WORKSPACE_ID) -> None:
        """Lets a paused source be synced again; a run that was under way goes on where it was."""
        raise NotImplementedError

    def cancel(self, run_id: str, *, actor: str, workspace_id: str = DEFAULT_WORKSPACE_ID) -> None:
        """Ends a run after its batch; the next one begins anew. Raises NotFoundError `no_such_run`."""
        raise NotImplementedError

    def retry(
        self,
        name: str,
        *,
        actor: str,
        external_ids: Sequence[str] | None = None,
        code: str | None = None,
        workspace_id: str = DEFAULT_WORKSPACE_ID,
    ) -> str:
        """Notes that failures are to be tried again alone: these ids, those of a code, or all."""
        raise NotImplementedError

    def confirm_removal(self, name: str, *, actor: str, workspace_id: str = DEFAULT_WORKSPACE_ID) -> str:
        """Takes the source at its word: the next run, queued here, may remove more than the share allowed."""
        raise NotImplementedError

    def progress(self, name: str, *, workspace_id: str = DEFAULT_WORKSPACE_ID) -> Progress | None:
        """How far the open run of a source is; nothing where none is open."""
        raise NotImplementedError

    def failure_groups(
        self, name: str, *, workspace_id: str = DEFAULT_WORKSPACE_ID
    ) -> Sequence[FailureGroup]:
        """What stands against a source, by cause, most first; what was passed over last."""
        raise NotImplementedError

    def changes(
        self, run_id: str, *, limit: int = 200, workspace_id: str = DEFAULT_WORKSPACE_ID
    ) -> Sequence[DocumentChange]:
        """What a run changed, latest first."""
        raise NotImplementedError

    def has_worker(self) -> bool:
        """Whether a worker is alive that would take up what waits."""
        raise NotImplementedError
