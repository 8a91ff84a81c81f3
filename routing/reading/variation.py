"""Variations of examples, drawn anew for each pass: near misses that look answerable and are not, and gap
questions.

Near misses follow the kinds that people write (Rajpurkar et al. 2018, table 1): an entity or a number
swapped, an antonym, a negation; and two that retrieval meets: another passage about the same thing, and the
passage without the sentence that answers. Gap questions ask for a name, number or date left out of a
sentence (Lewis et al. 2019).
"""

import random
import re
from collections.abc import Sequence

from routing.reading.examples import Example, Material
from routing.text.sentences import split_sentences

_NAME = re.compile(r"(?<![.!?]\s)(?<=\s)[A-Z][\w'’-]+(?:\s+(?:of\s+|the\s+)?[A-Z][\w'’-]+)*")
_NUMBER = re.compile(r"(?<![\w.,])\d[\d,.]*\d(?![\w%])|(?<![\w.,])\d(?![\w.,])")
_OPPOSITES = [
    tuple(pair.split("/"))
    for pair in [
        "first/last",
        "largest/smallest",
        "biggest/smallest",
        "most/least",
        "more/less",
        "before/after",
        "increase/decrease",
        "increased/decreased",
        "higher/lower",
        "highest/lowest",
        "north/south",
        "northern/southern",
        "east/west",
        "eastern/western",
        "began/ended",
        "begin/end",
        "start/stop",
        "started/stopped",
        "early/late",
        "earlier/later",
        "earliest/latest",
        "old/new",
        "oldest/newest",
        "oldest/youngest",
        "above/below",
        "allow/forbid",
        "allowed/forbidden",
        "accept/reject",
        "accepted/rejected",
        "won/lost",
        "win/lose",
        "gain/lose",
        "gained/lost",
        "strong/weak",
        "stronger/weaker",
        "fast/slow",
        "faster/slower",
        "major/minor",
        "public/private",
        "internal/external",
        "minimum/maximum",
        "positive/negative",
        "good/bad",
        "best/worst",
        "many/few",
        "support/oppose",
        "supported/opposed",
        "include/exclude",
        "includes/excludes",
        "included/excluded",
        "required/optional",
        "always/never",
        "common/rare",
        "male/female",
        "inside/outside",
        "import/export",
        "upper/lower",
        "rise/fall",
        "rose/fell",
        "create/destroy",
        "created/destroyed",
        "open/closed",
        "cause/prevent",
        "caused/prevented",
        "success/failure",
        "long/short",
        "longer/shorter",
        "longest/shortest",
        "rich/poor",
        "same/different",
        "direct/indirect",
        "active/passive",
        "known/unknown",
    ]
]
_OPPOSITE = {a: b for pair in _OPPOSITES for a, b in (pair, pair[::-1])}
_VERB = re.compile(
    r"\b(is|are|was|were|did|does|do|can|could|has|have|had|will|would|should)\b", re.IGNORECASE
)
_ASKS = {"number": ("how many", "what number of", "how much"), "date": ("when", "what year", "in what year")}
_ASKS_NAME = ("who", "what", "which", "where", "what")
_YEAR = re.compile(r"(?:1\d|20)\d\d")


def near_miss(example: Example, draw: random.Random) -> Example | None:
    """The same passage with its question changed so that the passage no longer answers; or nothing, where the
    question holds nothing that can be changed."""
    ways = [_swap_name, _swap_number, _swap_opposite, _negate]
    for way in draw.sample(ways, len(ways)):
        question = way(example, draw)
        if question is not None and question != example.question:
            return Example(question, example.title, example.text, ())
    return None


def without_answer(example: Example) -> Example | None:
    """The passage without the sentences that hold the answer."""
    kept = [
        example.text[s.start : s.end]
        for s in split_sentences(example.text)
        if not any(start < s.end and end > s.start for start, end in example.spans)
    ]
    words = {example.text[start:end].casefold() for start, end in example.spans}
    text = " ".join(kept)
    if len(kept) < 2 or any(word in text.casefold() for word in words):
        return None
    return Example(example.question, example.title, text, ())


