"""Who may sync a source now: one process at a time.

It holds a claim on the source's row, taken by a guarded UPDATE and kept alive by a heartbeat. The claim of
a process that is gone, or silent for too long, can be taken over.
"""

import os
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import update
from sqlmodel import Session, col, select

from app.core.errors import ConflictError
from app.core.processes import is_running
from ingest.tables import SourceRow

HEARTBEAT_SECONDS = 10.0
CLAIM_EXPIRES_AFTER = timedelta(minutes=3)

_own_claims: set[str] = set()
_own_claims_lock = threading.Lock()


@dataclass(slots=True)
class Counts:
    """What a run has done so far. `listed` and `held` are known at its end."""

    listed: int = 0
    held: int = 0
    upserted: int = 0
    unchanged: int = 0
    deleted: int = 0
    access_changed: int = 0
    failed: int = 0
    skipped: int = 0
    chunks_embedded: int = 0
    chunks_reused: int = 0
    bytes_read: int = 0


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to sync a source now, and the run it is for.

    `kind` is what the run goes over (`ingest.tables.RunKind`); once `passed`, only the closing is left.
    """

    id: str
    source: SourceRow
    run_id: str
    checkpoint: str
    counts: Counts
    resumed: bool
    kind: str = "full"
    passed: bool = False
    documents_total: int | None = None


class Heartbeat:
    """Beats in a thread of its own while a run works. `lost` tells that the claim is gone."""

    def __init__(self, beat: Callable[[], None], every_seconds: float = HEARTBEAT_SECONDS) -> None:
        self._beat = beat
        self._every_seconds = every_seconds
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sync-heartbeat", daemon=True)
        self.error: Exception | None = None

    def __enter__(self) -> "Heartbeat":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def check(self) -> None:
        """Raises what a beat raised."""
        if self.error is not None:
            raise self.error

    def _run(self) -> None:
        while not self._stop.wait(self._every_seconds):
            try:
                self._beat()
            except Exception as error:  # noqa: BLE001 - raised by check() in the thread that works
                self.error = error
                return


def _holder() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"


def remember(claim_id: str) -> None:
    """Notes a claim as held by this process."""
    with _own_claims_lock:
        _own_claims.add(claim_id)


def forget(claim_id: str) -> None:
    """The opposite of `remember`."""
    with _own_claims_lock:
        _own_claims.discard(claim_id)


def is_held(source: SourceRow, now: datetime) -> bool:
    """Whether a process that may be alive holds the source."""
    if source.claim_id is None or source.claim_heartbeat_at is None:
        return False
    if now - source.claim_heartbeat_at > CLAIM_EXPIRES_AFTER:
        return False
    host, _, pid = (source.claim_holder or "").rpartition(":")
    if host != socket.gethostname() or not pid.isdigit():
        return True
    if int(pid) == os.getpid():
        # A container's processes get the same numbers again: only a claim that we know of is ours.
        with _own_claims_lock:
            return source.claim_id in _own_claims
    return is_running(int(pid))


def take(session: Session, source: SourceRow, claim_id: str, now: datetime) -> None:
    """Takes the source, unless another took it since it was read: ConflictError `sync_running` then."""
    before = source.claim_id
    taken = session.exec(
        update(SourceRow)
        .where(
            col(SourceRow.id) == source.id,
            col(SourceRow.claim_id).is_(None) if before is None else col(SourceRow.claim_id) == before,
        )
        .values(claim_id=claim_id, claim_holder=_holder(), claim_heartbeat_at=now)
    )
    if taken.rowcount != 1:
        raise ConflictError(
            f"{source.name} was just taken by another process; wait until it has finished.",
            code="sync_running",
        )


def keep(session: Session, claim: Claim, now: datetime) -> None:
    """Renews the claim, in the transaction of what is written under it. ConflictError `claim_lost`."""
    kept = session.exec(
        update(SourceRow)
        .where(col(SourceRow.id) == claim.source.id, col(SourceRow.claim_id) == claim.id)
        .values(claim_heartbeat_at=now)
    )
    if kept.rowcount != 1:
        raise _lost(claim)


def require(session: Session, claim: Claim) -> None:
    """Looks whether the claim is still held. ConflictError `claim_lost`."""
    held = session.exec(select(SourceRow.claim_id).where(SourceRow.id == claim.source.id)).first()
    if held != claim.id:
        raise _lost(claim)


def _lost(claim: Claim) -> ConflictError:
    return ConflictError(
        f"Another process took over the sync of {claim.source.name}; this one stops.", code="claim_lost"
    )


def release(session: Session, claim: Claim) -> None:
    """Gives the source back; a claim that was lost already stays with its new holder."""
    session.exec(
        update(SourceRow)
        .where(col(SourceRow.id) == claim.source.id, col(SourceRow.claim_id) == claim.id)
        .values(claim_id=None, claim_holder=None, claim_heartbeat_at=None)
    )
