"""A question as it is asked, and what it means within its conversation."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from app.core.identity import Caller
from retrieval.passage import SearchFilters
from routing.text.words import content_words, words
from routing.tier import AUTO, EarlierAnswer, Turn

LONGEST_QUESTION = 4_000

_SHORT = 4
_REFERS = re.compile(
    r"\b(?:it|its|they|them|their|theirs|this|that|these|those|he|him|his|she|her|hers|there|then|one|ones"
    r"|the same|such|former|latter)\b",
    re.I,
)
_CONTINUES = re.compile(
    r"^\s*(?:and|but|or|so|also|what about|how about|what if|why not|why|und|aber)\b", re.I
)


@dataclass(frozen=True, slots=True)
class AskRequest:
    """A question. `tier` is a rung's name, or auto; `conversation_id` makes it a follow-up."""

    question: str
    conversation_id: str | None = None
    tier: str = AUTO
    filters: SearchFilters = field(default_factory=SearchFilters)


@dataclass(frozen=True, slots=True)
class Asking:
    """A question that was accepted and written down, ready to be answered.

    `standalone` is the question with what it refers to; `history` holds the turns before it. `earlier` is
    what a cheaper rung said, where the asker wants a better answer to the same question.
    """

    query_id: str
    conversation_id: str
    caller: Caller
    request: AskRequest
    standalone: str
    history: tuple[Turn, ...]
    earlier: EarlierAnswer | None = None


def standalone_question(question: str, history: Sequence[Turn]) -> str:
    """The question with the previous one in front where it leans on it, for search and for comparing texts.

    It leans when it begins like a continuation ("and in Lisbon?"), when it has at most four content words, or
    when it points back ("how long does it take?") without naming much else. Only one question back is looked
    at.
    """
    if not history or not question.strip():
        return question
    content = len(set(content_words(question)))
    points_back = bool(_REFERS.search(question)) and content <= 2 * _SHORT
    short = content <= _SHORT and len(words(question)) <= 2 * _SHORT
    if not (_CONTINUES.match(question) or points_back or short):
        return question
    room = LONGEST_QUESTION - len(question) - 1
    previous = history[-1].question[: max(0, room)]
    return f"{previous} {question}".strip()
