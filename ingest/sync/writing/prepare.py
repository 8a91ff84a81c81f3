"""From what a connector yields to what has to be done about it: compare, parse, chunk. No vectors yet."""

import hashlib
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import PurePosixPath
from uuid import UUID, uuid5

from app.core.identity import AccessList
from ingest.chunking import Chunk, chunk_document
from ingest.connector import AccessChange, Change, Checkpoint, Delete, Failure, Unchanged, Upsert
from ingest.document import SourceDocument
from ingest.parsing import ParsedDocument, ParseError, Parser
from ingest.parsing.document import one_line
from ingest.parsing.pool import ParserPool
from ingest.sync.records.runs import FailureNote
from ingest.sync.writing.holdings import Held, Holdings
from retrieval.embedder import Embedder

PIPELINE_VERSION = "3"
"""Raise it when parsing gives something else for the same bytes: each document is then read again."""

_RECENT = 10_000
"""More items than can be on their way to the database at once."""

_AHEAD_BYTES = 64_000_000
"""The most that may wait to be parsed: a few large files are not all held at once."""


@dataclass(frozen=True, slots=True)
class NewText:
    """A document whose chunks have to be compared with the index and embedded where they are new."""

    id: str
    held: Held | None
    external_id: str
    revision: str
    content_hash: str
    title: str
    url: str | None
    author: str | None
    updated_at: datetime | None
    access: AccessList
    parsed: ParsedDocument
    chunks: tuple[Chunk, ...]
    chunk_ids: tuple[str, ...]
    bytes_read: int

    @property
    def moved_from(self) -> str | None:
        """The id that it had before, where it was held under another one."""
        return _moved_from(self.held, self.external_id)


@dataclass(frozen=True, slots=True)
class SameText:
    """A document whose text is the one held; its revision or access may have changed."""

    held: Held
    external_id: str
    revision: str
    access: AccessList
    bytes_read: int = 0

    @property
    def moved_from(self) -> str | None:
        """The id that it had before, where it was held under another one."""
        return _moved_from(self.held, self.external_id)


@dataclass(frozen=True, slots=True)
class Gone:
    """An item that the source no longer has. Unless `at_once`, the listing at the run's end decides."""

    external_id: str
    held: Held | None
    at_once: bool


@dataclass(frozen=True, slots=True)
class Failed:
    """An item that could not be taken in. Those of `held` are kept, for whom `access` names too."""

    note: FailureNote
    held: tuple[Held, ...]
    access: AccessList | None
    bytes_read: int = 0


@dataclass(frozen=True, slots=True)
class Barrier:
    """What comes next is about an item just handed over: everything before it has to be written first."""

    written: threading.Event = field(default_factory=threading.Event)


Item = NewText | SameText | Gone | Failed | Checkpoint


@dataclass(frozen=True, slots=True)
class _Begun:
    """A document that is being parsed; `wait` gives its text."""

    document: SourceDocument
    held: Held | None
    content_hash: str
    wait: Callable[[], ParsedDocument]


