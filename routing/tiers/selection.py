"""Chooses the sentence that answers best, of all that were read in the top passages.

A sentence's value is the log-odds that it answers, as the reading model and its calibration have it, plus a
few
measurable signs: the share of the question's words it holds, each weighted by how rare it is among the
candidates, whether it holds the kind of thing asked for (a number, a date, a name), and whether its
document is newer than the others', unless the question asks for the past.
"""

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from retrieval.passage import Passage
from routing.reading.calibration import Calibration
from routing.reading.reading import ReadPassage, ReadSentence, of_place
from routing.text.sentences import Span, marker_length
from routing.text.words import content_words, words

_FEWEST_WORDS = 2
"""Shorter candidates are headings or bullets that say nothing by themselves."""


@dataclass(frozen=True, slots=True)
class Weights:
    """What each sign adds to the log-odds at full strength.

    Chosen on two articles of the training part that the model was not trained on, but for newness and
    cosine: those texts have no dates and no tables, and lose a little by the cosine (.827 to .813 right
    over a whole corpus). These two were set on the demo company's questions.
    """

    lexical: float = 2.0
    kind: float = 0.5
    newness: float = 2.0
    cosine: float = 2.0


@dataclass(frozen=True, slots=True)
class Candidate:
    """A sentence of a passage with the answer in it. Offsets are in the passage's text."""

    passage: int
    order: int
    start: int
    end: int
    text: str
    answer: Span
    words: frozenset[str]
    context: frozenset[str]
    log_odds: float
    newness: float


@dataclass(frozen=True, slots=True)
class Scored:
    """A candidate with its value among all."""

    candidate: Candidate
    value: float


def candidates(
    question: str, passages: Sequence[Passage], read: Sequence[ReadPassage], calibration: Calibration
) -> list[Candidate]:
    """The sentences that say something new, best passage first; the same sentence only once."""
    found: list[Candidate] = []
    seen: set[str] = set()
    known = frozenset(content_words(question))
    ages = newness([passage.updated_at for passage in passages])
    for number, (passage, of_passage) in enumerate(zip(passages, read, strict=True)):
        headings = frozenset(content_words(" ".join((passage.title, *passage.heading_path))))
        before: frozenset[str] = frozenset()
        for sentence in of_passage.sentences:
            start = sentence.sentence.start + marker_length(sentence.sentence.of(passage.text))
            text = passage.text[start : sentence.sentence.end]
            stems = frozenset(content_words(text))
            key = " ".join(words(text))
            # A heading, or the question again, is near to it and no answer.
            says_something = not stems <= known | headings and not _is_question(text)
            if says_something and len(words(text)) >= _FEWEST_WORDS and key not in seen:
                seen.add(key)
                log_odds = calibration.log_odds(sentence.score, of_passage.nothing)
                found.append(
                    _candidate(sentence, start, text, stems, headings | before, log_odds, ages[number])
                )
            before = stems
    return found


def score(question: str, pool: Sequence[Candidate], weights: Weights = Weights()) -> list[Scored]:
    """The candidates with their values, best first."""
    wanted = _rarity(frozenset(content_words(question)), pool)
    asked = kinds_asked(question)
    present = 0.0 if _ASKS_FOR_THE_PAST.search(question) else 1.0
    scored = [
        Scored(
            candidate,
            candidate.log_odds
            + of_place(candidate.passage)
            + weights.lexical * _share(wanted, candidate.words | candidate.context)
            + weights.kind * offers(candidate.text, asked)
            + weights.newness * present * candidate.newness,
        )
        for candidate in pool
    ]
    return sorted(scored, key=lambda s: (-s.value, s.candidate.passage, s.candidate.order))


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


def with_nearness(
    ranked: Sequence[Scored], cosines: Sequence[float], weights: Weights = Weights()
) -> list[Scored]:
    """The best candidates again, with what their nearness in meaning adds: it steadies the choice among
    rows and fragments of tables, which the reading model was not trained on."""
    near = [Scored(s.candidate, s.value + weights.cosine * c) for s, c in zip(ranked, cosines, strict=True)]
    return sorted(near, key=lambda s: (-s.value, s.candidate.passage, s.candidate.order))


def _candidate(
    sentence: ReadSentence,
    start: int,
    text: str,
    stems: frozenset[str],
    context: frozenset[str],
    log_odds: float,
    newness: float,
) -> Candidate:
    answer = Span(max(start, sentence.answer.start), sentence.answer.end)
    return Candidate(
        sentence.passage,
        sentence.order,
        start,
        sentence.sentence.end,
        text,
        answer,
        stems,
        context,
        log_odds,
        newness,
    )


def _rarity(wanted: frozenset[str], pool: Sequence[Candidate]) -> dict[str, float]:
    counts = Counter(word for candidate in pool for word in candidate.words if word in wanted)
    return {word: math.log(1 + (len(pool) + 1) / (counts[word] + 1)) for word in wanted}


def _share(wanted: dict[str, float], offered: frozenset[str]) -> float:
    whole = sum(wanted.values())
    return sum(weight for word, weight in wanted.items() if word in offered) / whole if whole else 0.0


def _is_question(text: str) -> bool:
    return text.rstrip().endswith(("?", "？"))
