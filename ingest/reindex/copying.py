"""Writes documents into another generation of the index, from their stored texts."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sqlmodel import col, select

from app.core.db import Database
from ingest.chunking import Chunk
from ingest.parsing import Heading, ParsedDocument
from ingest.reindex.differences import access_texts
from ingest.reindex.tables import CopyRow
from ingest.sync.writing.holdings import stored_access
from ingest.sync.writing.prepare import NewText, chunk_ids, cut
from ingest.sync.writing.store import point_of
from ingest.tables import DocumentRow, SourceRow
from retrieval.generations import Pair
from retrieval.index import Point
from retrieval.index.protocol import Vector

_SLICE_CHUNKS = 64


@dataclass(frozen=True, slots=True)
class _Piece:
    """A chunk of a document, before it has a vector."""

    id: str
    chunk: Chunk
    item: NewText
    source: SourceRow

    def point(self, vector: Vector) -> Point:
        return point_of(self.item, self.chunk, self.id, self.source, vector)


class Copier:
    """Copies documents into one generation."""

    def __init__(self, database: Database, pair: Pair) -> None:
        self._database = database
        self._pair = pair

    def copy(self, ids: Sequence[str]) -> list[CopyRow]:
        """Writes these documents as they are now, and tells what to note of them.

        A chunk that is there already, from before another process was killed, is not embedded again.
        """
        items, copies = self._read(ids)
        pieces = [
            _Piece(chunk_id, chunk, item, source)
            for item, source in items
            for chunk_id, chunk in zip(item.chunk_ids, item.chunks, strict=True)
        ]
        index = self._pair.index
        present = index.present([piece.id for piece in pieces])
        unread = np.zeros(self._pair.embedder.dimensions, dtype=np.float32)
        index.update_payload([piece.point(unread) for piece in pieces if piece.id in present])
        self._embed([piece for piece in pieces if piece.id not in present])
        for item, source in items:
            index.keep_only(source.workspace_id, item.id, item.chunk_ids)
        return copies

    def _embed(self, pieces: list[_Piece]) -> None:
        # Texts of like length together: the encoder pads each group to its longest.
        pieces.sort(key=lambda piece: (len(piece.chunk.embedded_text), piece.id))
        for start in range(0, len(pieces), _SLICE_CHUNKS):
            part = pieces[start : start + _SLICE_CHUNKS]
            vectors = self._pair.embedder.embed([piece.chunk.embedded_text for piece in part])
            self._pair.index.upsert(
                [piece.point(vector) for piece, vector in zip(part, vectors, strict=True)]
            )

    def _read(self, ids: Sequence[str]) -> tuple[list[tuple[NewText, SourceRow]], list[CopyRow]]:
        with self._database.read() as session:
            rows = session.exec(
                select(DocumentRow, SourceRow)
                .where(
                    DocumentRow.source_id == SourceRow.id,
                    col(DocumentRow.id).in_(ids),
                    col(DocumentRow.indexed_at).is_not(None),
                )
                .order_by(col(DocumentRow.id))
            ).all()
            lists = access_texts(session, ids)
        items = [(self._item(row), source) for row, source in rows]
        copies = [
            self._copy_of(row, lists[row.id], len(item.chunks))
            for (row, _), (item, _) in zip(rows, items, strict=True)
        ]
        return items, copies

    def _item(self, row: DocumentRow) -> NewText:
        parsed = ParsedDocument(
            text=row.text,
            media_type=row.media_type,
            headings=tuple(Heading(*heading) for heading in row.headings),
            pages=tuple(row.pages),
            language=row.language,
        )
        chunks = cut(parsed, row.title, self._pair.embedder)
        return NewText(
            id=row.id,
            held=None,
            external_id=row.external_id,
            revision=row.revision,
            content_hash=row.content_hash,
            title=row.title,
            url=row.url,
            author=row.author,
            updated_at=row.updated_at,
            access=stored_access(row.access),
            parsed=parsed,
            chunks=tuple(chunks),
            chunk_ids=tuple(chunk_ids(row.id, self._pair.embedder.name, chunks)),
            bytes_read=0,
        )

    def _copy_of(self, row: DocumentRow, access: str, chunk_count: int) -> CopyRow:
        if row.indexed_at is None:
            raise AssertionError("only documents that were indexed are read")
        return CopyRow(
            generation=self._pair.generation.number,
            document_id=row.id,
            workspace_id=row.workspace_id,
            title=row.title,
            url=row.url,
            author=row.author,
            updated_at=row.updated_at,
            access=access,
            indexed_at=row.indexed_at,
            chunk_count=chunk_count,
        )
