"""The language of a text, by py3langid (BSD; Lui and Baldwin 2012). Its model is loaded with the first."""

from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

FEWEST_LETTERS = 40
_STRETCH_CHARS = 1_500
_FEWEST_LETTERS_SHARE = 0.5
_SURE = 0.9
_NO_LANGUAGE = "zxx"


def language_of(text: str) -> str:
    """The ISO 639-1 code of the language, or empty for a text that is too short, no prose, or not clear.

    Three stretches are looked at, from the beginning, the middle and the end.
    """
    sample = _sample(text)
    letters = sum(map(str.isalpha, sample))
    if letters < FEWEST_LETTERS or letters < _FEWEST_LETTERS_SHARE * len("".join(sample.split())):
        return ""
    code, sure = _identifier().classify(sample)
    return str(code) if sure >= _SURE and code != _NO_LANGUAGE else ""


def _sample(text: str) -> str:
    if len(text) <= 3 * _STRETCH_CHARS:
        return text
    middle = (len(text) - _STRETCH_CHARS) // 2
    parts = (text[:_STRETCH_CHARS], text[middle : middle + _STRETCH_CHARS], text[-_STRETCH_CHARS:])
    return "\n".join(parts)


@lru_cache(maxsize=1)
def _identifier() -> "LanguageIdentifier":
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
