"""Says questions again with a typo, or in other words by rule: the choice of a rung should not change."""

import random
import re

_SEED = 20261124
_KEYS = dict(zip("qwertyuiopasdfghjklzxcvbnm", "wertyuiopqsdfghjklaxcvbnmz", strict=True))
_LONG = re.compile(r"\b[A-Za-z]{5,}\b")

_WORDINGS = (
    (re.compile(r"^what is\b", re.I), "what's"),
    (re.compile(r"^who is\b", re.I), "who's"),
    (re.compile(r"^(?:who|what) was\b", re.I), "can you tell me {} was"),
    (re.compile(r"^how many\b", re.I), "what number of"),
    (re.compile(r"^(?:when|where|why|how|which|who|what)\b", re.I), "please tell me, {}"),
    (re.compile(r"^in which\b", re.I), "in what"),
)
_SYNONYMS = {
    "film": "movie",
    "movie": "film",
    "begin": "start",
    "began": "started",
    "start": "begin",
    "located": "situated",
    "wrote": "penned",
    "biggest": "largest",
    "largest": "biggest",
    "country": "nation",
    "first": "earliest",
    "called": "named",
    "named": "called",
    "received": "got",
    "big": "large",
    "created": "made",
    "died": "passed away",
}
_SYNONYM = re.compile(rf"\b(?:{'|'.join(_SYNONYMS)})\b", re.I)


def with_typo(question: str) -> str:
    """One slip of the fingers in one longer word, the same for the same question: two letters change places,
    one is left out, doubled, or its neighbour on the keyboard is hit."""
    chance = random.Random(f"{_SEED}{question}")
    places = list(_LONG.finditer(question))
    if not places:
        return question
    match = chance.choice(places)
    word, at = match.group(), chance.randrange(1, len(match.group()) - 1)
    slips = (
        word[:at] + word[at + 1] + word[at] + word[at + 2 :],
        word[:at] + word[at + 1 :],
        word[:at] + word[at] + word[at:],
        word[:at] + _KEYS.get(word[at], word[at]) + word[at + 1 :],
    )
    return question[: match.start()] + chance.choice(slips) + question[match.end() :]


def paraphrased(question: str) -> str:
    """The same in other words: another opening, one synonym, the question mark dropped or added."""
    said = question.strip()
    for pattern, wording in _WORDINGS:
        found = pattern.search(said)
        if found:
            said = wording.format(found.group().split()[0].lower()) + said[found.end() :]
            break
    said = _SYNONYM.sub(lambda match: _SYNONYMS[match.group().lower()], said, count=1)
    return said.rstrip(" ?") if question.rstrip().endswith("?") else f"{said}?"
