"""Has a source for oneself: no run of it goes on meanwhile, in any process."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from app.core.clock import Clock, new_id
from app.core.db import Database
from app.core.errors import ConflictError
from ingest.sync.records import claims
from ingest.sync.records.claims import Claim, Counts, Heartbeat
from ingest.sync.records.runs import find_source
from ingest.tables import SourceRow

_LOOK_AGAIN_SECONDS = 0.2


@contextmanager
def alone_with(
    database: Database, clock: Clock, workspace_id: str, name: str, *, wait_seconds: float = 0.0
) -> Iterator[SourceRow]:
    """The source, held by this process until the block ends.

    Args:
        wait_seconds: how long to wait for a run that was asked to stop.

    Raises:
        NotFoundError: `no_such_source`.
        ConflictError: `sync_running` while a run goes on.
    """
    claim = _take(database, clock, workspace_id, name, time.monotonic() + wait_seconds)

    def beat() -> None:
        with database.write() as session:
            claims.keep(session, claim, clock())

    try:
        with Heartbeat(beat):
            yield claim.source
    finally:
        with database.write() as session:
            claims.release(session, claim)
        claims.forget(claim.id)


def _take(database: Database, clock: Clock, workspace_id: str, name: str, until: float) -> Claim:
    while True:
        claim = _try(database, clock(), workspace_id, name)
        if claim is not None:
            return claim
        if time.monotonic() >= until:
            raise ConflictError(
                f"{name} is being synced. Pause it, wait until it has stopped, and try again.",
                code="sync_running",
            )
        time.sleep(_LOOK_AGAIN_SECONDS)


def _try(database: Database, now: datetime, workspace_id: str, name: str) -> Claim | None:
    claim_id = new_id()
    with database.write() as session:
        source = find_source(session, workspace_id, name)
        if claims.is_held(source, now):
            return None
        claims.take(session, source, claim_id, now)
        session.refresh(source)
    claims.remember(claim_id)
    return Claim(claim_id, source, "", "", Counts(), resumed=False)
