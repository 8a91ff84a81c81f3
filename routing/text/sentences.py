"""Cuts a text into sentences with exact offsets: prose, lists, table rows, scripts without spaces.

Nothing is lost: every character that is not white space lies in exactly one sentence.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

_LONGEST = 420
"""A sentence longer than this many characters is cut at a weaker mark, so that a quote stays readable."""

_SHORT_LINE = 48
"""A shorter line that a capital follows is a heading or an entry of its own, not wrapped prose."""

_ABBREVIATIONS = frozenset(  # one block of words reads better than a column of them
    """approx apr aug ave ca cf co corp dec dept dr e.g ed eds eg est etc ext feb fig figs gen gov hon i.e ie
    inc jan jr jul jun lt ltd m mar max min mr mrs ms mt no nos nov nr oct p pp ph.d prof rev sat sec sen sep
    sept sgt sr st sun tel u.k u.s u.s.a univ vol vs bzw z.b usw""".split()  # noqa: SIM905
)

_MARKER = re.compile(r"(?:[-*•–+]|\d{1,3}[.)]|[a-zA-Z]\)|#{1,6})[ \t]+|\[[ xX]\][ \t]+")
_END = re.compile(r"[.!?…]+[\"'”’»)\]]*(?=\s|$)|[。！？｡]+[」』”’）]*")
_WEAK_END = re.compile(r"[;:,，；、]\s*|\s[-–—]\s")
_TABLE = re.compile(r"\t|\s\|\s|^\||^[^;:]{1,40}: [^;]*; [^;:]{1,40}: |^\[?\d{4}-\d\d-\d\d[ T]")
"""Rows of tables, records of named values, entries of a log or a chat: each line stands for itself."""


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a text by character offsets."""

    start: int
    end: int

    def of(self, text: str) -> str:
        return text[self.start : self.end]


def is_row(text: str) -> bool:
    """Whether a sentence is a row of a table, a record or an entry of a log: the next one is about something
    else."""
    return _TABLE.search(text) is not None


def split_sentences(text: str) -> list[Span]:
    """The sentences of a text in order, without the white space around them."""
    found: list[Span] = []
    for unit in _units(text):
        for span in _ends(text, unit):
            found.extend(_shorten(text, span))
    return found


def marker_length(sentence: str) -> int:
    """How many characters at the start are only the mark of a list item or a heading."""
    match = _MARKER.match(sentence)
    return match.end() if match and match.end() < len(sentence) else 0


def _units(text: str) -> Iterator[Span]:
    """Paragraphs, list items, table rows: what a sentence never reaches across. Wrapped lines are joined."""
    start: int | None = None
    previous = ""
    end = 0
    for match in re.finditer(r"[^\n]*\n?", text):
        line = match.group().strip()
        if not line:
            if start is not None:
                yield from _trim(text, start, end)
            start = None
        elif start is not None and _starts_new(previous, line):
            yield from _trim(text, start, end)
            start = match.start()
        elif start is None:
            start = match.start()
        previous, end = line, match.end()
    if start is not None:
        yield from _trim(text, start, end)


def _starts_new(previous: str, line: str) -> bool:
    if _MARKER.match(line) or _TABLE.search(line) or _TABLE.search(previous) or previous.startswith("#"):
        return True
    begins = not line[0].islower()
    return begins and len(previous) < _SHORT_LINE


def _trim(text: str, start: int, end: int) -> Iterator[Span]:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    if start < end:
        yield Span(start, end)


def _ends(text: str, unit: Span) -> Iterator[Span]:
    start = unit.start
    for match in _END.finditer(text, unit.start, unit.end):
        if match.end() >= unit.end:
            break
        if match.start() > start and _is_end(text, start, match, unit.end):
            yield from _trim(text, start, match.end())
            start = match.end()
    yield from _trim(text, start, unit.end)


def _is_end(text: str, start: int, match: re.Match[str], end: int) -> bool:
    if match.group()[0] in "。！？｡!?":
        return True
    after = text[match.end() : end].lstrip()
    if not after or after[0].islower():
        return False
    before = re.split(r"[\s(\[\"“]", text[start : match.start()])[-1]
    if before.casefold() in _ABBREVIATIONS:
        # "No. 7" goes on; "… etc. The next" and "… in the U.S. The next" end where a capital follows.
        return before.casefold() in ("etc", "u.s", "u.k", "u.s.a", "usw", "inc", "ltd") and after[0].isupper()
    if len(before) == 1 and before.isalpha() and before.isupper():
        return False
    return not (before.isdigit() and start + len(before) >= match.start())


def _shorten(text: str, span: Span) -> Iterator[Span]:
    start = span.start
    while span.end - start > _LONGEST:
        cut = _cut(text, start)
        yield from _trim(text, start, cut)
        start = cut
    yield from _trim(text, start, span.end)


def _cut(text: str, start: int) -> int:
    least, most = start + _LONGEST // 3, start + _LONGEST
    weak = [match.end() for match in _WEAK_END.finditer(text, least, most)]
    if weak:
        return weak[-1]
    space = text.rfind(" ", least, most)
    return space + 1 if space > 0 else most
