"""Cuts a document's text into chunks along its headings.

A chunk is a stretch of the text, `text[start:end]`, of about `target_tokens`. What is embedded is the
chunk with the document's title and its heading path in front, and never more than the encoder sees.
Small sections of one parent share a chunk; a long one is cut at paragraphs, then lines, sentences,
words and, where nothing else is left, characters. Between chunks only white space is dropped.

Tokens are counted in few large batches: one a cutting level, one to check the result.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from ingest.parsing.document import Heading, one_line

CountTokens = Callable[[Sequence[str]], list[int]]
Span = tuple[int, int]

CHUNKER_VERSION = "1"
"""Raise it when the same text is cut otherwise: a new index is then built beside the old one."""

TARGET_TOKENS = 220
SPECIAL_TOKENS = 2
_SMALL_TOKENS = 80
# A text of few tokens can still be long (an encoded attachment is one unknown word), so length counts too.
_CHARS_PER_TOKEN = 8
_CERTAINLY_OVER_CHARS_PER_TOKEN = 24
_LEVELS = (
    re.compile(r"\n[^\S\n]*\n"),
    re.compile(r"\n"),
    re.compile(r"(?<=[.!?…;])\s+|(?<=[。！？])"),
    re.compile(r"\s+"),
)


@dataclass(frozen=True, slots=True)
class Chunk:
    """A stretch, `text` is `document.text[start:end]`; `embedded_text` has its place in front."""

    ordinal: int
    start: int
    end: int
    text: str
    heading_path: tuple[str, ...]
    embedded_text: str
    page: int | None = None
    """The page that it begins on, counted from 1; nothing where the document has no pages."""
    page_breaks: tuple[int, ...] = ()
    """Offsets in the document's text, within the chunk, at which further pages begin."""
    sections: tuple[tuple[int, str], ...] = ()
    """Headings within the chunk, each with its offset in the document's text."""


@dataclass(slots=True)
class _Piece:
    start: int
    end: int
    weight: int


@dataclass(slots=True)
class _Section:
    path: tuple[str, ...]
    start: int
    end: int
    pieces: list[_Piece]

    @property
    def weight(self) -> int:
        return sum(piece.weight for piece in self.pieces)


def chunk_document(
    text: str,
    headings: Sequence[Heading],
    title: str,
    count_tokens: CountTokens,
    *,
    max_tokens: int,
    target_tokens: int = TARGET_TOKENS,
    pages: Sequence[int] = (),
) -> list[Chunk]:
    """The chunks of a text, in its order. Every character that is not white space is in exactly one.

    Args:
        headings: in the order of the text.
        count_tokens: counts without special tokens, as `Embedder.count_tokens` does.
        max_tokens: the most that the encoder sees, special tokens included.
        pages: the offsets at which the document's pages begin, in order.
    """
    limit = max(8, max_tokens - SPECIAL_TOKENS)
    sections = list(_sections(text, headings))
    prefixes = _prefixes(
        {_shared(s.path) for s in sections} | _parents(sections), title, count_tokens, limit // 4
    )
    longest = max((tokens for _, tokens in prefixes.values()), default=0)
    budget = max(4, min(target_tokens, limit - longest))
    _fill_pieces(text, sections, budget, count_tokens)
    groups = [group for section in _merged(sections, budget) for group in _groups(section, budget)]
    chunks = _checked(text, groups, prefixes, count_tokens, limit)
    starts = [heading.start for heading in headings]
    return [_with_places(chunk, headings, starts, pages) for chunk in chunks]


def _with_places(
    chunk: Chunk, headings: Sequence[Heading], starts: Sequence[int], pages: Sequence[int]
) -> Chunk:
    """The chunk with what tells where each of its characters stands."""
    inside = headings[bisect_left(starts, chunk.start) : bisect_left(starts, chunk.end)]
    chunk = replace(chunk, sections=tuple((heading.start, heading.text) for heading in inside))
    if not pages:
        return chunk
    first, last = bisect_right(pages, chunk.start), bisect_left(pages, chunk.end)
    return replace(chunk, page=max(1, first), page_breaks=tuple(pages[first:last]))


def _sections(text: str, headings: Sequence[Heading]) -> Iterator[_Section]:
    path: list[tuple[int, str]] = []
    begin = 0
    for heading in headings:
        yield from _section(text, [name for _, name in path], begin, heading.start)
        while path and path[-1][0] >= heading.level:
            path.pop()
        path.append((heading.level, heading.text))
        begin = heading.start
    yield from _section(text, [name for _, name in path], begin, len(text))


def _section(text: str, path: list[str], start: int, end: int) -> Iterator[_Section]:
    if text[start:end].strip():
        yield _Section(tuple(path), start, end, [])


def _shared(*paths: tuple[str, ...]) -> tuple[str, ...]:
    """The path that these have in common."""
    common = []
    for names in zip(*paths, strict=False):
        if len(set(names)) > 1:
            break
        common.append(names[0])
    return tuple(common)


def _parents(sections: Sequence[_Section]) -> set[tuple[str, ...]]:
    return {_shared(a.path, b.path) for a, b in pairwise(sections)}


