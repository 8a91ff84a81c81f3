"""What may be shown of a model's words while they come."""

import re
from collections.abc import Iterable
from collections.abc import Set as AbstractSet

from retrieval.passage import Passage
from routing.llm.prompt import NOT_FOUND
from routing.text.links import LinkGuard, addresses

_MARK = re.compile(r"\[\d")


class Words:
    """Holds words back that may never be part of an answer: NOT FOUND, addresses, and in a call that may
    become a search all that comes before the first citation.

    Args:
        known: addresses that may be shown, as plain text.
        from_first_mark: nothing is shown before a citation has begun.
    """

    def __init__(self, known: AbstractSet[str], *, from_first_mark: bool = False) -> None:
        self.text = ""
        self._guard = LinkGuard(known)
        self._from_first_mark = from_first_mark
        self._passed = 0
        self.shown = False
        """Whether anything was shown."""

    def take(self, piece: str) -> str:
        """What may be shown now."""
        self.text += piece
        if self._passed == 0 and self._waits():
            return ""
        return self._show(self._pass())

    def rest(self) -> str:
        """What is left to be shown, once the text has ended and is an answer."""
        if self._passed == 0 and says_not_found(self.text):
            return ""
        return self._show(self._pass() + self._guard.rest())

    def _waits(self) -> bool:
        if NOT_FOUND.startswith(_bare(self.text)) or says_not_found(self.text):
            return True
        return self._from_first_mark and _MARK.search(self.text) is None

    def _show(self, text: str) -> str:
        self.shown = self.shown or bool(text)
        return text

    def _pass(self) -> str:
        new, self._passed = self.text[self._passed :], len(self.text)
        return self._guard.take(new)


def says_not_found(text: str) -> bool:
    """Also where the model adds an explanation to the words it was told to say."""
    return _bare(text) == NOT_FOUND or text.strip().startswith(NOT_FOUND)


def known_addresses(passages: Iterable[Passage]) -> frozenset[str]:
    """The addresses of the documents, and those that stand in them."""
    known: set[str] = set()
    for passage in passages:
        known |= addresses(passage.text)
        if passage.url:
            known.add(passage.url)
    return frozenset(known)


def _bare(text: str) -> str:
    return text.strip().strip(".\"'*`").upper()
