"""Writes a batch of items to the index and the database, in an order that survives being killed anywhere.

1. `begin`: access lists first (what gets another one is marked as `indexing`, then the index, then the rows,
   so that a death between them is seen next time), and every document of the batch marked as `indexing`.
2. `upsert`: the new chunks, as they are embedded.
3. `finish`: payloads of chunks that stay, stale chunks out, then in one transaction the documents as
   `indexed`, the counts, the failures and the checkpoint.

A run that died before 3 finds the checkpoint before the batch and does it again; chunks that are in the
index already are not embedded again.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import insert, update
from sqlmodel import Session, col, delete

from app.core.clock import Clock
from app.core.db import Database
from app.core.identity import AccessList
from ingest.chunking import Chunk
from ingest.connector import Checkpoint
from ingest.sync.records.claims import Claim
from ingest.sync.records.notes import ChangeKind, ChangeNote
from ingest.sync.records.runs import Runs
from ingest.sync.writing.holdings import Held
from ingest.sync.writing.prepare import Barrier, Failed, Gone, Item, NewText, SameText
from ingest.tables import DocumentRow, DocumentState, SourceRow
from retrieval.index import Index, Point
from retrieval.index.protocol import Vector


@dataclass(slots=True)
class Batch:
    """Items in their order, and the checkpoint after the last one that has one."""

    items: list[Item]
    chunks: int = 0

    @property
    def new_texts(self) -> list[NewText]:
        return [item for item in self.items if isinstance(item, NewText)]


def batches(items: Iterable[Item | Barrier], *, max_chunks: int, max_items: int) -> Iterator[Batch | Barrier]:
    """Items in batches of about this many chunks: a batch is full when it has reached either limit."""
    batch = Batch([])
    for item in items:
        if isinstance(item, Barrier):
            if batch.items:
                yield batch
            yield item
            batch = Batch([])
            continue
        batch.items.append(item)
        batch.chunks += len(item.chunks) if isinstance(item, NewText) else 0
        if batch.chunks >= max_chunks or len(batch.items) >= max_items:
            yield batch
            batch = Batch([])
    if batch.items:
        yield batch


def any_index(_: Session) -> None:
    """For an index that is never replaced by another one."""


class Store:
    """The writing side of one run. Used by one thread at a time.

    Each step looks first whether the run still has its source: one that was taken over writes nothing more,
    or it would undo what the other one has written since.

    Args:
        require_index: raises in a transaction when what was written went into an index that has been replaced
            since; the batch is then done again with the new one.
    """

    def __init__(
        self,
        database: Database,
        index: Index,
        runs: Runs,
        claim: Claim,
        recipe: str,
        clock: Clock,
        require_index: Callable[[Session], None] = any_index,
    ) -> None:
        self._database = database
        self._index = index
        self._runs = runs
        self._claim = claim
        self._recipe = recipe
        self._clock = clock
        self._require_index = require_index
        self._checkpoint = claim.checkpoint
        self._saved_checkpoint = claim.checkpoint
        self._passed = claim.passed
        self.counts = claim.counts

    def begin(self, batch: Batch) -> None:
        """Step 1."""
        self._runs.require_claim(self._claim)
        access = dict(access_changes(batch.items))
        if access:
            self._distrust(batch, access)
            self._index.set_access(self._claim.source.workspace_id, access)
        new = [item for item in batch.new_texts if item.held is None]
        again = [item.id for item in batch.new_texts if item.held is not None]
        # One that dies between index and row, and whose document comes back, must not look indexed.
        again += [held.id for held in _to_remove(batch.items)]
        with self._database.write() as session:
            self._runs.keep(session, self._claim)
            self._require_index(session)
            self._write_access(session, access, "indexed", {held.id for held in _stay(batch.items)})
            # Before the new ones: one of them may now be where another one was.
            self._move(session, batch)
            if new:
                session.execute(insert(DocumentRow), [self._first_values(item) for item in new])
            if again:
                session.execute(
                    update(DocumentRow).where(col(DocumentRow.id).in_(again)).values(state="indexing")
                )

    def upsert(self, points: Sequence[Point]) -> None:
        """Step 2."""
        self._runs.require_claim(self._claim)
        self._index.upsert(points)
        self.counts.chunks_embedded += len(points)

    def finish(self, batch: Batch, reused: Sequence[Point]) -> None:
        """Step 3."""
        self._runs.require_claim(self._claim)
        workspace_id = self._claim.source.workspace_id
        if reused:
            self._index.update_payload(reused)
        for item in batch.new_texts:
            if item.held is not None:
                self._index.keep_only(workspace_id, item.id, item.chunk_ids)
        gone = [held.id for held in _to_remove(batch.items)]
        if gone:
            self._index.delete_documents(workspace_id, gone)
        self._count(batch, reused)
        with self._database.write() as session:
            self._require_index(session)
            self._write_documents(session, batch)
            session.execute(delete(DocumentRow).where(col(DocumentRow.id).in_(gone)))
            self._runs.save(
                session,
                self._claim,
                self.counts,
                self._checkpoint,
                [item.note for item in batch.items if isinstance(item, Failed)],
                passed=self._passed,
                taken_in=_taken_in(batch.items),
                changes=[note for item in batch.items if (note := _change(item)) is not None],
                progressed=self._checkpoint != self._saved_checkpoint,
            )
        self._saved_checkpoint = self._checkpoint

    @property
    def has_moved_on(self) -> bool:
        """Whether a run that died now would resume further on than this one began."""
        return self._saved_checkpoint != self._claim.checkpoint

    @property
    def passed(self) -> bool:
        """Whether the pass is over."""
        return self._passed

    @property
    def cursor(self) -> str:
        """The state of the last checkpoint."""
        return self._saved_checkpoint

    def _move(self, session: Session, batch: Batch) -> None:
        moved = [
            {"id": item.held.id, "external_id": item.external_id}
            for item in batch.items
            if isinstance(item, NewText | SameText) and item.held is not None and item.moved_from is not None
        ]
        if moved:
            session.execute(update(DocumentRow), moved)

    def _distrust(self, batch: Batch, access: dict[str, AccessList]) -> None:
        """Marks what is about to get another access list: after a death the index may have either of the two.

        Until then only who stands in both may read it, and the next run does it again, also where the source
        is back at the list that the row had.
        """
        held = {held.id: held.access & access[held.id] for held in _held(batch.items) if held.id in access}
        with self._database.write() as session:
            self._runs.keep(session, self._claim)
            self._write_access(session, held, "indexing", held.keys())

    def _write_access(
        self, session: Session, access: dict[str, AccessList], state: DocumentState, marked: Collection[str]
    ) -> None:
        """Writes access lists, and the state of those that are `marked`."""
        if access:
            values = [{"id": i, "access": stored(names)} for i, names in access.items()]
            session.execute(update(DocumentRow), values)
        if ids := [i for i in access if i in marked]:
            session.execute(update(DocumentRow).where(col(DocumentRow.id).in_(ids)).values(state=state))

    def _write_documents(self, session: Session, batch: Batch) -> None:
        values = [self._last_values(item) for item in batch.new_texts]
        if values:
            session.execute(update(DocumentRow), values)
        moved = [
            {"id": item.held.id, "revision": item.revision}
            for item in batch.items
            if isinstance(item, SameText) and item.revision != item.held.revision
        ]
        if moved:
            session.execute(update(DocumentRow), moved)

    def _count(self, batch: Batch, reused: Sequence[Point]) -> None:
        counts = self.counts
        counts.chunks_reused += len(reused)
        for item in batch.items:
            match item:
                case Checkpoint(state, last):
                    self._checkpoint, self._passed = state, last
                case NewText():
                    counts.upserted += 1
                    counts.bytes_read += item.bytes_read
                case SameText():
                    counts.unchanged += 1
                    counts.bytes_read += item.bytes_read
                    counts.access_changed += item.access != item.held.access
                case Gone(_, held, at_once):
                    counts.deleted += at_once and held is not None
                case Failed(note):
                    counts.bytes_read += item.bytes_read
                    counts.skipped += note.skipped
                    counts.failed += not note.skipped

    def _first_values(self, item: NewText) -> dict[str, Any]:
        source: SourceRow = self._claim.source
        return {
            "id": item.id,
            "workspace_id": source.workspace_id,
            "source_id": source.id,
            "external_id": item.external_id,
            "state": "indexing",
            "recipe": self._recipe,
            "title": item.title,
            "access": [],
            "text": "",
            "headings": [],
            "pages": [],
            "notes": [],
            "created_at": self._clock(),
        }

    def _last_values(self, item: NewText) -> dict[str, Any]:
        return {
            "id": item.id,
            "state": "indexed",
            "revision": item.revision,
            "content_hash": item.content_hash,
            "recipe": self._recipe,
            "title": item.title,
            "url": item.url,
            "author": item.author,
            "updated_at": item.updated_at,
            "media_type": item.parsed.media_type,
            "access": stored(item.access),
            "text": item.parsed.text,
            "headings": [[h.level, h.text, h.start] for h in item.parsed.headings],
            "pages": list(item.parsed.pages),
            "language": item.parsed.language,
            "notes": [[note.code, note.text] for note in item.parsed.notes],
            "chunk_count": len(item.chunks),
            "indexed_at": self._clock(),
        }


def stored(access: AccessList) -> list[str]:
    """An access list as the database keeps it."""
    return sorted(str(principal) for principal in access)


def access_changes(items: Iterable[Item]) -> Iterator[tuple[str, AccessList]]:
    """The access that held documents get at once, before anything is embedded.

    While the text held may not be the one the new list was made for, only who stands in both lists may
    read it: a text opened to more people may just have been shortened for them.
    """
    for item in items:
        match item:
            case SameText(held, _, _, access):
                yield from _if_new(held, access)
            case NewText(held=Held() as held, access=access):
                yield from _if_new(held, held.access & access)
            case Failed(_, several, access):
                for held in several:
                    yield from _if_new(held, held.access if access is None else held.access & access)


def _if_new(held: Held, access: AccessList) -> Iterator[tuple[str, AccessList]]:
    # A run that died may have left chunks with another list than the row's.
    if access != held.access or not held.complete:
        yield held.id, access


def _held(items: Iterable[Item]) -> Iterator[Held]:
    """What is held of the items."""
    for item in items:
        match item:
            case SameText(held=held) | NewText(held=Held() as held):
                yield held
            case Failed(held=several):
                yield from several


def _stay(items: Iterable[Item]) -> Iterator[Held]:
    """The documents whose text stays the one held, and whole."""
    for item in items:
        match item:
            case SameText(held=held) if held.complete:
                yield held
            case Failed(held=several):
                yield from (held for held in several if held.complete)


def _taken_in(items: Iterable[Item]) -> set[str]:
    """The items that no failure stands against any more."""
    found = set[str]()
    for item in items:
        match item:
            case NewText() | SameText():
                found.add(item.external_id)
                found |= {item.moved_from} if item.moved_from is not None else set()
            case Gone(external_id, held, at_once) if at_once or held is None:
                found.add(external_id)
    return found


def _change(item: Item) -> ChangeNote | None:
    match item:
        case NewText(held=held):
            known = held is not None and held.indexed_before
            kind: ChangeKind = "moved" if item.moved_from is not None else "changed" if known else "new"
            return ChangeNote(item.external_id, kind, item.title)
        case SameText(held=held) if item.moved_from is not None:
            return ChangeNote(item.external_id, "moved", held.title)
        case SameText(held=held, access=access) if access != held.access:
            return ChangeNote(item.external_id, "access", held.title)
        case Gone(external_id, Held() as held, True):
            return ChangeNote(external_id, "removed", held.title)
    return None


def _to_remove(items: Iterable[Item]) -> Iterator[Held]:
    for item in items:
        match item:
            case Gone(_, Held() as held, True):
                yield held
            case Failed(held=several):
                # A first attempt that died left its row; now that it fails there is nothing to keep.
                yield from (held for held in several if not held.indexed_before)


def point_of(item: NewText, chunk: Chunk, chunk_id: str, source: SourceRow, vector: Vector) -> Point:
    """A chunk of a document as the index stores it."""
    return Point(
        id=chunk_id,
        workspace_id=source.workspace_id,
        document_id=item.id,
        source=source.name,
        title=item.title,
        heading_path=chunk.heading_path,
        text=chunk.text,
        embedded_text=chunk.embedded_text,
        start=chunk.start,
        end=chunk.end,
        url=item.url,
        author=item.author,
        updated_at=item.updated_at,
        access=item.access,
        vector=vector,
        page=chunk.page,
        page_breaks=chunk.page_breaks,
        sections=chunk.sections,
        language=item.parsed.language,
    )
