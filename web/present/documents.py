"""A document's stored text as headings and paragraphs, with the asked-for passage marked."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from urllib.parse import urlsplit

from ingest.parsing.document import page_at
from web.present.record_views import DocumentBlock
from web.present.views import Piece

_GAP = re.compile(r"\n[^\S\n]*\n\s*")


@dataclass(frozen=True, slots=True)
class HeadingAt:
    """A heading line of the text, by character offsets."""

    level: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class _Span:
    level: int
    start: int
    end: int


def blocks_of(
    text: str,
    headings: Sequence[HeadingAt],
    passage: tuple[int, int] | None,
    title: str = "",
    pages: Sequence[int] = (),
) -> tuple[DocumentBlock, ...]:
    """The text in blocks. `passage` is a range of offsets; what lies outside the text is ignored.

    Heading levels start at 2 below the page's own title and never skip one. A first heading that repeats
    the title is left out. Where one of the pages begins, the block after it says which.
    """
    marked = _within(passage, len(text))
    blocks: list[DocumentBlock] = []
    depth, anchored = 1, False
    shown_page: int | None = None
    for span in _spans(text, headings):
        content = text[span.start : span.end]
        if span.level and not blocks and content.strip().casefold() == title.strip().casefold():
            continue
        level = 0
        if span.level:
            level = depth = min(span.level + 1, depth + 1, 4)
        pieces = tuple(_pieces(text, span.start, span.end, marked))
        here = not anchored and any(piece.mark for piece in pieces)
        anchored = anchored or here
        page = page_at(pages, span.start)
        begins = page if page != shown_page else None
        shown_page = page
        blocks.append(DocumentBlock(level=level, pieces=pieces, anchor=here, page=begins))
    return tuple(blocks)


_LANGUAGES = {
    "ar": "Arabic", "bg": "Bulgarian", "ca": "Catalan", "cs": "Czech", "da": "Danish", "de": "German",
    "el": "Greek", "en": "English", "es": "Spanish", "et": "Estonian", "eu": "Basque", "fi": "Finnish",
    "fr": "French", "gl": "Galician", "he": "Hebrew", "hi": "Hindi", "hr": "Croatian", "hu": "Hungarian",
    "id": "Indonesian", "it": "Italian", "ja": "Japanese", "ko": "Korean", "lt": "Lithuanian",
    "lv": "Latvian", "nb": "Norwegian", "nl": "Dutch", "nn": "Norwegian", "no": "Norwegian",
    "pl": "Polish", "pt": "Portuguese", "ro": "Romanian", "ru": "Russian", "sk": "Slovak",
    "sl": "Slovenian", "sr": "Serbian", "sv": "Swedish", "th": "Thai", "tr": "Turkish",
    "uk": "Ukrainian", "vi": "Vietnamese", "zh": "Chinese",
}  # fmt: skip


def language_name(code: str) -> str:
    """The language's English name; a code that is not in the list stays as it is."""
    return _LANGUAGES.get(code, code)


def original_link(url: str | None) -> str | None:
    """The document's own address where a browser may open it: http and https, nothing else."""
    if url is None or urlsplit(url).scheme.lower() not in ("http", "https"):
        return None
    return url


def _within(passage: tuple[int, int] | None, length: int) -> tuple[int, int] | None:
    if passage is None:
        return None
    start, end = max(0, passage[0]), min(length, passage[1])
    return (start, end) if start < end else None


def _spans(text: str, headings: Sequence[HeadingAt]) -> Iterator[_Span]:
    position = 0
    for heading in sorted(headings, key=lambda h: h.start):
        if heading.start < position or heading.end > len(text):
            continue
        yield from _paragraphs(text, position, heading.start)
        yield _Span(max(1, heading.level), heading.start, heading.end)
        position = heading.end
    yield from _paragraphs(text, position, len(text))


def _paragraphs(text: str, start: int, end: int) -> Iterator[_Span]:
    position = start
    for gap in _GAP.finditer(text, start, end):
        yield from _trimmed(text, position, gap.start())
        position = gap.end()
    yield from _trimmed(text, position, end)


def _trimmed(text: str, start: int, end: int) -> Iterator[_Span]:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    if start < end:
        yield _Span(0, start, end)


def _pieces(text: str, start: int, end: int, marked: tuple[int, int] | None) -> Iterator[Piece]:
    first, last = marked or (start, start)
    edges = sorted({start, end, *(edge for edge in (first, last) if start < edge < end)})
    for left, right in pairwise(edges):
        yield Piece(text[left:right], mark=first <= left and right <= last)
