"""What is held of a source, looked up for comparison. Texts are never loaded here."""

from dataclasses import dataclass
from itertools import count
from typing import Any
from uuid import UUID, uuid5

import sqlalchemy
from sqlalchemy import ColumnElement
from sqlmodel import col, func, select

from app.core.db import Database
from app.core.errors import InputError
from app.core.identity import NOBODY, AccessList, parse_access
from ingest.tables import DocumentRow, SourceRow

_ABOUT = (
    col(DocumentRow.id),
    col(DocumentRow.external_id),
    col(DocumentRow.revision),
    col(DocumentRow.content_hash),
    col(DocumentRow.recipe),
    col(DocumentRow.access),
    col(DocumentRow.state),
    col(DocumentRow.indexed_at),
    col(DocumentRow.title),
)

_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Held:
    """What Rung holds of a document. `complete` is false for one that a run died on."""

    id: str
    external_id: str
    revision: str
    content_hash: str
    recipe: str
    access: AccessList
    complete: bool
    indexed_before: bool
    title: str = ""


class Holdings:
    """Looks up what is held of one source."""

    def __init__(self, database: Database, source: SourceRow) -> None:
        self._database = database
        self._source = source

    def new_id(self, external_id: str) -> str:
        """The id of a document that is not held yet: the same whenever the same item comes from the same
        source, unless a document that was moved away from there has it."""
        for number in count():
            name = external_id if number == 0 else f"{external_id}\x1f{number}"
            found = str(uuid5(UUID(self._source.id), name))
            if not self._select(col(DocumentRow.id) == found):
                return found
        raise AssertionError("unreachable")

    def find(self, external_id: str) -> Held | None:
        found = self._select(
            col(DocumentRow.source_id) == self._source.id, col(DocumentRow.external_id) == external_id
        )
        return next(iter(found), None)

    def count(self) -> int:
        """How many documents are held, those too that a run died on."""
        with self._database.read() as session:
            return session.exec(select(func.count()).where(DocumentRow.source_id == self._source.id)).one()

    def below(self, folder_id: str) -> list[Held]:
        """The documents whose id begins with this one and a slash; all of them for `.`."""
        if folder_id == ".":
            return self._select(col(DocumentRow.source_id) == self._source.id)
        return self._select(
            col(DocumentRow.source_id) == self._source.id,
            col(DocumentRow.external_id).startswith(folder_id + "/", autoescape=True),
        )

    def not_in(self, listed: set[str]) -> list[Held]:
        """The documents that are held but not listed, by their external ids."""
        with self._database.read() as session:
            ids = session.exec(
                select(DocumentRow.id, DocumentRow.external_id).where(
                    DocumentRow.source_id == self._source.id
                )
            ).all()
        gone = sorted((name, document_id) for document_id, name in ids if name not in listed)
        found: list[Held] = []
        for start in range(0, len(gone), _AT_ONCE):
            part = [document_id for _, document_id in gone[start : start + _AT_ONCE]]
            found += sorted(self._select(col(DocumentRow.id).in_(part)), key=lambda held: held.external_id)
        return found

    def complete_ids(self) -> set[str]:
        """The external ids of all documents that are indexed."""
        with self._database.read() as session:
            return set(
                session.exec(
                    select(DocumentRow.external_id).where(
                        DocumentRow.source_id == self._source.id, DocumentRow.state == "indexed"
                    )
                ).all()
            )

    def _select(self, *conditions: ColumnElement[bool]) -> list[Held]:
        with self._database.read() as session:
            rows = session.execute(sqlalchemy.select(*_ABOUT).where(*conditions)).all()
        return [_held(row) for row in rows]


def _held(row: Any) -> Held:
    return Held(
        id=row.id,
        external_id=row.external_id,
        revision=row.revision,
        content_hash=row.content_hash,
        recipe=row.recipe,
        access=stored_access(row.access),
        complete=row.state == "indexed",
        indexed_before=row.indexed_at is not None,
        title=row.title,
    )


def stored_access(entries: object) -> AccessList:
    """An access list as it is stored; one that cannot be read names nobody."""
    if not isinstance(entries, list):
        return NOBODY
    try:
        return parse_access(entries)
    except (InputError, AttributeError):
        return NOBODY
