"""The measures of reading, as their sets define them."""

import re
import string
from collections import Counter
from collections.abc import Sequence

from routing.reading.examples import find_spans

_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)


def holds(sentence: str, answers: Sequence[str]) -> bool:
    """Whether a sentence holds an answer, by its words; or lies within one that is longer than a sentence."""
    if find_spans(sentence, answers):
        return True
    words = f" {' '.join(_words(sentence))} "
    return any(
        (found := " ".join(_words(answer))) and (f" {found} " in words or words.strip() in found)
        for answer in answers
    )


def span_f1(span: str, answers: Sequence[str]) -> float:
    """The best overlap of words with an answer, as harmonic mean of precision and recall (Rajpurkar et al.
    2016)."""
    return max((_overlap(_words(span), _words(answer)) for answer in answers), default=0.0)


def auroc(scores: Sequence[tuple[bool, float]]) -> float:
    """The probability that a true case scores above a false one; equal scores count half (Hanley, McNeil
    1982)."""
    order = sorted(score for _, score in scores)
    ranks: dict[float, float] = {}
    for position, score in enumerate(order, 1):
        first = ranks.setdefault(score, 0.0)
        ranks[score] = first + position
    counts = Counter(order)
    above = sum(ranks[score] / counts[score] for right, score in scores if right)
    right = sum(1 for is_right, _ in scores if is_right)
    return (above - right * (right + 1) / 2) / (right * (len(scores) - right))


def _overlap(found: Sequence[str], wanted: Sequence[str]) -> float:
    shared = sum((Counter(found) & Counter(wanted)).values())
    return 2 * shared / (len(found) + len(wanted)) if shared else 0.0


def _words(text: str) -> list[str]:
    return _ARTICLES.sub(" ", text.casefold().translate(_PUNCTUATION)).split()
