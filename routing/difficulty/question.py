"""What is seen of a question before anything is searched: numbers for the models of `models/`.

None of the cues decides alone; what each is worth was learned. The same function feeds the product and the
benchmark, so changing a cue means fitting the models again.
"""

import math
import re
from collections.abc import Mapping

from routing.text.words import STOP_WORDS, content_words, words

_COMPARISON = re.compile(
    r"\b(?:compare[ds]?|comparison|differ(?:s|ence|ences|ent|ently)?|versus|vs|better|worse|rather than"
    r"|(?:more|less|fewer|larger|smaller|higher|lower|longer|shorter|cheaper|older|newer|younger|faster"
    r"|earlier|later|bigger)\b|in common|both|same|respectively|(?:first|earlier|later|more)\b.{0,80}\bor\b)",
    re.I,
)
_AGGREGATION = re.compile(
    r"\b(?:how many (?:different|of|times)|in total|altogether|total|average|sum of|list (?:all|every)"
    r"|all (?:the|of)|every|each|overall|summari[sz]e|summary|overview|across|most of)\b",
    re.I,
)
_SUPERLATIVE = re.compile(
    r"\b(?:most|least|best|worst|only|\w{3,}est|first|last|second|third|\d+(?:st|nd|rd|th))\b", re.I
)
_CHANGE = re.compile(
    r"\b(?:chang(?:e|es|ed|ing)|used to|previous(?:ly)?|former(?:ly)?|still|no longer|any ?more"
    r"|current(?:ly)?|recent(?:ly)?|latest|newest|since|before|after|until|history|now|today|as of"
    r"|evol(?:ve|ved|ution)"
    r"|this (?:year|month|week|quarter)|last (?:year|month|week|quarter|time)|next)\b",
    re.I,
)
_PERIOD = re.compile(
    r"\b(?:1[5-9]|20)\d\ds?\b|\b(?:january|february|march|april|june|july|august|september"
    r"|october|november|december|century|decade|during|while)\b",
    re.I,
)
_NEGATION = re.compile(
    r"\b(?:not|never|no|none|nobody|without|except|unless|excluding|cannot)\b|n['’]t\b", re.I
)
_REASONING = re.compile(
    r"\b(?:why|how come|explain|what if|should (?:we|i)|would|could|implications?|consequences?|recommend"
    r"|pros and cons|trade-?offs?|because of|purpose|reasons?|causes?)\b",
    re.I,
)
_QUESTION_WORD = re.compile(
    r"\b(?:and|or|also)\s+(?:who|what|when|where|why|how|which|whose|does|do|is|are|can)\b", re.I
)
_NAMES = re.compile(
    r"(?<=[\w,;:)] )(?:[A-Z][\w&.-]*)(?:\s+[A-Z0-9][\w&.-]*)*|\b[A-Z]{2,}[-\d]*\b|\b\w+-\d+\b"
)
_RELATIVE = re.compile(r"(?<=\w )(?:who|whom|whose|that|which|where|when)\b", re.I)
_PARTICIPLE = re.compile(
    r"\b(?:\w+ed|born|written|sung|known|held|built|won|made|founded|located|based|named|called|set)\s+"
    r"(?:by|in|on|at|for|from|as|after|to|near|with)\b",
    re.I,
)
_OF = re.compile(r"\b(?:of|in|on|at|by|from|for)\s+(?:the|a|an|his|her|their|its)\b", re.I)
_POSSESSIVE = re.compile(r"\w['’ ]s\b|\bs['’] ", re.I)
_KINSHIP = re.compile(
    r"\b(?:father|mother|grandfather|grandmother|son|daughter|child|children|spouse|wife|husband|sibling"
    r"|brother|sister|uncle|aunt|nephew|niece|cousin|parents?)\b",
    re.I,
)
_ROLE = re.compile(
    r"\b(?:director|performer|author|founder|owner|manufacturer|publisher|composer|producer|president|actor"
    r"|actress|singer|writer|creator|developer|manager|lead|head|team|department|company|city|county"
    r"|country|state|province|birthplace|place of (?:birth|death))\b",
    re.I,
)
_CHOICE = re.compile(r"\w,? or \w", re.I)
_QUOTE = re.compile(r"[\"“”«»‘`]|``|''")

