"""What the new generation still lacks: told by comparing documents with their copies, in the database.

A document's row changes in every sync that changes what the index holds of it, so nothing that happens
during the build can be missed, however long the build takes and whoever was killed meanwhile.
"""

from collections.abc import Sequence
from typing import Any

import sqlalchemy
from sqlalchemy import Select, Text, cast, exists, func, or_, update
from sqlmodel import Session, col, delete

from ingest.reindex.tables import CopyRow
from ingest.tables import DocumentRow

COMPARED = ("title", "url", "author", "updated_at", "indexed_at")
_ACCESS = cast(col(DocumentRow.access), Text)


def lacking(session: Session, generation: int, after: str, limit: int) -> list[tuple[str, int]]:
    """Id and number of chunks of the next documents that are not there as they are now, by id."""
    chosen = (
        _different(generation)
        .where(col(DocumentRow.id) > after)
        .order_by(col(DocumentRow.id))
        .limit(limit)
        .add_columns(col(DocumentRow.chunk_count))
    )
    return [(row[0], row[1]) for row in session.execute(chosen).all()]


def left_over(session: Session, generation: int, limit: int) -> list[tuple[str, str]]:
    """Workspace and id of copied documents that are gone."""
    chosen = (
        sqlalchemy.select(col(CopyRow.workspace_id), col(CopyRow.document_id))
        .where(
            col(CopyRow.generation) == generation,
            ~exists().where(col(DocumentRow.id) == col(CopyRow.document_id)),
        )
        .limit(limit)
    )
    return [(row[0], row[1]) for row in session.execute(chosen).all()]


def is_whole(session: Session, generation: int) -> bool:
    """Whether every document is there as it is now, and nothing else."""
    return not lacking(session, generation, "", 1) and not left_over(session, generation, 1)


def progress(session: Session, generation: int) -> tuple[int, int]:
    """How many documents have been copied, and how many there are."""
    done = session.execute(
        sqlalchemy.select(func.count()).select_from(CopyRow).where(col(CopyRow.generation) == generation)
    ).scalar_one()
    total = session.execute(
        sqlalchemy.select(func.count())
        .select_from(DocumentRow)
        .where(col(DocumentRow.indexed_at).is_not(None))
    ).scalar_one()
    return min(done, total), total


def access_texts(session: Session, ids: Sequence[str]) -> dict[str, str]:
    """The access lists of documents, as the database stores them: what copies are compared by."""
    rows = session.execute(
        sqlalchemy.select(col(DocumentRow.id), _ACCESS).where(col(DocumentRow.id).in_(ids))
    )
    return {row[0]: row[1] for row in rows.all()}


def write_copies(session: Session, copies: Sequence[CopyRow]) -> None:
    """Notes what was copied."""
    if copies:
        forget_copies(session, copies[0].generation, [copy.document_id for copy in copies])
        session.add_all(copies)


def forget_copies(session: Session, generation: int, ids: Sequence[str] | None = None) -> None:
    """Removes these notes, or all of a generation."""
    chosen = delete(CopyRow).where(col(CopyRow.generation) == generation)
    session.execute(chosen if ids is None else chosen.where(col(CopyRow.document_id).in_(ids)))


def take_chunk_counts(session: Session, generation: int) -> None:
    """Writes into each document how many chunks it has in the new generation."""
    count = (
        sqlalchemy.select(col(CopyRow.chunk_count))
        .where(col(CopyRow.generation) == generation, col(CopyRow.document_id) == col(DocumentRow.id))
        .scalar_subquery()
    )
    session.execute(
        update(DocumentRow).where(col(DocumentRow.indexed_at).is_not(None)).values(chunk_count=count),
        execution_options={"synchronize_session": False},
    )


def _different(generation: int) -> Select[Any]:
    pairs = [getattr(DocumentRow, name).is_distinct_from(getattr(CopyRow, name)) for name in (*COMPARED,)]
    return (
        sqlalchemy.select(col(DocumentRow.id))
        .outerjoin(
            CopyRow,
            (col(CopyRow.document_id) == col(DocumentRow.id)) & (col(CopyRow.generation) == generation),
        )
        .where(
            col(DocumentRow.indexed_at).is_not(None),
            or_(col(CopyRow.document_id).is_(None), _ACCESS.is_distinct_from(col(CopyRow.access)), *pairs),
        )
    )
