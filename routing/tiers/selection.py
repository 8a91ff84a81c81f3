"""Chooses the sentences that answer a question, by measurable signs, from the top passages.

A sentence's score is a weighted sum of signs between 0 and 1: nearness in meaning (cosine), the share of
the question's words it holds, each weighted by how rare it is among the candidates, the same for the sentence
before it and its headings, whether it holds the kind of thing asked for (a number, a date, a name), and the
rank of its passage; and whether its document is newer than the others', unless the question asks for the
past. The weights were chosen on the training part of a public reading set, never on its test
part.
"""

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from retrieval.passage import Passage
from routing.text.sentences import marker_length, split_sentences
from routing.text.words import content_words, words

_FEWEST_WORDS = 2
"""Shorter candidates are headings or bullets that say nothing by themselves."""


@dataclass(frozen=True, slots=True)
class Weights:
    """How much each sign counts.

    On the training questions (1,200, gold paragraph given) the chosen sentence held the answer in .855, by
    cosine alone in .791; more lexical weight gained .005 there, but people repeat a text's words less than
    those questions do. The weights of the rank and of newness are not measured: those texts have no dates.
    """

    cosine: float = 1.0
    lexical: float = 0.8
    context: float = 0.2
    kind: float = 0.2
    rank: float = 0.1
    newness: float = 0.15


@dataclass(frozen=True, slots=True)
class Candidate:
    """A sentence of a passage. `start` and `end` are offsets in the passage's text."""

    passage: int
    order: int
    start: int
    end: int
    text: str
    words: frozenset[str]
    headings: frozenset[str]
    context: frozenset[str]
    newness: float


@dataclass(frozen=True, slots=True)
class Scored:
    """A candidate with its score and the signs behind it."""

    candidate: Candidate
    score: float
    cosine: float
    lexical: float


def candidates(passages: Sequence[Passage], at_most: int) -> list[Candidate]:
    """The sentences of the passages, best passage first, at most so many; the same sentence only once."""
    found: list[Candidate] = []
    seen: set[str] = set()
    ages = newness([passage.updated_at for passage in passages])
    for number, passage in enumerate(passages):
        headings = frozenset(content_words(" ".join((passage.title, *passage.heading_path))))
        before: frozenset[str] = frozenset()
        for order, span in enumerate(split_sentences(passage.text)):
            start = span.start + marker_length(span.of(passage.text))
            text = passage.text[start : span.end]
            stems = frozenset(content_words(text))
            key = " ".join(words(text))
            if len(words(text)) >= _FEWEST_WORDS and key not in seen and not _is_question(text):
                seen.add(key)
                found.append(
                    Candidate(
                        number, order, start, span.end, text, stems, headings, headings | before, ages[number]
                    )
                )
            before = stems
    return found[:at_most]


def score(
    question: str, pool: Sequence[Candidate], cosines: NDArray[np.float32], weights: Weights = Weights()
) -> list[Scored]:
    """The candidates that say something new, with their scores, best first.

    Args:
        cosines: shape (len(pool),), the cosine of each candidate to the question.
    """
    wanted = _rarity(frozenset(content_words(question)), pool)
    asked = kinds_asked(question)
    present = 0.0 if _ASKS_FOR_THE_PAST.search(question) else 1.0
    known = frozenset(content_words(question))
    scored = []
    for candidate, cosine in zip(pool, cosines, strict=True):
        if candidate.words <= known | candidate.headings:
            # A heading, or the question again: near to it, and no answer.
            continue
        lexical = _share(wanted, candidate.words)
        around = _share(wanted, candidate.words | candidate.context)
        value = (
            weights.cosine * float(cosine)
            + weights.lexical * lexical
            + weights.context * (around - lexical)
            + weights.kind * offers(candidate.text, asked)
            + weights.rank / (1 + candidate.passage)
            + weights.newness * present * candidate.newness
        )
        scored.append(Scored(candidate, value, float(cosine), lexical))
    return sorted(scored, key=lambda s: (-s.score, s.candidate.passage, s.candidate.order))


def newness(dates: Sequence[datetime | None]) -> list[float]:
    """For each date, the share of the other dates that are older; where there is none, 0."""
    known = [date for date in dates if date is not None]
    others = max(1, len(known) - 1)
    return [0.0 if date is None else sum(other < date for other in known) / others for date in dates]


def kinds_asked(question: str) -> frozenset[str]:
    """The kinds of thing a question asks for: `number`, `date`, `name`; none where it does not tell."""
    return frozenset(kind for kind, asks in _ASKS.items() if asks.search(question))


_ASKS_FOR_THE_PAST = re.compile(
    r"\b(?:was|were|did|had|used to|former(?:ly)?|previous(?:ly)?|earlier|until|before|originally|old|first"
    r"|last (?:year|month|week)|(?:19|20)\d\d)\b",
    re.I,
)

_ASKS = {
    "number": re.compile(
        r"\bhow (?:many|much|long|often|old|far|large|big|high|tall|fast|few)\b|\bwhat (?:percentage|percent"
        r"|share|number|amount|price|cost|rate|limit|budget|population|salary)\b",
        re.I,
    ),
    "date": re.compile(
        r"\bwhen\b|\b(?:what|which) (?:year|date|day|month|time|century|decade)\b|\bsince\b",
        re.I,
    ),
    "name": re.compile(
        r"\bwho(?:m|se)?\b|\bwhere\b|\b(?:what|which) (?:person|country|city|company|team)\b", re.I
    ),
}

_OFFERS = {
    "number": re.compile(
        r"\d|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|twenty|thirty|forty|fifty|hundred"
        r"|thousand|million|billion|half|third|quarter|dozen|none|twice|once)s?\b",
        re.I,
    ),
    "date": re.compile(
        r"\b(?:1\d|20)\d\d\b|\b\d{1,2}[:.]\d\d\b|\b(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\b"
        r"|\b(?:mon|tues|wednes|thurs|fri|satur|sun)day|\b(?:century|today|yesterday|annual|quarter|week|month)",
        re.I,
    ),
    "name": re.compile(r"(?<=[\w,;:] )[A-Z][\w-]+|@"),
}


def offers(text: str, asked: frozenset[str]) -> float:
    """The share of the kinds asked for that a text seems to hold; 0 where none is asked for."""
    return sum(1.0 for kind in asked if _OFFERS[kind].search(text)) / len(asked) if asked else 0.0


def _rarity(wanted: frozenset[str], pool: Sequence[Candidate]) -> dict[str, float]:
    counts = Counter(word for candidate in pool for word in candidate.words if word in wanted)
    return {word: math.log(1 + (len(pool) + 1) / (counts[word] + 1)) for word in wanted}


def _share(wanted: dict[str, float], offered: frozenset[str]) -> float:
    whole = sum(wanted.values())
    return sum(weight for word, weight in wanted.items() if word in offered) / whole if whole else 0.0


def _is_question(text: str) -> bool:
    return text.rstrip().endswith(("?", "？"))
