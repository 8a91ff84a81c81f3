"""Whether two answers say the same, as far as that can be told without a model."""

import re
from typing import Literal

from routing.citation import without_marks
from routing.text.words import content_words, names, words

Agreement = Literal["same", "different", "unsure"]

_NUMBER = re.compile(r"\d+(?:[.,:/-]\d+)*")
_NOT = frozenset({"no", "not", "never", "none", "nicht", "kein", "keine", "nie", "cannot", "without", "ohne"})
_SAME_FROM = 0.8
"""Share of the shorter answer's words that the longer one must hold."""
_DIFFERENT_TO = 0.3


def agreement(first: str, second: str) -> Agreement:
    """Compares numbers, names and words of two answers to the same question.

    Same: the shorter one's words and numbers are nearly all in the longer one, and both or neither deny.
    Different: both give numbers, or both give names, and share none of them, at few words in common.
    Everything else is unsure: it takes somebody who understands them.
    """
    first, second = without_marks(first), without_marks(second)
    shared = _containment(set(content_words(first)), set(content_words(second)))
    first_numbers, second_numbers = _numbers(first), _numbers(second)
    if first_numbers and second_numbers and not first_numbers & second_numbers:
        return "different"
    denies = bool(_NOT & set(words(first))) != bool(_NOT & set(words(second)))
    fewer, more = sorted((first_numbers, second_numbers), key=len)
    if shared >= _SAME_FROM and fewer <= more and (fewer or not more) and not denies:
        return "same"
    first_names, second_names = names(first), names(second)
    if shared < _DIFFERENT_TO and first_names and second_names and not first_names & second_names:
        return "different"
    return "unsure"


def _numbers(text: str) -> frozenset[str]:
    return frozenset(match.group().replace(",", ".") for match in _NUMBER.finditer(text))


def _containment(first: set[str], second: set[str]) -> float:
    smaller = min(len(first), len(second))
    return len(first & second) / smaller if smaller else 0.0
