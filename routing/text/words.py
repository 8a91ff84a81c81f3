"""The words of a text that carry meaning, folded so that spelling variants meet."""

import re
import unicodedata
from functools import lru_cache

_WORD = re.compile(r"\w+(?:['’\-]\w+)*")
_UNSPACED = re.compile(r"[぀-ヿ㐀-鿿가-힯฀-๿]+")
"""Scripts written without spaces between words: compared by pairs of characters."""

STOP_WORDS = frozenset(
    """a about after all
    also am an and any are as at be because been before being both but by can could did do
    does doing done during each for from get gets got had has have having he her here hers him his how i if in
    into is it its itself just let like made make many may me might more most much must my need no not of off
    on once one only or other our out over own per please same shall she should show so some such tell than
    that the their them then there these they this those through to too under until up upon us was we were
    what when where which while who whom whose why will with would you your der das den dem des ein eine
    einen einem einer und oder ist sind waren wie was wer wann wo warum welche welcher welches mit von zu
    im am auf für bei nicht es wir ich sie er""".split()  # noqa: SIM905
)

_ENDINGS = (
    "ational",
    "ations",
    "ation",
    "ments",
    "ment",
    "ings",
    "ing",
    "edly",
    "ies",
    "ied",
    "es",
    "ed",
    "ly",
    "s",
)
_SHORTEST_STEM = 3


def fold(text: str) -> str:
    """Lower case, compatibility forms unified, accents removed."""
    if text.isascii():
        # Nothing to take apart, and far quicker.
        return text.lower()
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(c for c in decomposed if not unicodedata.combining(c))


@lru_cache(maxsize=20_000)
def stem(word: str) -> str:
    """A folded word without its commonest English ending. Words with digits stay whole."""
    if any(c.isdigit() for c in word):
        return word
    for ending in _ENDINGS:
        shortest = _SHORTEST_STEM + (len(ending) > _SHORTEST_STEM)
        if word.endswith(ending) and len(word) - len(ending) >= shortest and not word.endswith("ss"):
            base = word[: -len(ending)]
            return base + "y" if ending in ("ies", "ied") else base.rstrip("e")
    return word.rstrip("e") if len(word) > _SHORTEST_STEM + 1 else word


def words(text: str) -> list[str]:
    """Every word, folded, in order; unspaced scripts as pairs of characters."""
    found: list[str] = []
    for match in _WORD.finditer(fold(text)):
        word = match.group().replace("’", "'").removesuffix("'s")
        runs = () if word.isascii() else _UNSPACED.findall(word)
        if not runs:
            # "on-call" is two words; "err-4012" is one.
            found.extend([word] if any(c.isdigit() for c in word) else filter(None, word.split("-")))
        for run in runs:
            found.extend(run[i : i + 2] for i in range(max(1, len(run) - 1)))
    return found


@lru_cache(maxsize=2_000)
def content_words(text: str) -> tuple[str, ...]:
    """The stems of the words that are not stop words, in order, repetitions kept.

    Kept for the last texts: on the way of one question its passages are looked at many times.
    """
    return tuple(stem(word) for word in words(text) if word not in STOP_WORDS)


def names(text: str) -> frozenset[str]:
    """The stems of what a question names: words with a capital inside it, and all that hold a digit."""
    found: list[str] = []
    for match in _WORD.finditer(text):
        before = text[: match.start()].rstrip(" \"'“‘(¿¡")
        begins = not before or before[-1] in ".?!:\n"
        word = match.group()
        capital = word[0].isupper() and (not begins or (len(word) > 1 and word.isupper()))
        if any(c.isdigit() for c in word) or (capital and word != "I"):
            found.extend(content_words(word))
    return frozenset(found)


def coverage(wanted: set[str], offered: set[str]) -> float:
    """The share of the wanted words that are offered; 0 when nothing is wanted."""
    return len(wanted & offered) / len(wanted) if wanted else 0.0
