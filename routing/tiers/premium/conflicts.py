"""Finds cited passages that say the same with other numbers, at different dates."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from retrieval.passage import Passage
from routing.citation import SpanCitation
from routing.text.sentences import split_sentences
from routing.text.words import content_words, names
from routing.updates import CONFLICT_NOTE

_NUMBER = re.compile(r"\d+(?:[.,:/-]\d+)*")
_LEAST_SHARED = 3
_LEAST_ALIKE = 0.75
_MOST_NOTES = 2
_LONGEST_QUOTED = 140


@dataclass(frozen=True, slots=True)
class _Claim:
    """A sentence that holds numbers: its other words, what it names, and the numbers."""

    passage: Passage
    text: str
    skeleton: frozenset[str]
    named: frozenset[str]
    numbers: tuple[str, ...]


def conflict_notes(citations: Sequence[SpanCitation]) -> tuple[str, ...]:
    """A note for each pair of cited passages of different dates of which a cited sentence has its like in the
    other, but for the numbers."""
    notes: list[str] = []
    for one, other in combinations(citations, 2):
        if _date(one.passage) in (None, _date(other.passage)) or _date(other.passage) is None:
            continue
        pair = _differing(one, other) or _differing(other, one)
        if pair is not None:
            older, newer = sorted(pair, key=lambda claim: _date(claim.passage) or "")
            notes.append(f"{CONFLICT_NOTE}{_said(newer)} against {_said(older)}.")
    return tuple(dict.fromkeys(notes))[:_MOST_NOTES]


def _differing(cited: SpanCitation, other: SpanCitation) -> tuple[_Claim, _Claim] | None:
    for claim in _claims(cited.passage, cited.quote):
        for rival in _claims(other.passage, other.passage.text):
            if _alike(claim, rival) and sorted(claim.numbers) != sorted(rival.numbers):
                return claim, rival
    return None


def _alike(one: _Claim, other: _Claim) -> bool:
    shared = one.skeleton & other.skeleton
    either = one.skeleton | other.skeleton
    enough = len(shared) >= min(_LEAST_SHARED, len(either)) and len(shared) >= 2
    return enough and len(shared) / len(either) >= _LEAST_ALIKE and one.named == other.named


def _claims(passage: Passage, text: str) -> Iterator[_Claim]:
    for span in split_sentences(text):
        sentence = span.of(text)
        numbers = tuple(found.group() for found in _NUMBER.finditer(sentence))
        if not numbers:
            continue
        plain = _NUMBER.sub(" ", sentence)
        yield _Claim(passage, sentence, frozenset(content_words(plain)), names(plain), numbers)


def _said(claim: _Claim) -> str:
    text = " ".join(claim.text.split())
    quoted = text if len(text) <= _LONGEST_QUOTED else f"{text[:_LONGEST_QUOTED].rstrip()}…"
    return f"“{quoted}” ({claim.passage.title or 'untitled'}, {_date(claim.passage)})"


def _date(passage: Passage) -> str | None:
    return passage.updated_at.date().isoformat() if passage.updated_at else None
