"""Citations: `[n]` in an answer, checked against the passages, and the exact span that supports each."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from retrieval.passage import Passage
from routing.text.sentences import Span, marker_length, split_sentences
from routing.text.words import content_words, words

_LONGEST_QUOTE = 600
_MARK = re.compile(r"[ \t]*\[(\d{1,4}(?:\s*[,;]\s*\d{1,4})*)\]")


@dataclass(frozen=True, slots=True)
class SpanCitation:
    """A citation by its passage: offsets are in the document's stored text.

    start, end: what is quoted. answer_start, answer_end: the words of the quote that answer, where a rung
    knows them.
    """

    n: int
    passage: Passage
    start: int
    end: int
    answer_start: int | None = None
    answer_end: int | None = None

    @property
    def place(self) -> str:
        """Where in the document the quote begins, such as `page 7, section 3.2 Travel`."""
        return self.passage.place_at(self.start)

    @property
    def quote(self) -> str:
        """The cited text, exactly as it stands in the document."""
        return self.passage.text[self.start - self.passage.start : self.end - self.passage.start]


@dataclass(frozen=True, slots=True)
class CheckedAnswer:
    """A text whose marks are numbered 1, 2, … in the order they appear, each with a citation.

    `dropped` counts the marks that no passage supports; they are gone from the text.
    """

    text: str
    citations: tuple[SpanCitation, ...]
    dropped: int


def cite(n: int, passage: Passage, span: Span, *, answer: Span | None = None) -> SpanCitation:
    """A citation of a stretch of a passage, and of the words in it that answer, given by offsets in the
    passage's own text."""
    begin = passage.start
    if answer is None:
        return SpanCitation(n, passage, begin + span.start, begin + span.end)
    return SpanCitation(
        n, passage, begin + span.start, begin + span.end, begin + answer.start, begin + answer.end
    )


def check_citations(text: str, passages: Sequence[Passage]) -> CheckedAnswer:
    """Keeps the marks `[n]` whose nth passage shares a word with the sentence they stand in.

    A mark out of range, or on a passage that has no content word in common with its sentence, is dropped. The
    rest are renumbered by first appearance of the passage and quote its best matching sentence.
    """
    numbers: dict[int, int] = {}
    citations: list[SpanCitation] = []
    kept: list[str] = []
    shown: list[int] = []
    dropped = position = 0
    previous_end = -1
    for mark in _MARK.finditer(text):
        kept.append(text[position : mark.start()])
        position = mark.end()
        claim = _claim(text, mark)
        adjoining = mark.start() == previous_end
        before, shown = (shown if adjoining else []), []
        previous_end = mark.end()
        for number in (int(part) for part in re.split(r"\s*[,;]\s*", mark.group(1))):
            span = _support(claim, passages[number - 1]) if 1 <= number <= len(passages) else None
            if span is None:
                dropped += 1
                continue
            if number not in numbers:
                numbers[number] = len(numbers) + 1
                citations.append(cite(numbers[number], passages[number - 1], span))
            if numbers[number] not in (*before, *shown):
                shown.append(numbers[number])
        if shown:
            space = " " if mark.group().startswith((" ", "\t")) else ""
            kept.append(space + "".join(f"[{n}]" for n in shown))
    kept.append(text[position:])
    return CheckedAnswer("".join(kept).strip(), tuple(citations), dropped)


def closest(text: str, passages: Sequence[Passage], at_most: int) -> tuple[SpanCitation, ...]:
    """Citations of the best passages of different documents, each by the sentence nearest to the text."""
    found: list[SpanCitation] = []
    for passage in passages:
        if len(found) == at_most:
            break
        if all(passage.document_id != citation.passage.document_id for citation in found):
            spans = split_sentences(passage.text)
            if span := _support(text, passage) or next(iter(spans), None):
                found.append(cite(len(found) + 1, passage, span))
    return tuple(found)


def without_marks(text: str) -> str:
    """The text without any `[n]`, for the history of a conversation: its numbers mean nothing there."""
    return _MARK.sub("", text)


def _claim(text: str, mark: re.Match[str]) -> str:
    """The sentence a mark stands in, or the one before it when the mark follows the full stop."""
    plain = _MARK.sub(lambda m: " " * len(m.group()), text)
    best = ""
    for span in split_sentences(plain):
        if span.start >= mark.end():
            break
        best = span.of(plain)
    return best


def _telling(claim: str) -> frozenset[str]:
    """The words by which a claim can be recognised: a lone letter or digit only where it has no others."""
    found = frozenset(content_words(claim))
    return frozenset(w for w in found if len(w) > 1 or not w.isascii()) or found or frozenset(words(claim))


def _support(claim: str, passage: Passage) -> Span | None:
    wanted = _telling(claim)
    best, best_score = None, 0.0
    for span in split_sentences(passage.text):
        offered = frozenset(content_words(span.of(passage.text)))
        shared = len(wanted & offered)
        score = shared / (len(wanted) + 0.5 * len(offered)) if shared else 0.0
        if score > best_score:
            best, best_score = span, score
    if best is None:
        return None
    start = best.start + marker_length(best.of(passage.text))
    return Span(start, min(best.end, start + _LONGEST_QUOTE))
