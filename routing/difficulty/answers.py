"""What is seen of a chat model's answer: numbers for the models of `models/`.

Plain functions of texts, so that the benchmark, whose recorded answers bring no log-probabilities, sees what
the product sees. `closed_book` is what the same model says to the question without any passage.
"""

import math
import re
from collections.abc import Mapping

from routing.difficulty.question import asked_for, is_choice
from routing.text.rarity import rarity
from routing.text.words import STOP_WORDS, content_words, names, stem, words

_HEDGE = re.compile(
    r"\b(?:not (?:found|mentioned|stated|specified|provided|clear|known|given|sure|enough|available|possible)"
    r"|no (?:answer|information|mention|evidence|specific|record)|does(?: not|n['’]t) (?:say|mention|state"
    r"|specify|provide|contain|appear|exist)|do(?: not|n['’]t) (?:know|have|see)|unknown|unclear|cannot"
    r"|can['’]t|unable"
    r"|none|n/a|insufficient|however|might|may be|possibly|perhaps|probably|likely|appears? to|seems?"
    r"|assum(?:e|ing)|without (?:more|further)|not directly|there is no|there are no)\b",
    re.I,
)
_NUMBER = re.compile(r"\d+(?:[.,:]\d+)*")
_YEAR = re.compile(r"\b(?:1\d|20)\d\d\b")
_MONTH = re.compile(
    r"\b(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?"
    r"|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\b",
    re.I,
)
_NUMBER_WORD = re.compile(
    r"\b(?:zero|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|dozen|hundred|thousand|million"
    r"|billion|half|once|twice|both|several)\b",
    re.I,
)
_YES_NO = re.compile(r"^\W*(?:yes|no)\b", re.I)
_MARK = re.compile(r"\[\d+\]")
_CAPITAL = re.compile(r"\b[^\W\d_a-zß-ÿ]\w*")

_LONG = 12
"""Words from which on an answer is just long: the recorded ones are short, a product's are sentences."""

_MANY = 2
"""Numbers more or fewer than the other answer has: beyond this it does not matter how many."""


def answer_features(question: str, answer: str) -> dict[str, float]:
    """Of the grounded answer beside the question: its form, and whether it is what was asked for."""
    text = without_marks(answer)
    said, asked = core(question, text), set(content_words(question))
    echoes, chosen = _echoes(text, asked), is_choice(question)
    return {
        "a_empty": float(not words(text)),
        "a_words": math.log1p(min(len(said), _LONG)),
        "a_hedges": float(bool(_HEDGE.search(text))),
        "a_number": float(bool(_NUMBER.search(" ".join(said)))),
        "a_year": float(bool(_YEAR.search(" ".join(said)))),
        "a_name": float(_names_anything(said, text)),
        "a_yes_no": float(bool(_YES_NO.search(text))),
        "a_several": float(bool(re.search(r"\w[,;] |\w and \w", text))),
        "a_odd_letters": float(not text.isascii() or "\\u" in text),
        "a_word_length": sum(map(len, said)) / max(1, len(said)),
        "a_choice": float(echoes and chosen),
        "a_echo": float(echoes and not chosen),
        **_fit(question, text, said),
    }


def agreement_features(question: str, answer: str, closed_book: str) -> dict[str, float]:
    """Of the grounded answer beside the one without passages: how far they say the same."""
    text, other = without_marks(answer), without_marks(closed_book)
    first, second = core(question, text), core(question, other)
    one, two = " ".join(first), " ".join(second)
    told = _NUMBER.findall(one), _NUMBER.findall(two)
    numbers = set(told[0]), set(told[1])
    asked = asked_for(question)
    same = agreement(question, answer, closed_book)
    echoes = _echoes(other, set(content_words(question)))
    return {
        "b_agree": same,
        "b_same": float(bool(first) and first == second),
        "b_within": float(_within(first, second)),
        "b_letters": _letters(one, two),
        "b_hedges": float(bool(_HEDGE.search(other)) or not second),
        "b_words": math.log1p(min(len(second), _LONG)),
        "b_shorter": math.log1p(min(len(second), _LONG)) - math.log1p(min(len(first), _LONG)),
        "b_numbers_same": float(bool(numbers[0]) and numbers[0] == numbers[1]),
        "b_numbers_differ": float(bool(numbers[0]) and bool(numbers[1]) and not numbers[0] & numbers[1]),
        "b_same_kind": float(_kind(one) == _kind(two)),
        "b_choice": float(echoes and is_choice(question)),
        "b_echo": float(echoes and not is_choice(question)),
        "b_agree_choice": same * max(asked["q_asks_yes_no"], asked["q_asks_which"]),
        "b_agree_number": same * max(asked["q_asks_how_many"], asked["q_asks_when"]),
        "b_numbers_more": float(max(-_MANY, min(_MANY, len(told[0]) - len(told[1])))),
        "b_words_apart": (1 - same) * math.log1p(min(len(first), _LONG)),
        **_particular(question, first, same),
    }