def other_passage(material: Material, draw: random.Random) -> Example | None:
    """The question with a passage near it that does not answer it."""
    if not material.others:
        return None
    title, text = draw.choice(material.others)
    return Example(material.example.question, title, text, ())


def gap_question(title: str, text: str, draw: random.Random) -> Example | None:
    """A question for a name, number or date of the passage, made of the sentence it stands in; every fourth
    is changed so that the passage does not answer it."""
    sentences = [s for s in split_sentences(text) if 8 <= len(text[s.start : s.end].split()) <= 40]
    if not sentences:
        return None
    sentence = draw.choice(sentences)
    said = text[sentence.start : sentence.end]
    gaps = [*_NAME.finditer(said), *_NUMBER.finditer(said)]
    if not gaps:
        return None
    gap = draw.choice(gaps)
    question = _ask_for(gap.group(), said, gap.start(), gap.end(), draw)
    start = sentence.start + gap.start()
    example = Example(question, title, text, ((start, start + len(gap.group())),))
    if draw.random() < 0.35:
        return near_miss(example, draw) or without_answer(example)
    return example


def _ask_for(answer: str, said: str, start: int, end: int, draw: random.Random) -> str:
    kind = "date" if _YEAR.fullmatch(answer) else "number" if answer[0].isdigit() else "name"
    asks = draw.choice(_ASKS.get(kind, _ASKS_NAME))
    before, after = said[:start].split(), said[end:].rstrip(" .").split()
    # A part of the sentence about the gap, with some words left out, as people ask with fewer.
    before = before[-draw.randint(3, 14) :]
    after = after[: draw.randint(3, 14)]
    kept = draw.uniform(0.65, 1.0)
    before, after = ([word for word in words if draw.random() < kept] for words in (before, after))
    if draw.random() < 0.6:
        return " ".join((asks.capitalize(), *after, *before)) + "?"
    return " ".join((*before, asks, *after)) + "?"


def _swap_name(example: Example, draw: random.Random) -> str | None:
    return _swap(example, _NAME, draw)


def _swap_number(example: Example, draw: random.Random) -> str | None:
    return _swap(example, _NUMBER, draw)


def _swap(example: Example, pattern: re.Pattern[str], draw: random.Random) -> str | None:
    """Another name or number of the passage in the place of one in the question."""
    asked = [match for match in pattern.finditer(example.question) if match.start() > 0]
    answers = [example.text[start:end].casefold() for start, end in example.spans]
    question = example.question.casefold()
    others = [
        found
        for found in dict.fromkeys(pattern.findall(example.text))
        if found.casefold() not in question
        and not any(found.casefold() in a or a in found.casefold() for a in answers)
    ]
    if not asked or not others:
        return None
    match, other = draw.choice(asked), str(draw.choice(others))
    return example.question[: match.start()] + other + example.question[match.end() :]


def _swap_opposite(example: Example, draw: random.Random) -> str | None:
    words = example.question.split(" ")
    places = [i for i, word in enumerate(words) if word.casefold().strip("?,.") in _OPPOSITE]
    if not places:
        return None
    place = draw.choice(places)
    bare = words[place].casefold().strip("?,.")
    words[place] = words[place].casefold().replace(bare, _OPPOSITE[bare])
    return " ".join(words)


def _negate(example: Example, draw: random.Random) -> str | None:
    """Rarely: a reader that learned "not means no answer" would be of no use."""
    verb = _VERB.search(example.question)
    if verb is None or draw.random() > 0.3:
        return None
    word = draw.choice(("not", "never", "n't")) if verb.group().casefold() not in ("can", "will") else "not"
    gap = "" if word == "n't" else " "
    return example.question[: verb.end()] + gap + word + example.question[verb.end() :]


def gap_questions(texts: Sequence[tuple[str, str]], count: int, draw: random.Random) -> list[Example]:
    """So many gap questions over passages (title, text); fewer where the passages hold too few names and
    numbers."""
    found: list[Example] = []
    for _ in range(3 * count):
        if len(found) == count or not texts:
            break
        example = gap_question(*draw.choice(texts), draw)
        if example is not None:
            found.append(example)
    return found
