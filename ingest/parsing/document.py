"""What parsing gives: plain text with its headings, or a named failure. Parsers write by `TextBuilder`."""

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading that stands in the text at `start`, in characters. `level` counts from 1."""

    level: int
    text: str
    start: int


@dataclass(frozen=True, slots=True)
class Note:
    """What an admin should know of a document that was read all the same, such as `scanned_pages`."""

    code: str
    text: str


@dataclass(frozen=True, slots=True)
class ParsedDocument:
    """The readable text of a document: newlines are `\\n`, no NUL, the headings in order within it.

    `pages` are the offsets in the text at which its pages begin, in order; empty where it has no pages.
    `language` is an ISO 639-1 code, or empty where it was not told. `notes` say what of it is missing.
    """

    text: str
    media_type: str
    headings: tuple[Heading, ...] = ()
    title: str | None = None
    author: str | None = None
    updated_at: datetime | None = None
    pages: tuple[int, ...] = ()
    language: str = ""
    notes: tuple[Note, ...] = ()


def page_at(pages: Sequence[int], offset: int) -> int | None:
    """The number of the page, from 1, that a character stands on; nothing where there are no pages."""
    return max(1, bisect_right(pages, offset)) if pages else None


class ParseError(Exception):
    """A document that cannot be parsed.

    Args:
        code: `encrypted`, `damaged`, `empty`, `no_text`, `scanned`, `invalid_encoding`, `archive_bomb`,
            `too_large`, `too_slow`, `too_much_memory`, `parser_crashed` or `unsupported_format`.
        reason: what is wrong and what to do about it, in words for the admin.
    """

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason


_FIRST_YEAR, _LAST_YEAR = 1900, 2200
_UNREADABLE = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
_SPACES = re.compile(r"[ \t\xa0]+")


def normalise(text: str) -> str:
    """One kind of newline, no control characters, no halves of surrogate pairs, composed accents."""
    unified = text.replace("\r\n", "\n").replace("\r", "\n").replace("\x0c", "\n")
    return unicodedata.normalize("NFC", _UNREADABLE.sub("", unified))


def one_line(text: str) -> str:
    """The text on one line, for titles, headings and table cells."""
    return " ".join(normalise(text).split())


def squeeze(text: str) -> str:
    """The text with runs of spaces shortened and at most one blank line in a row."""
    lines = [_SPACES.sub(" ", line).strip() for line in normalise(text).split("\n")]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


class TextBuilder:
    """Collects blocks of text, one blank line between them, and remembers where the headings stand."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._length = 0
        self._headings: list[Heading] = []
        self._pages: list[int] = []
        self._new_pages = 0
        self._notes: list[Note] = []

    @property
    def length(self) -> int:
        """How many characters there are so far."""
        return self._length

    def page(self) -> None:
        """Says that a page begins with what is added next."""
        self._new_pages += 1

    def note(self, code: str, text: str) -> None:
        """Adds a note for the admin, each only once."""
        note = Note(code, text)
        if note not in self._notes:
            self._notes.append(note)

    def include(self, part: ParsedDocument, *, below: int, called: str = "") -> None:
        """Adds another document's text, with its headings `below` levels deeper and its notes.

        Args:
            called: what its notes begin with. Its pages are not pages of this document and are left out.
        """
        if part.text.strip():
            indent = len(part.text) - len(part.text.lstrip())
            start = self._add(part.text.strip(), "\n\n") - indent
            self._headings.extend(Heading(h.level + below, h.text, start + h.start) for h in part.headings)
        for note in part.notes:
            self.note(note.code, f"{called}: {note.text}" if called else note.text)

    def heading(self, level: int, text: str) -> None:
        """Adds a heading; an empty one is left out."""
        clean = one_line(text)
        if clean:
            self._headings.append(Heading(max(1, level), clean, self._add(clean, "\n\n")))

    def block(self, text: str) -> None:
        """Adds a paragraph, list or table; inner newlines are kept. An empty one is left out."""
        clean = normalise(text).strip()
        if clean:
            self._add(clean, "\n\n")

    def line(self, text: str) -> None:
        """Adds a line right below the last one. An empty one is left out."""
        clean = normalise(text).strip()
        if clean:
            self._add(clean, "\n")

    def _add(self, text: str, separator: str) -> int:
        if self._parts:
            self._parts.append(separator)
            self._length += len(separator)
        start = self._length
        self._pages.extend([start] * self._new_pages)
        self._new_pages = 0
        self._parts.append(text)
        self._length += len(text)
        return start

    def build(
        self,
        media_type: str,
        *,
        title: str | None = None,
        author: str | None = None,
        updated_at: datetime | None = None,
    ) -> ParsedDocument:
        """The document so far. Without a title the first heading of level 1 is the title."""
        first = next((h.text for h in self._headings if h.level == 1), None)
        return ParsedDocument(
            text="".join(self._parts),
            media_type=media_type,
            headings=tuple(self._headings),
            title=one_line(title or "") or first,
            author=one_line(author or "") or None,
            updated_at=believable(updated_at),
            pages=(*self._pages, *[self._length] * self._new_pages),
            notes=tuple(self._notes),
        )


def believable(moment: datetime | None) -> datetime | None:
    """The moment in UTC, or nothing for one of a year that no document is of: such a date is a mistake."""
    if moment is None or not _FIRST_YEAR <= moment.year <= _LAST_YEAR:
        return None
    return moment.astimezone(UTC)


def decode(content: bytes) -> str:
    """Text from UTF-8, or from UTF-16 with its byte order mark.

    Raises:
        ParseError: `invalid_encoding`; a guess would store wrong letters as if they were right.
    """
    encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        raise ParseError(
            "invalid_encoding",
            f"Not valid {'UTF-16' if encoding == 'utf-16' else 'UTF-8'} at byte {error.start}; "
            "save the file as UTF-8.",
        ) from error


def parse_moment(text: str | None) -> datetime | None:
    """A moment from ISO 8601 text, a date being its midnight in UTC; nothing for anything else."""
    if not text:
        return None
    value = text.strip().strip("\"'")
    try:
        if len(value) == 10:
            return datetime.combine(date.fromisoformat(value), time(), UTC)
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
