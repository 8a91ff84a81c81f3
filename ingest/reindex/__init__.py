"""Re-indexing: another generation of the index, made from the stored texts while the old one is searched."""

from ingest.reindex.rebuild import Reindexer, ReindexStatus

__all__ = ["ReindexStatus", "Reindexer"]
