"""Opening a stored document, as the person who asks."""

import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy
from sqlalchemy import ARRAY, ColumnElement, Text, any_, cast, func
from sqlmodel import col, select

from app.core.db import Database
from app.core.errors import NotFoundError
from app.core.identity import AccessList, Caller, may_read
from ingest.parsing import Heading, Note
from ingest.sync.writing.holdings import stored_access
from ingest.tables import DocumentRow, SourceRow


@dataclass(frozen=True, slots=True)
class StoredDocument:
    """A document as it was last indexed. Offsets of passages and headings count characters of `text`."""

    id: str
    title: str
    text: str
    headings: tuple[Heading, ...]
    source: str
    external_id: str
    url: str | None
    author: str | None
    updated_at: datetime | None
    media_type: str
    indexed_at: datetime
    access: AccessList
    pages: tuple[int, ...] = ()
    language: str = ""
    notes: tuple[Note, ...] = ()


class Library:
    """The stored documents."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def document(self, caller: Caller, document_id: str) -> StoredDocument:
        """A document that the caller may read.

        Raises:
            NotFoundError: `no_such_document`, the same whether it is missing or not for this caller.
        """
        row_and_source = self._find(caller.workspace_id, document_id)
        if row_and_source is not None:
            row, source_name = row_and_source
            access = stored_access(row.access)
            if row.indexed_at is not None and may_read(access, caller.principals):
                return StoredDocument(
                    id=row.id,
                    title=row.title,
                    text=row.text,
                    headings=tuple(Heading(*heading) for heading in row.headings),
                    source=source_name,
                    external_id=row.external_id,
                    url=row.url,
                    author=row.author,
                    updated_at=row.updated_at,
                    media_type=row.media_type,
                    indexed_at=row.indexed_at,
                    access=access,
                    pages=tuple(row.pages),
                    language=row.language,
                    notes=tuple(Note(*note) for note in row.notes),
                )
        raise NotFoundError("There is no such document.", code="no_such_document")

    def may_read(self, caller: Caller, document_id: str) -> bool:
        """Whether `document` would open it for the caller. The text is not loaded."""
        if (canonical := _canonical(document_id)) is None:
            return False
        with self._database.read() as session:
            found = session.exec(
                select(DocumentRow.access, DocumentRow.indexed_at).where(
                    DocumentRow.id == canonical, DocumentRow.workspace_id == caller.workspace_id
                )
            ).first()
        return (
            found is not None
            and found[1] is not None
            and may_read(stored_access(found[0]), caller.principals)
        )

    def may_read_all(self, caller: Caller, document_ids: Collection[str]) -> bool:
        """Whether the caller may read every one of these documents now; false where one is gone, and for none
        at all.

        One query for any number up to thousands: documents are counted by their access list, and each list is
        looked at once.
        """
        wanted = {canonical for d in document_ids if (canonical := _canonical(d)) is not None}
        if not document_ids or len(wanted) < len(set(document_ids)):
            return False
        lists = self._access_lists(caller.workspace_id, wanted)
        held = sum(count for _, count in lists)
        return held == len(wanted) and all(may_read(access, caller.principals) for access, _ in lists)

    def _access_lists(self, workspace_id: str, document_ids: set[str]) -> list[tuple[AccessList, int]]:
        """The different access lists of these documents as they are now, each with how many have it."""
        access = cast(col(DocumentRow.access), Text)
        chosen = (
            sqlalchemy.select(access, func.count())
            .where(
                self._is_one_of(sorted(document_ids)),
                col(DocumentRow.workspace_id) == workspace_id,
                col(DocumentRow.indexed_at).is_not(None),
            )
            .group_by(access)
        )
        with self._database.read() as session:
            rows = session.execute(chosen).all()
        return [(stored_access(json.loads(text)), int(count)) for text, count in rows]

    def _is_one_of(self, ids: list[str]) -> ColumnElement[bool]:
        """The ids as one parameter: thousands of them take longer to write down than to look up."""
        if not self._database.is_sqlite:
            return col(DocumentRow.id) == any_(cast(ids, ARRAY(Text)))
        listed = func.json_each(json.dumps(ids)).table_valued("value")
        return col(DocumentRow.id).in_(sqlalchemy.select(listed.c.value))

    def _find(self, workspace_id: str, document_id: str) -> tuple[DocumentRow, str] | None:
        if (canonical := _canonical(document_id)) is None:
            return None
        with self._database.read() as session:
            return session.exec(
                select(DocumentRow, SourceRow.name).where(
                    DocumentRow.id == canonical,
                    DocumentRow.workspace_id == workspace_id,
                    DocumentRow.source_id == SourceRow.id,
                )
            ).first()


def _canonical(document_id: str) -> str | None:
    """The usual spelling of an id, or nothing for what is none."""
    try:
        return str(UUID(document_id))
    except ValueError:
        return None
