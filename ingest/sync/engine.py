"""Runs syncs: takes a source, has the work done, and stores how the run ended or why it goes on later."""

import threading
from collections.abc import Callable
from dataclasses import replace

import structlog
from sqlmodel import Session

from app.core.clock import Clock, utc_now
from app.core.config import Settings
from app.core.db import Database
from app.core.errors import ConflictError, RungError
from app.core.identity import DEFAULT_WORKSPACE_ID
from ingest.connector import ConnectorSettings
from ingest.connectors import read_settings
from ingest.credentials.scrubbing import Scrub, repeats_secret
from ingest.parsing import Parser
from ingest.remote import RemoteCalls
from ingest.sync.closing import SyncSummary
from ingest.sync.records import claims
from ingest.sync.records.claims import Claim, Heartbeat
from ingest.sync.records.runs import CancelledError, InterruptedSyncError, PausedError, Runs
from ingest.sync.reporting import Report, ReportProgress, SyncProgress
from ingest.sync.troubles import Ending, ending_of
from ingest.sync.work import MakeCalls, Tools, Turn, TurnOverError, Work
from ingest.tables import SourceRow
from retrieval.embedder import Embedder
from retrieval.index import Index

__all__ = ["BATCH_CHUNKS", "SLICE_CHUNKS", "ReportProgress", "SyncEngine", "SyncProgress", "Turn"]
BATCH_CHUNKS = 256
SLICE_CHUNKS = 64
_log = structlog.get_logger()


def _plain_settings(source: SourceRow) -> ConnectorSettings:
    return read_settings(source.kind, source.settings)


def _plain_calls(requests_per_second: float | None) -> RemoteCalls:  # noqa: ARG001 - any number is taken
    return RemoteCalls()


class SyncEngine:
    """Runs syncs, one source at a time in a thread of the caller's.

    Args:
        settings: the limits of parsing and the data folder are read.
        parser: for tests; by default parsing processes are started for each run.
        index_stands: tells in a transaction whether the index is still the one that is searched; a run under
            way when it is not is left to be resumed with the new one.
        settings_of: the settings of a source with its secrets.
        make_calls: what its connector calls other machines through.
    """

    def __init__(
        self,
        database: Database,
        index: Index,
        embedder: Embedder,
        settings: Settings,
        *,
        parser: Parser | None = None,
        index_stands: Callable[[Session], bool] = lambda _: True,
        settings_of: Callable[[SourceRow], ConnectorSettings] = _plain_settings,
        make_calls: MakeCalls = _plain_calls,
        clock: Clock = utc_now,
    ) -> None:
        self._runs = Runs(database, clock)
        self._clock = clock
        self._tools = Tools(
            database,
            index,
            embedder,
            settings,
            parser,
            self._runs,
            clock,
            index_stands,
            settings_of,
            make_calls,
            BATCH_CHUNKS,
            SLICE_CHUNKS,
        )

    def run(
        self,
        source_name: str,
        progress: ReportProgress | None = None,
        *,
        workspace_id: str = DEFAULT_WORKSPACE_ID,
        allow_empty: bool = False,
        again: bool = False,
        stop: threading.Event | None = None,
        turn: Turn | None = None,
        only_wanted: bool = False,
    ) -> SyncSummary:
        """Syncs a source; a run that died on it or waits is taken up where it was.

        Args:
            progress: called in this thread after each step.
            allow_empty: take the source at its word, and remove whatever it no longer lists.
            again: read every document, also those that are held unchanged; mends an index that was lost.
            stop: when it is set, the run ends after the batch it is at and is left to be resumed.
            turn: after it, the run makes room for others that wait.
            only_wanted: begin no run that nobody asked for.

        Raises:
            NotFoundError: `no_such_source`.
            ConflictError: `sync_running`; `claim_lost` when another process took over; `source_paused`,
                `source_not_ready`, `nothing_to_sync`; `sync_cancelled`, `sync_paused`; `sync_interrupted`
                after `stop`, `sync_turn_over` after its turn.
            UnavailableError: the source or the index does not answer. The run is stored as waiting, to be
                tried again, or as failed after the last attempt.
            InputError: the source refuses its settings. The run is stored as failed.
        """
        claim = self._runs.claim(workspace_id, source_name, again=again, only_wanted=only_wanted)
        scrub: Scrub = str
        try:
            with Heartbeat(lambda: self._runs.beat(claim)) as heartbeat:
                work = Work(self._tools, claim, heartbeat, Report(source_name, progress), stop, turn)
                try:
                    return work.run(allow_removal=allow_empty)
                finally:
                    scrub = work.scrub
        except TurnOverError:
            self._runs.put_off(claim, "queued")
            raise
        except PausedError as error:
            self._runs.put_off(claim, "paused", error.message, code=error.code)
            raise
        except CancelledError as error:
            self._runs.finish(claim, "cancelled", error.message, None, code=error.code)
            raise
        except (InterruptedSyncError, ConflictError):
            # Left open, for whoever has it now or comes next.
            self._runs.release(claim)
            raise
        except Exception as error:
            ending = self._give_up(claim, error, scrub)
            if not repeats_secret(error, scrub):
                raise
        except BaseException:
            # Interrupted from outside: the run is left open, so that the next one resumes it.
            self._runs.release(claim)
            raise
        # Whoever catches it would log the secret with it and with what it came from.
        raise RungError(ending.message, code=ending.code)

    def _give_up(self, claim: Claim, error: Exception, scrub: Scrub) -> Ending:
        """Stores what becomes of a run that cannot go on now, and tells it."""
        try:
            ending = ending_of(error, self._runs.attempts(claim))
            ending = replace(ending, message=scrub(ending.message))
            about = {"source": claim.source.name, "run_id": claim.run_id, "code": ending.code}
            _log.error(f"sync_{ending.state}", reason=ending.message, **about)
            if ending.wait is not None:
                resume_at = self._clock() + ending.wait
                self._runs.put_off(claim, "waiting", ending.message, code=ending.code, resume_at=resume_at)
            else:
                self._runs.finish(claim, ending.state, ending.message, None, code=ending.code)
        except Exception:
            # The database does not take it: the run stays open, and whoever can write again takes it up.
            claims.forget(claim.id)
            _log.exception("sync_end_not_stored", source=claim.source.name, run_id=claim.run_id)
            raise
        return ending
