"""The rung that every installation has: reads the top passages and quotes the one or two sentences that
answer."""

import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace

from app.core.usage import Outcome, Work
from retrieval.passage import Passage
from routing.citation import SpanCitation, cite
from routing.reading.calibration import probability
from routing.reading.reading import PassageReader, Readable, ReadPassage
from routing.reading.signs import ReadingSigns, reading_signs
from routing.text.rows import row_in_words
from routing.text.sentences import Span, is_row
from routing.text.words import content_words, coverage, names, words
from routing.tier import ReaderSettings, RungKind, Signals, TierAnswer, TierDelta, TierOutput, TierRequest
from routing.tiers.selection import Scored, candidates, kinds_asked, offers, score, with_nearness

NOTHING_FOUND = "I found nothing that answers this."

_ADDS_WITHIN = 2.0
"""A second sentence's value may be this much below the first's, where it holds words of the question that
lack."""

_ADJOINS_WITHIN = 1.0
"""In prose, one right before or after it need hold none, but be nearer in value, where words lack."""

_ADDS_WORDS = 0.15
"""The share of the question's words that a second sentence must hold beyond the first."""

_COMPARED = 12
"""How many of the best sentences are compared in meaning too: short ones, in some tens of milliseconds."""

_REACH = 1.5
"""A sentence whose value is lower than the best one by more is not compared: nothing could lift it so far."""

_SAME = 0.8
"""Sentences that share more of their words than this say the same."""

_AGREES_ABOVE = 0.3
"""Probability from which on another passage counts as saying something, to agree or differ."""


class ReaderTier:
    """Extracts the answer. It costs nothing but time on our own processor."""

    kind: RungKind = "reader"
    immediate = True
    baseline_note: str | None = None

    def __init__(self, name: str, label: str, settings: ReaderSettings, reader: PassageReader) -> None:
        self.name = name
        self.label = label
        self._settings = settings
        self._reader = reader

    @property
    def unavailable(self) -> str | None:
        return self._reader.unavailable

    def at_most(self) -> Work:
        return Work(tier=self.name, model=self._reader.name, outcome="answered")

    def expected(self, request: TierRequest) -> Work:  # noqa: ARG002
        return self.at_most()

    def answer(self, request: TierRequest) -> Iterator[TierOutput]:
        """Yields the answer word by word, then whole. Abstains when nothing in the passages answers."""
        started = time.monotonic()
        passages = request.passages[: self._settings.passages]
        read, ranked = self._rank(request.standalone, passages)
        # The answer shown must be likely itself: another sentence's likelihood is of no use.
        abstained = not ranked or _likely(ranked[0]) < self._settings.abstain_below
        chosen = [] if abstained else _choose(request.standalone, ranked)
        cited = [_cite(n, passages[s.candidate.passage], s) for n, s in enumerate(chosen, 1)]
        text = " ".join(_sentence(c) for c in cited) if cited else NOTHING_FOUND
        for piece in re.findall(r"\s*\S+", text):
            yield TierDelta(piece)
        outcome: Outcome = "abstained" if abstained else "answered"
        yield TierAnswer(
            text=text,
            citations=tuple(cited),
            abstained=abstained,
            signals=replace(
                _signals(request.standalone, ranked, chosen, passages),
                reading=self._signs(passages, read, chosen),
            ),
            work=Work(
                tier=self.name,
                model=self._reader.name,
                outcome=outcome,
                duration_ms=round((time.monotonic() - started) * 1000),
            ),
        )

    def _signs(
        self, passages: Sequence[Passage], read: Sequence[ReadPassage], chosen: Sequence[Scored]
    ) -> ReadingSigns | None:
        first = chosen[0].candidate if chosen else None
        return reading_signs(
            [passage.text for passage in passages],
            read,
            self._reader.calibration,
            None if first is None else (first.passage, first.order),
        )

    def _rank(self, question: str, passages: Sequence[Passage]) -> tuple[Sequence[ReadPassage], list[Scored]]:
        """What was read, and the best sentences, best first."""
        if not passages:
            return (), []
        read = self._reader.read(question, [Readable(_heading(p), p.text) for p in passages])
        ranked = score(question, candidates(question, passages, read, self._reader.calibration))[:_COMPARED]
        within = [s for s in ranked if s.value >= ranked[0].value - _REACH]
        if len(within) < 2:
            return read, ranked
        near = with_nearness(within, self._reader.nearness(question, [s.candidate.text for s in within]))
        return read, [*near, *ranked[len(within) :]]


