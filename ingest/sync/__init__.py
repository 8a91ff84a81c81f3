"""Sync runs: one pass over a source, resumable at any point."""

from ingest.sync.closing import SyncSummary
from ingest.sync.engine import SyncEngine, SyncProgress, Turn
from ingest.sync.records.claims import Counts
from ingest.sync.records.runs import FailureNote, Runs

__all__ = ["Counts", "FailureNote", "Runs", "SyncEngine", "SyncProgress", "SyncSummary", "Turn"]
