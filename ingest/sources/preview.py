"""Ten documents as they would be indexed, read with the real connector, parser and chunker."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from app.core.identity import AccessList
from ingest.chunking import Chunk
from ingest.connector import SKIPPED_CODES, Connector, Failure, Upsert
from ingest.document import SourceDocument
from ingest.parsing import ParsedDocument, ParseError, Parser
from ingest.parsing.document import Note, page_at
from ingest.sync.writing.prepare import cut, described
from retrieval.embedder import Embedder
from retrieval.passage import place_words

MOST_DOCUMENTS = 10
_MOST_ITEMS = 200
_MOST_FAILURES = 20
_TEXT_CHARS = 400
_MOST_PLACES = 3
_EMPTY_LINES = re.compile(r"\n\s*\n")


@dataclass(frozen=True, slots=True)
class PreviewDocument:
    """A document as it would be indexed. `text` is its beginning, `headings` where its first chunks stand.

    `places` are pages and sections as citations name them, such as `page 7, section Travel`. `pages` is how
    many there are, nothing where it has none. `language` is an ISO 639-1 code, or empty where it was not
    told. `notes` say what of it could not be read.
    """

    external_id: str
    title: str
    text: str
    chunks: int
    headings: tuple[str, ...]
    url: str | None
    author: str | None
    updated_at: datetime | None
    media_type: str
    access: AccessList
    size_bytes: int
    places: tuple[str, ...] = ()
    pages: int | None = None
    language: str = ""
    notes: tuple[Note, ...] = ()

    def with_access(self, access: AccessList) -> "PreviewDocument":
        """The same for other readers."""
        return replace(self, access=access)


@dataclass(frozen=True, slots=True)
class PreviewFailure:
    """An item that would be a failure, or passed over."""

    external_id: str
    code: str
    reason: str
    skipped: bool


@dataclass(slots=True)
class Preview:
    """What was read. `ended` is whether the source has no more than this; `in_time` whether the time
    sufficed for as many as were wanted."""

    documents: list[PreviewDocument] = field(default_factory=list)
    failures: list[PreviewFailure] = field(default_factory=list)
    ended: bool = False
    in_time: bool = False


class Previewer:
    """Reads the first documents of a source.

    Args:
        parser: makes a parser for one preview; it is closed afterwards.
    """

    def __init__(self, parser: Callable[[], Parser], embedder: Callable[[], Embedder]) -> None:
        self._parser = parser
        self._embedder = embedder

    def read(self, connector: Connector, found: Preview, stop: Callable[[], bool]) -> Preview:
        """Fills `found` until it has enough, the source ends, or `stop` says so."""
        parser = self._parser()
        try:
            for number, change in enumerate(connector.pull("", lambda _: None), start=1):
                if isinstance(change, Upsert):
                    self._take(parser, change.document, found)
                elif isinstance(change, Failure):
                    _note(found, change.external_id, change.code, change.reason)
                if stop():
                    return found
                if len(found.documents) >= MOST_DOCUMENTS or number >= _MOST_ITEMS:
                    break
            else:
                found.ended = True
            found.in_time = True
            return found
        finally:
            parser.close()

    def _take(self, parser: Parser, document: SourceDocument, found: Preview) -> None:
        try:
            parsed = parser.parse(document.file_name, document.media_type, document.content)
        except ParseError as error:
            _note(found, document.external_id, error.code, error.reason)
            return
        title, author, updated_at = described(document, parsed)
        chunks = cut(parsed, title, self._embedder())
        places = dict.fromkeys(" › ".join(chunk.heading_path) for chunk in chunks if chunk.heading_path)
        found.documents.append(
            PreviewDocument(
                external_id=document.external_id,
                title=title,
                text=_beginning(parsed.text),
                chunks=len(chunks),
                headings=tuple(places)[:3],
                url=document.url,
                author=author,
                updated_at=updated_at,
                media_type=parsed.media_type,
                access=document.access,
                size_bytes=len(document.content),
                places=_places(title, parsed, chunks),
                pages=len(parsed.pages) or None,
                language=parsed.language,
                notes=parsed.notes,
            )
        )


def _note(found: Preview, external_id: str, code: str, reason: str) -> None:
    if len(found.failures) < _MOST_FAILURES:
        found.failures.append(PreviewFailure(external_id, code, reason, code in SKIPPED_CODES))


def _places(title: str, parsed: ParsedDocument, chunks: Sequence[Chunk]) -> tuple[str, ...]:
    """Where the first chunks stand, each place once."""
    named = (place_words(title, chunk.heading_path, page_at(parsed.pages, chunk.start)) for chunk in chunks)
    return tuple(dict.fromkeys(place for place in named if place))[:_MOST_PLACES]


def _beginning(text: str) -> str:
    text = _EMPTY_LINES.sub("\n", text[: 4 * _TEXT_CHARS]).strip()
    if len(text) <= _TEXT_CHARS:
        return text
    return text[:_TEXT_CHARS].rsplit(None, 1)[0] + " …"