def _heading(passage: Passage) -> str:
    """What stands above the passage: the document's title and the nearest heading, where it says more."""
    nearest = passage.heading_path[-1:]
    return (
        ": ".join(part for part in (passage.title, *nearest) if part and part != passage.title)
        or passage.title
    )


def _cite(n: int, passage: Passage, chosen: Scored) -> SpanCitation:
    candidate = chosen.candidate
    return cite(n, passage, Span(candidate.start, candidate.end), answer=candidate.answer)


def _sentence(citation: SpanCitation) -> str:
    """The quote on one line, a row of a table with the names of its columns, with its mark."""
    passage = citation.passage
    words = row_in_words(passage.text, citation.start - passage.start, citation.end - passage.start)
    return f"{words} [{citation.n}]"


def _choose(question: str, ranked: Sequence[Scored]) -> list[Scored]:
    """The best sentence, and a second one if it adds; two of one passage in the order they stand there."""
    best = ranked[0]
    wanted = frozenset(content_words(question))
    missing = wanted - best.candidate.words
    for other in ranked[1:6]:
        if other.value < best.value - _ADDS_WITHIN:
            break
        if _alike(best, other) or _row_of_something_else(question, best, other):
            continue
        new = len(missing & other.candidate.words) / len(wanted) if wanted else 0.0
        prose = not is_row(best.candidate.text)
        goes_on = prose and _adjoins(best, other) and other.value >= best.value - _ADJOINS_WITHIN
        if new >= _ADDS_WORDS or (missing and goes_on):
            both = [best, other]
            if other.candidate.passage == best.candidate.passage:
                both.sort(key=lambda s: s.candidate.order)
            return both
    return [best]


def _row_of_something_else(question: str, best: Scored, other: Scored) -> bool:
    """Another row of the same table, which holds no name of the question that the best row lacks."""
    if best.candidate.passage != other.candidate.passage or not is_row(best.candidate.text):
        return False
    lacking = frozenset(names(question)) - best.candidate.words
    return is_row(other.candidate.text) and not lacking & other.candidate.words


def _adjoins(a: Scored, b: Scored) -> bool:
    same = a.candidate.passage == b.candidate.passage
    return same and abs(a.candidate.order - b.candidate.order) == 1


def _alike(a: Scored, b: Scored) -> bool:
    ours, theirs = a.candidate.words, b.candidate.words
    return len(ours & theirs) > _SAME * min(len(ours), len(theirs))


def _likely(scored: Scored) -> float:
    return probability(scored.candidate.log_odds)


def _signals(
    question: str, ranked: Sequence[Scored], chosen: Sequence[Scored], passages: Sequence[Passage]
) -> Signals:
    if not ranked:
        return Signals(score=0.0, agreement=0)
    best = ranked[0]
    said = _said(best, passages)
    different = next((other for other in ranked[1:] if _said(other, passages) != said), None)
    agreeing = {
        s.candidate.passage for s in ranked if _likely(s) >= _AGREES_ABOVE and _said(s, passages) == said
    }
    offered = {word for s in chosen for word in s.candidate.words | s.candidate.context}
    return Signals(
        score=_likely(best),
        margin=_likely(best) - _likely(different) if different else _likely(best),
        coverage=coverage(set(content_words(question)), offered),
        names=coverage(set(named), offered) if (named := names(question)) else None,
        kind=offers(" ".join(s.candidate.text for s in chosen), asked)
        if (asked := kinds_asked(question))
        else None,
        agreement=len(agreeing),
    )


def _said(scored: Scored, passages: Sequence[Passage]) -> str:
    """The answer itself, so that the same one said in other places is seen to be the same."""
    candidate = scored.candidate
    return " ".join(words(candidate.answer.of(passages[candidate.passage].text)))