_ASKED = (
    (
        "how_many",
        re.compile(
            r"\bhow (?:many|much|long|old|far|often|big|tall|high|large)\b"
            r"|\b(?:number|amount|percentage) of\b",
            re.I,
        ),
    ),
    ("when", re.compile(r"\bwhen\b|\b(?:what|which) (?:year|date|day|month|time|century|decade)\b", re.I)),
    ("who", re.compile(r"\bwho(?:se|m)?\b", re.I)),
    (
        "where",
        re.compile(
            r"\bwhere\b"
            r"|\b(?:what|which) (?:\w+ )?(?:city|country|state|county|place|town|region|continent)\b",
            re.I,
        ),
    ),
    ("why", re.compile(r"\bwhy\b|\bhow come\b", re.I)),
    ("which", re.compile(r"\bwhich\b", re.I)),
    ("how", re.compile(r"\bhow\b", re.I)),
    ("what", re.compile(r"\bwhat\b", re.I)),
)
"""What is asked for: the first that is found names the question."""

_YES_NO = re.compile(
    r"^\W*(?:is|are|was|were|do|does|did|has|have|had|can|could|will|would|should|may|am)\b", re.I
)


def question_features(question: str) -> dict[str, float]:
    """Counts (by their logarithm where they have no bound) and cues (0 or 1) of the question alone."""
    said = words(question)
    carrying = content_words(question)
    found = {
        "q_words": math.log1p(len(said)),
        "q_content": math.log1p(len(set(carrying))),
        "q_plain_share": sum(word in STOP_WORDS for word in said) / max(1, len(said)),
        "q_word_length": sum(map(len, carrying)) / max(1, len(carrying)),
        "q_names": math.log1p(len(set(_NAMES.findall(question)))),
        "q_questions": float(min(4, max(1, question.count("?")) + len(_QUESTION_WORD.findall(question)))),
        "q_numbers": math.log1p(sum(any(c.isdigit() for c in word) for word in said)),
        "q_quotes": _cue(_QUOTE, question),
        "q_commas": math.log1p(question.count(",")),
    }
    found |= {name: _cue(pattern, question) for name, pattern in _CUES.items()}
    found |= {name: math.log1p(len(pattern.findall(question))) for name, pattern in _LINKS.items()}
    return found | asked_for(question)


def asked_for(question: str) -> dict[str, float]:
    """One of the kinds of question is 1, the others 0."""
    kind = next((name for name, pattern in _ASKED if pattern.search(question)), "other")
    if _YES_NO.search(question):
        kind = "yes_no"
    return {
        f"q_asks_{name}": float(name == kind) for name in (*(name for name, _ in _ASKED), "yes_no", "other")
    }


def is_choice(question: str) -> bool:
    """Whether it names what to choose from: the answer then repeats words of the question."""
    return bool(_CHOICE.search(question))


_CUES: Mapping[str, re.Pattern[str]] = {
    "q_comparison": _COMPARISON,
    "q_aggregation": _AGGREGATION,
    "q_superlative": _SUPERLATIVE,
    "q_change": _CHANGE,
    "q_period": _PERIOD,
    "q_negation": _NEGATION,
    "q_reasoning": _REASONING,
    "q_choice": _CHOICE,
    "q_kinship": _KINSHIP,
}
_LINKS: Mapping[str, re.Pattern[str]] = {
    "q_relatives": _RELATIVE,
    "q_participles": _PARTICIPLE,
    "q_of": _OF,
    "q_possessives": _POSSESSIVE,
    "q_roles": _ROLE,
    "q_and": re.compile(r"\band\b", re.I),
}
"""What ties one fact to another: each is a possible hop."""


def _cue(pattern: re.Pattern[str], text: str) -> float:
    return 1.0 if pattern.search(text) else 0.0
