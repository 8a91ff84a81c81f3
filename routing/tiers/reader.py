"""The rung that every installation has: quotes the one or two sentences that answer, with the embedder in
memory."""

import re
import time
from collections.abc import Iterator, Sequence

import numpy as np

from app.core.usage import Outcome, Work
from retrieval.embedder import Embedder
from routing.citation import SpanCitation, cite
from routing.text.rows import row_in_words
from routing.text.sentences import Span, is_row
from routing.text.words import content_words, coverage, names
from routing.tier import ReaderSettings, Signals, TierAnswer, TierDelta, TierOutput, TierRequest
from routing.tiers.selection import Scored, candidates, kinds_asked, offers, score

NOTHING_FOUND = "I found nothing that answers this."

_ADDS_ABOVE = 0.7
"""A second sentence must score at least this share of the first, and hold words of the question it lacks."""

_ADJOINS_ABOVE = 0.8
"""In prose, one right before or after it need hold none, but score at least this share, where words lack."""

_ADDS_WORDS = 0.15
"""The share of the question's words that a second sentence must hold beyond the first."""

_SAME = 0.8
"""Sentences that share more of their words than this say the same."""


class ReaderTier:
    """Extracts the answer. It costs nothing but time on our own processor."""

    immediate = True
    unavailable: str | None = None
    baseline_note: str | None = None

    def __init__(self, name: str, label: str, settings: ReaderSettings, embedder: Embedder) -> None:
        self.name = name
        self.label = label
        self._settings = settings
        self._embedder = embedder

    def at_most(self) -> Work:
        return Work(tier=self.name, model=self._embedder.name, outcome="answered")

    def expected(self, request: TierRequest) -> Work:  # noqa: ARG002
        return self.at_most()

    def answer(self, request: TierRequest) -> Iterator[TierOutput]:
        """Yields the answer word by word, then whole. Abstains when no sentence is near the question."""
        started = time.monotonic()
        passages = request.passages[: self._settings.passages]
        ranked = self._rank(request.standalone, request)
        abstained = not ranked or ranked[0].cosine < self._settings.abstain_below
        chosen = [] if abstained else _choose(request.standalone, ranked)
        cited = [
            cite(n, passages[s.candidate.passage], Span(s.candidate.start, s.candidate.end))
            for n, s in enumerate(chosen, 1)
        ]
        text = " ".join(_sentence(c) for c in cited) if cited else NOTHING_FOUND
        for piece in re.findall(r"\s*\S+", text):
            yield TierDelta(piece)
        outcome: Outcome = "abstained" if abstained else "answered"
        yield TierAnswer(
            text=text,
            citations=tuple(cited),
            abstained=abstained,
            signals=_signals(request.standalone, ranked, chosen),
            work=Work(
                tier=self.name,
                model=self._embedder.name,
                outcome=outcome,
                duration_ms=round((time.monotonic() - started) * 1000),
            ),
        )

    def _rank(self, question: str, request: TierRequest) -> list[Scored]:
        pool = candidates(request.passages[: self._settings.passages], self._settings.sentences)
        if not pool:
            return []
        vectors = self._embedder.embed([question, *(candidate.text for candidate in pool)])
        cosines = (vectors[1:] @ vectors[0]).astype(np.float32)
        return score(question, pool, cosines)


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
        if other.score < _ADDS_ABOVE * best.score:
            break
        if _alike(best, other) or _row_of_something_else(question, best, other):
            continue
        new = len(missing & other.candidate.words) / len(wanted) if wanted else 0.0
        prose = not is_row(best.candidate.text)
        goes_on = prose and _adjoins(best, other) and other.score >= _ADJOINS_ABOVE * best.score
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


def _signals(question: str, ranked: Sequence[Scored], chosen: Sequence[Scored]) -> Signals:
    if not ranked:
        return Signals(agreement=0)
    best = ranked[0]
    different = next((other for other in ranked[1:] if not _alike(best, other)), None)
    near = {s.candidate.passage for s in ranked if s.score >= 0.9 * best.score}
    offered = {word for s in chosen for word in s.candidate.words | s.candidate.context}
    return Signals(
        score=best.cosine,
        margin=best.score - different.score if different else best.score,
        coverage=coverage(set(content_words(question)), offered),
        names=coverage(set(named), offered) if (named := names(question)) else None,
        kind=offers(" ".join(s.candidate.text for s in chosen), asked)
        if (asked := kinds_asked(question))
        else None,
        agreement=len(near),
    )