class Preparer:
    """Turns changes into items, in order. One bad document is a `Failed` item, never an exception.

    Leave it (it is a context manager) before the thread that reads `items` is waited for.

    Args:
        fixed_access: who may read, whatever the source says of it.
        removes: whether an item that is told to be gone is removed at once.
    """

    def __init__(
        self,
        holdings: Holdings,
        parser: Parser,
        embedder: Embedder,
        *,
        fixed_access: AccessList | None = None,
        removes: bool = False,
    ) -> None:
        self._holdings = holdings
        self._parser = parser
        self._embedder = embedder
        self._fixed_access = fixed_access
        self._removes = removes
        self.recipe = PIPELINE_VERSION
        self._last: tuple[str, Held | None] | None = None
        self._recent: dict[str, None] = {}
        self._left = threading.Event()

    def __enter__(self) -> "Preparer":
        return self

    def __exit__(self, *_: object) -> None:
        self._left.set()

    def known_revision(self, external_id: str) -> str | None:
        """The revision held, unless the document has to be done again anyway."""
        held = self._find(external_id)
        return held.revision if held is not None and self._stands(held) else None

    def _stands(self, held: Held) -> bool:
        """Whether what is held was made as it would be made now, and need not be made again."""
        return held.complete and held.recipe == self.recipe

    def items(self, changes: Iterable[Change]) -> Iterator[Item | Barrier]:
        """The items in the order of their changes; a few documents further on are being parsed already."""
        waiting: deque[Item | _Begun] = deque()
        for change in changes:
            if self._is_about_a_recent_one(change):
                while waiting:
                    yield self._done(waiting.popleft())
                yield (barrier := Barrier())
                while not barrier.written.wait(0.05):
                    if self._left.is_set():
                        return
                self._recent.clear()
                self._last = None
            self._remember(change)
            item = self._item(change)
            if item is not None:
                waiting.append(item)
            while waiting and (not isinstance(waiting[0], _Begun) or self._far_ahead(waiting)):
                yield self._done(waiting.popleft())
        while waiting:
            yield self._done(waiting.popleft())

    def _is_about_a_recent_one(self, change: Change) -> bool:
        return any(name in self._recent for name in _names(change))

    def _remember(self, change: Change) -> None:
        for name in _names(change):
            self._recent[name] = None
        while len(self._recent) > _RECENT:
            del self._recent[next(iter(self._recent))]

    def _far_ahead(self, waiting: "deque[Item | _Begun]") -> bool:
        if not isinstance(self._parser, ParserPool) or len(waiting) > self._parser.ahead:
            return True
        begun = (len(entry.document.content) for entry in waiting if isinstance(entry, _Begun))
        return sum(begun) > _AHEAD_BYTES

    def _done(self, entry: "Item | _Begun") -> Item:
        if not isinstance(entry, _Begun):
            return entry
        document, held = entry.document, entry.held
        try:
            parsed = entry.wait()
        except ParseError as error:
            note = FailureNote(document.external_id, error.code, error.reason)
            return Failed(note, (held,) if held else (), self._access(document.access), len(document.content))
        return self._new_text(document, held, entry.content_hash, parsed)

    def _access(self, told: AccessList) -> AccessList:
        return told if self._fixed_access is None else self._fixed_access

    def _item(self, change: Change) -> "Item | _Begun | None":
        match change:
            case Upsert(document):
                return self._upsert(document)
            case Unchanged(external_id, access) | AccessChange(external_id, access):
                held = self._find(external_id)
                if held is None:
                    return None
                return SameText(held, external_id, held.revision, self._access(access))
            case Delete(external_id):
                return Gone(external_id, self._find(external_id), self._removes)
            case Failure():
                return self._failed(change)
            case Checkpoint():
                return change

    def _failed(self, failure: Failure) -> Failed:
        name = failure.external_id
        found = self._find(name)
        held = self._holdings.below(name) if failure.whole_folder else [found] if found is not None else []
        access = self._fixed_access if self._fixed_access is not None else failure.access
        return Failed(FailureNote(name, failure.code, failure.reason), tuple(held), access)

    def _upsert(self, document: SourceDocument) -> "Item | _Begun":
        held = self._find(document.external_id)
        if held is None and document.moved_from is not None:
            held = self._holdings.find(document.moved_from)
        content_hash = _hash(document)
        if held is not None and self._stands(held) and held.content_hash == content_hash:
            access = self._access(document.access)
            return SameText(held, document.external_id, document.revision, access, len(document.content))
        what = (document.file_name, document.media_type, document.content)
        if isinstance(self._parser, ParserPool):
            return _Begun(document, held, content_hash, self._parser.start(*what))
        return _Begun(document, held, content_hash, partial(self._parser.parse, *what))

    def _new_text(
        self, document: SourceDocument, held: Held | None, content_hash: str, parsed: ParsedDocument
    ) -> NewText:
        document_id = held.id if held is not None else self._holdings.new_id(document.external_id)
        title, author, updated_at = described(document, parsed)
        chunks = cut(parsed, title, self._embedder)
        return NewText(
            id=document_id,
            held=held,
            external_id=document.external_id,
            revision=document.revision,
            content_hash=content_hash,
            title=title,
            url=document.url,
            author=author,
            updated_at=updated_at,
            access=self._access(document.access),
            parsed=parsed,
            chunks=tuple(chunks),
            chunk_ids=tuple(chunk_ids(document_id, self._embedder.name, chunks)),
            bytes_read=len(document.content),
        )

    def _find(self, external_id: str) -> Held | None:
        # A connector asks for the revision right before it yields the change: one look-up serves both.
        if self._last is None or self._last[0] != external_id:
            self._last = (external_id, self._holdings.find(external_id))
        return self._last[1]


def _names(change: Change) -> tuple[str, ...]:
    """The ids that a change is about."""
    match change:
        case Checkpoint():
            return ()
        case Upsert(document):
            names = (document.external_id, document.moved_from)
            return tuple(name for name in names if name is not None)
        case _:
            return (change.external_id,)


def _moved_from(held: Held | None, external_id: str) -> str | None:
    return held.external_id if held is not None and held.external_id != external_id else None


def _hash(document: SourceDocument) -> str:
    about = "\x1f".join(
        value or "" for value in (document.title, document.url, document.author, document.media_type)
    )
    return hashlib.sha256(document.content + b"\x1e" + about.encode(errors="replace")).hexdigest()


def described(document: SourceDocument, parsed: ParsedDocument) -> tuple[str, str | None, datetime | None]:
    """Title, author and date of a document: of what the source and the text say, what knows it better."""
    title = one_line(document.title or "") or parsed.title or PurePosixPath(document.file_name).stem
    author = one_line(document.author or "") or parsed.author
    return title, author, parsed.updated_at or document.updated_at


def cut(parsed: ParsedDocument, title: str, embedder: Embedder) -> list[Chunk]:
    """The chunks of a parsed document for this encoder."""
    return chunk_document(
        parsed.text,
        parsed.headings,
        title,
        embedder.count_tokens,
        max_tokens=embedder.max_tokens,
        pages=parsed.pages,
    )


def chunk_ids(document_id: str, embedder_name: str, chunks: Iterable[Chunk]) -> Iterator[str]:
    """Ids made of the document, the encoder and the embedded text: the same text is never embedded twice."""
    namespace, seen = UUID(document_id), dict[str, int]()
    for chunk in chunks:
        digest = hashlib.sha256(chunk.embedded_text.encode()).hexdigest()
        seen[digest] = seen.get(digest, 0) + 1
        yield str(uuid5(namespace, f"{embedder_name} {digest} {seen[digest]}"))
