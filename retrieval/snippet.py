"""The part of a passage to show in a list: where the question's words stand closest, each of them marked."""

import re
import unicodedata
from dataclasses import dataclass

MAX_CHARACTERS = 240
"""Longest snippet, without the signs that something was left out."""

_WORD = re.compile(r"\w+")
_SPACE = re.compile(r"\s+")
_CELLS = re.compile(r"(?:\s*\|)+\s*")
_NO_SPACES_BETWEEN_WORDS = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]")
_ENDINGS = ("ings", "ing", "ies", "es", "ed", "s")
_MIN_STEM = 3
_COMMON = frozenset(
    """a about an and any are as at be been but by can did do does for from get had has have how i if in is it
    its many may me much must my no not of on or our shall should so than that the their them then there they
    this to up us was we were what when where which who whom whose why will with would you your""".split()  # noqa: SIM905 (a list of quoted words is harder to read)
)


@dataclass(frozen=True, slots=True)
class Highlight:
    """A stretch of `Snippet.text`, by character offsets, that matches a word of the question."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Snippet:
    """The part of a passage to show in a list, with the words to mark."""

    text: str
    highlights: tuple[Highlight, ...]


@dataclass(frozen=True, slots=True)
class _Match:
    start: int
    end: int
    stem: str


def make_snippet(text: str, query: str, *, max_characters: int = MAX_CHARACTERS) -> Snippet:
    """The stretch of `text` that holds most different words of `query`, cut at words, one line, plain text.

    Words match without regard to case, accents and common English endings. The little words of a question
    count only where it has no others. Cells of a table are set apart by a dot. Nothing in the result is
    markup: escape it like any text.
    """
    line = _SPACE.sub(" ", _CELLS.sub(" · ", text)).strip(" ·")
    matches = _matches(line, _stems(query))
    start, end = _window(line, matches, max_characters)
    before, after = "… " if start > 0 else "", " …" if end < len(line) else ""
    shift = len(before) - start
    marks = tuple(
        Highlight(match.start + shift, match.end + shift)
        for match in matches
        if start <= match.start and match.end <= end
    )
    return Snippet(f"{before}{line[start:end]}{after}", marks)


def highlights(text: str, query: str) -> tuple[Highlight, ...]:
    """Every word of `text` that matches a word of `query`, by offsets into `text` as it is."""
    return tuple(Highlight(match.start, match.end) for match in _matches(text, _stems(query)))


def _window(line: str, matches: list[_Match], size: int) -> tuple[int, int]:
    if len(line) <= size:
        return 0, len(line)
    first, last = _densest(matches, size)
    if first is None or last is None:
        return 0, _cut_before(line, size)
    # Some words ahead of the first match say what it is about.
    room = max(0, size - (last.end - first.start))
    start = _cut_after(line, max(0, min(first.start - room // 3, len(line) - size)))
    return min(start, first.start), _cut_before(line, min(len(line), min(start, first.start) + size))


def _densest(matches: list[_Match], size: int) -> tuple[_Match | None, _Match | None]:
    """The first and last match of the window with most different words, then most matches, then earliest."""
    best: tuple[int, int] = (0, 0)
    chosen: tuple[_Match | None, _Match | None] = (None, None)
    right = 0
    for left, first in enumerate(matches):
        right = max(right, left)
        while right < len(matches) and matches[right].end - first.start <= size:
            right += 1
        inside = matches[left:right]
        worth = (len({match.stem for match in inside}), len(inside))
        if inside and worth > best:
            best, chosen = worth, (first, inside[-1])
    return chosen


def _cut_after(line: str, place: int) -> int:
    """The start of the first word at or after this place, unless it is far away."""
    if place == 0 or line[place - 1] == " ":
        return place
    space = line.find(" ", place, place + 30)
    return place if space < 0 else space + 1


def _cut_before(line: str, place: int) -> int:
    """The end of the last whole word before this place, unless it is far away."""
    if place >= len(line) or line[place] == " ":
        return place
    space = line.rfind(" ", max(0, place - 30), place)
    return place if space < 0 else space


def _matches(text: str, stems: frozenset[str]) -> list[_Match]:
    found = []
    for start, end in _word_spans(text):
        stem = _stem(text[start:end])
        if stem in stems:
            found.append(_Match(start, end, stem))
    return found


def _stems(query: str) -> frozenset[str]:
    words = [query[start:end] for start, end in _word_spans(query)]
    telling = [word for word in words if word.lower() not in _COMMON]
    return frozenset(_stem(word) for word in telling or words)


def _word_spans(text: str) -> list[tuple[int, int]]:
    spans: list[tuple[int, int]] = []
    for word in _WORD.finditer(text):
        if _NO_SPACES_BETWEEN_WORDS.search(word.group()):
            spans += [(place, place + 1) for place in range(word.start(), word.end())]
        else:
            spans.append(word.span())
    return spans


def _stem(word: str) -> str:
    """A word without case, accents and a common ending: `Policies` and `policy` become the same."""
    decomposed = unicodedata.normalize("NFKD", word.casefold())
    plain = "".join(character for character in decomposed if not unicodedata.combining(character))
    for ending in _ENDINGS:
        if plain.endswith(ending) and len(plain) - len(ending) >= _MIN_STEM:
            plain = plain.removesuffix(ending)
            break
    if len(plain) > _MIN_STEM and plain[-1] in ("e", "y", plain[-2]):
        plain = plain[:-1]
    return plain