def _prefixes(
    paths: set[tuple[str, ...]], title: str, count_tokens: CountTokens, limit: int
) -> dict[tuple[str, ...], tuple[str, int]]:
    """What goes in front of each path's chunks, with its tokens: the title and the path, cut to the limit."""
    ordered = sorted(paths)
    texts = [_place(title, path) for path in ordered]
    while over := [n for n, c in enumerate(count_tokens(texts)) if c > limit or len(texts[n]) > limit * 8]:
        for n in over:
            # The end of a path says most about a chunk, so the beginning goes.
            texts[n] = texts[n][len(texts[n]) // 2 + 1 :]
    counts = count_tokens(texts)
    return {path: (text, count) for path, text, count in zip(ordered, texts, counts, strict=True)}


def _place(title: str, path: tuple[str, ...]) -> str:
    names = [one_line(title), *path] if title and (not path or path[0] != one_line(title)) else list(path)
    return " > ".join(name for name in names if name)


def _fill_pieces(text: str, sections: Sequence[_Section], budget: int, count_tokens: CountTokens) -> None:
    """Cuts each section into pieces within the budget, level by level, counting each level at once."""
    spans = [(section, _trim(text, section.start, section.end)) for section in sections]
    for level in range(len(_LEVELS) + 32):
        unsure = [
            n for n, (_, (a, b)) in enumerate(spans) if b - a <= budget * _CERTAINLY_OVER_CHARS_PER_TOKEN
        ]
        counts = count_tokens([text[spans[n][1][0] : spans[n][1][1]] for n in unsure])
        weights = dict(zip(unsure, counts, strict=True))
        cut: list[tuple[_Section, Span]] = []
        for n, (section, (start, end)) in enumerate(spans):
            weight = max(weights.get(n, budget + 1), (end - start) // _CHARS_PER_TOKEN)
            if weight <= budget or end - start == 1:
                section.pieces.append(_Piece(start, end, weight))
            else:
                cut.extend((section, span) for span in _cut(text, start, end, level))
        if not cut:
            break
        spans = cut
    for section in sections:
        section.pieces.sort(key=lambda piece: piece.start)


def _cut(text: str, start: int, end: int, level: int) -> Iterator[Span]:
    if level >= len(_LEVELS):
        middle = (start + end) // 2
        yield from (
            span for span in (_trim(text, start, middle), _trim(text, middle, end)) if span[0] < span[1]
        )
        return
    begin = start
    for found in _LEVELS[level].finditer(text, start, end):
        span = _trim(text, begin, found.start())
        if span[0] < span[1]:
            yield span
        begin = found.end()
    span = _trim(text, begin, end)
    if span[0] < span[1]:
        yield span


def _trim(text: str, start: int, end: int) -> Span:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return start, end


def _merged(sections: Sequence[_Section], budget: int) -> Iterator[_Section]:
    """Joins a section to the one before it when one of them is small, both fit, and they share a parent."""
    current: _Section | None = None
    for section in sections:
        if current is None:
            current = section
            continue
        path = _shared(current.path, section.path)
        related = len(path) >= max(len(current.path), len(section.path)) - 1
        small = min(current.weight, section.weight) < _SMALL_TOKENS
        if related and small and current.weight + section.weight <= budget:
            current = _Section(path, current.start, section.end, [*current.pieces, *section.pieces])
        else:
            yield current
            current = section
    if current is not None:
        yield current


_Group = tuple[tuple[str, ...], list[_Piece]]


def _groups(section: _Section, budget: int) -> Iterator[_Group]:
    """The pieces of a section in groups of about equal weight, none over the budget."""
    parts = -(-section.weight // budget) or 1
    aim = min(budget, -(-section.weight // parts) + budget // 10)
    group: list[_Piece] = []
    weight = 0
    for piece in section.pieces:
        if group and weight + piece.weight > aim:
            yield section.path, group
            group, weight = [], 0
        group.append(piece)
        weight += piece.weight
    if group:
        yield section.path, group


def _checked(
    text: str,
    groups: list[_Group],
    prefixes: dict[tuple[str, ...], tuple[str, int]],
    count_tokens: CountTokens,
    limit: int,
) -> list[Chunk]:
    """The chunks of the groups. A whole can have more tokens than its parts: such a group is halved."""
    while True:
        chunks = [_chunk(text, n, group, prefixes) for n, group in enumerate(groups)]
        counts = count_tokens([chunk.embedded_text for chunk in chunks])
        if all(count <= limit or _is_one(group) for count, group in zip(counts, groups, strict=True)):
            return chunks
        halved: list[_Group] = []
        for count, group in zip(counts, groups, strict=True):
            halved.extend([group] if count <= limit or _is_one(group) else _halves(text, group))
        groups = halved


def _is_one(group: _Group) -> bool:
    return len(group[1]) == 1 and group[1][0].end - group[1][0].start == 1


def _halves(text: str, group: _Group) -> Iterator[_Group]:
    path, pieces = group
    if len(pieces) > 1:
        yield path, pieces[: len(pieces) // 2]
        yield path, pieces[len(pieces) // 2 :]
        return
    for start, end in _cut(text, pieces[0].start, pieces[0].end, len(_LEVELS)):
        yield path, [_Piece(start, end, 0)]


def _chunk(text: str, ordinal: int, group: _Group, prefixes: dict[tuple[str, ...], tuple[str, int]]) -> Chunk:
    path, pieces = group
    start, end = pieces[0].start, pieces[-1].end
    prefix, body = prefixes[path][0], text[start:end]
    return Chunk(ordinal, start, end, body, path, f"{prefix}\n{body}" if prefix else body)