def _particular(question: str, said: list[str], same: float) -> Mapping[str, float]:
    """How particular the question and the answer are. Two answers that agree on a common word ("winter",
    "no") may do so by chance, on a rare name hardly."""
    asked = [word for word in words(question) if word not in STOP_WORDS]
    answered, wanted = _rarities(said[:_LONG]), _rarities(asked)
    return {
        "b_rarity": sum(answered) / max(1, len(answered)),
        "b_agree_rare": same * max(answered, default=0.0),
        "b_asked_rarity": sum(wanted) / max(1, len(wanted)),
        "b_asked_rarest": max(wanted, default=0.0),
        "b_asked_names": len(names(question)) / max(1, len(asked)),
    }


def _rarities(said: list[str]) -> list[float]:
    """Numbers have none: every number is as good as any other."""
    return [rarity(word) for word in said if not any(letter.isdigit() for letter in word)]


def agreement(question: str, answer: str, closed_book: str) -> float:
    """How far two answers say the same, from 0 to 1: the overlap of the words that they add to the question,
    as harmonic mean of precision and recall (Rajpurkar et al. 2016), and 1 where the shorter stands whole in
    the longer."""
    one, other = without_marks(answer), without_marks(closed_book)
    return max(_overlap(core(question, one), core(question, other)), _overlap(_bare(one), _bare(other)))


def _overlap(first: list[str], second: list[str]) -> float:
    if not first or not second:
        return 0.0
    if _within(first, second):
        return 1.0
    left = list(second)
    for word in first:
        if word in left:
            left.remove(word)
    shared = len(second) - len(left)
    return 2 * shared / (len(first) + len(second))


def _bare(text: str) -> list[str]:
    return [word for word in words(text) if word not in ("a", "an", "the")]


def _echoes(text: str, asked: set[str]) -> bool:
    """Whether an answer says nothing that is not in the question."""
    said = set(content_words(text))
    return bool(said) and said <= asked


def core(question: str, text: str) -> list[str]:
    """The words that an answer adds to its question, so that "The limit in Berlin is 140 euros" and "140
    euros" look the same. All its words where it adds none, as in a choice between two things named."""
    said, asked = _bare(text), set(content_words(question))
    new = [word for word in said if word not in STOP_WORDS and stem(word) not in asked]
    return new or said


def without_marks(answer: str) -> str:
    """The text without the marks of its citations."""
    return _MARK.sub(" ", answer).strip()


def _within(first: list[str], second: list[str]) -> bool:
    short, long = sorted((first, second), key=len)
    return bool(short) and f" {' '.join(short)} " in f" {' '.join(long)} "


def _letters(first: str, second: str) -> float:
    """The share of pairs of letters that two texts have in common (Dice 1945)."""
    one, other = ({text[i : i + 2] for i in range(len(text) - 1)} for text in (first, second))
    return 2 * len(one & other) / (len(one) + len(other)) if one and other else 0.0


def _fit(question: str, text: str, said: list[str]) -> Mapping[str, float]:
    """Whether the answer is of the kind asked for; 0 in both where any kind would do."""
    asked, new = asked_for(question), " ".join(said)
    holds = {
        "q_asks_how_many": bool(_NUMBER.search(new) or _NUMBER_WORD.search(text)),
        "q_asks_when": bool(_NUMBER.search(new) or _MONTH.search(new)),
        "q_asks_who": _names_anything(said, text),
        "q_asks_where": _names_anything(said, text),
        "q_asks_yes_no": bool(_YES_NO.search(text)),
    }
    kind = next((name for name in holds if asked[name]), None)
    return {
        "a_kind_met": float(kind is not None and holds[kind]),
        "a_kind_missed": float(kind is not None and not holds[kind]),
    }


def _names_anything(said: list[str], text: str) -> bool:
    """Whether a word that the answer adds is written with a capital."""
    capitals = {word for match in _CAPITAL.findall(text) for word in words(match)}
    return any(word in capitals for word in said)


def _kind(text: str) -> str:
    if _YES_NO.search(text):
        return "yes or no"
    if _YEAR.search(text) or _MONTH.search(text):
        return "date"
    return "number" if _NUMBER.search(text) else "words"
