"""What an asker says of an answer: good or not, and of a bad one why, by a stable code and in words.

Both are kept in one column, as `code: words`.
"""

from dataclasses import dataclass
from typing import Final, Literal, get_args

ReasonCode = Literal["wrong", "outdated", "incomplete", "wrong_source", "not_what_i_asked", "other"]
"""Why an answer was bad. Programs rely on these names."""

REASON_CODES: Final[tuple[ReasonCode, ...]] = get_args(ReasonCode)

_BY_NAME: Final[dict[str, ReasonCode]] = {code: code for code in REASON_CODES}


@dataclass(frozen=True, slots=True)
class Feedback:
    """The last word of the asker on an answer. A bad one may come without any reason."""

    good: bool
    code: ReasonCode | None = None
    words: str = ""


def reason_to_store(code: ReasonCode | None, words: str) -> str:
    """The column's text; empty where no reason was given. Words without a code are stored as `other`."""
    words = words.replace("\x00", "").strip()
    if code is None and not words:
        return ""
    return f"{code or 'other'}: {words}".strip()


def read_reason(stored: str) -> tuple[ReasonCode | None, str]:
    """The code and the words of a stored reason; text without a known code is `other`."""
    if not stored:
        return None, ""
    name, colon, words = stored.partition(":")
    if colon and name in _BY_NAME:
        return _BY_NAME[name], words.strip()
    return "other", stored
