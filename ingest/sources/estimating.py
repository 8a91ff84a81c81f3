"""How long a first sync takes and how much room it needs, from what was measured here before."""

from dataclasses import dataclass

from sqlmodel import col, func, select

from app.core.db import Database
from ingest.connector import Estimate
from ingest.tables import DocumentRow, SyncRunRow
from retrieval.index import Index

ASSUMED_DOCUMENTS_PER_SECOND = 5.0
"""Where nothing was measured yet: short documents with the bundled encoder on two cores."""

ASSUMED_CHUNKS_PER_DOCUMENT = 6.0
ASSUMED_BYTES_PER_CHUNK = 8_000
_MEASURED_FROM_DOCUMENTS = 20
_RUNS_LOOKED_AT = 50


@dataclass(frozen=True, slots=True)
class SourceEstimate:
    """What a first sync would bring. `measured` is whether the pace comes from earlier runs here.

    `space_bytes` is what Rung would store; `size_bytes` is how much the source holds, where it says so.
    """

    documents: int
    at_least: bool
    size_bytes: int | None
    seconds: float
    documents_per_second: float
    measured: bool
    space_bytes: int


def estimate_of(database: Database, index: Index, counted: Estimate) -> SourceEstimate:
    """The estimate for a source of which its connector counted so much."""
    pace = _pace(database)
    chunks = _chunks_per_document(database)
    stats = index.stats()
    per_chunk: float = ASSUMED_BYTES_PER_CHUNK
    if stats.disk_bytes and stats.points >= 1000:
        per_chunk = stats.disk_bytes / stats.points
    used = pace or ASSUMED_DOCUMENTS_PER_SECOND
    return SourceEstimate(
        documents=counted.documents,
        at_least=counted.at_least,
        size_bytes=counted.size_bytes,
        seconds=counted.documents / used,
        documents_per_second=used,
        measured=pace is not None,
        space_bytes=int(counted.documents * chunks * per_chunk),
    )


def _pace(database: Database) -> float | None:
    """Documents a second over the latest runs that took some in."""
    with database.read() as session:
        rows = session.exec(
            select(SyncRunRow)
            .where(
                col(SyncRunRow.upserted) >= _MEASURED_FROM_DOCUMENTS,
                col(SyncRunRow.finished_at).is_not(None),
                # A run that waited or was taken up again says nothing of the pace.
                SyncRunRow.resumed == 0,
                SyncRunRow.attempts == 0,
            )
            .order_by(col(SyncRunRow.started_at).desc())
            .limit(_RUNS_LOOKED_AT)
        ).all()
    documents = sum(row.upserted for row in rows)
    seconds = sum((row.finished_at - row.started_at).total_seconds() for row in rows if row.finished_at)
    return documents / seconds if documents and seconds > 0 else None


def _chunks_per_document(database: Database) -> float:
    with database.read() as session:
        documents, chunks = session.exec(
            select(func.count(), func.coalesce(func.sum(DocumentRow.chunk_count), 0)).where(
                col(DocumentRow.indexed_at).is_not(None)
            )
        ).one()
    if documents < _MEASURED_FROM_DOCUMENTS:
        return ASSUMED_CHUNKS_PER_DOCUMENT
    return float(chunks) / float(documents)
