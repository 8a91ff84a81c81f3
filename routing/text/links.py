"""Takes links out of what a model writes: text made from documents must lead nobody anywhere new.

A link can carry away what it is given: an image whose address holds a secret is fetched as soon as it is
shown. Rung shows citations as links of its own, so an answer needs none.
"""

import re
from collections.abc import Set as AbstractSet

REMOVED = "[link removed]"

_ADDRESS = re.compile(
    r"(?:[a-z][a-z0-9+.-]{1,20}:/{1,}|\b(?:data|javascript|vbscript|file|blob):(?=\S)|(?<![\w:/])//(?=[\w[])"
    r"|\bwww\.)[^\s<>\"'`\])}]*(?:\([^\s<>\"'`)]*\)[^\s<>\"'`\])}]*)*",
    re.I,
)
_MARKDOWN = re.compile(r"!?\[([^\[\]\n]{0,300})\]\(\s*<?([^\s()<>]*)>?[^()\n]*\)")
_TAG = re.compile(
    r"</?(?:a|img|iframe|script|link|object|embed|video|audio|svg|form|style|base|meta)\b[^>]*>?", re.I
)
_REFERENCE = re.compile(r"^[ \t]*\[[^\]\n]{1,100}\]:[ \t]*\S.*$", re.M)
_TRAILING = ".,;:!?"


def addresses(text: str) -> frozenset[str]:
    """The addresses that stand in a text, without the full stop or comma after them."""
    return frozenset(found.group().rstrip(_TRAILING) for found in _ADDRESS.finditer(text))


def without_links(text: str, known: AbstractSet[str]) -> str:
    """The text without links, images and tags of HTML; the words of a link stay.

    Args:
        known: addresses that may stay, as plain text: those that the documents themselves hold.
    """
    text = _MARKDOWN.sub(lambda found: _named(found, known), _REFERENCE.sub("", text))
    return _plain(_TAG.sub("", text), known)


def _named(found: re.Match[str], known: AbstractSet[str]) -> str:
    words, address = found[1], found[2]
    if found.group().startswith("!"):
        return words
    return f"{words} ({address})" if address in known and words != address else words


def _plain(text: str, known: AbstractSet[str]) -> str:
    def kept(found: re.Match[str]) -> str:
        whole = found.group()
        bare = whole.rstrip(_TRAILING)
        return whole if bare in known else REMOVED + whole[len(bare) :]

    return _ADDRESS.sub(kept, text)


class LinkGuard:
    """Takes addresses out of a text while it streams.

    A word is held until it has ended, so that no part of an address is told. What it leaves of a markdown
    link leads nowhere; the whole text goes through `without_links` in the end.
    """

    def __init__(self, known: AbstractSet[str]) -> None:
        self._known = known
        self._held = ""

    def take(self, text: str) -> str:
        """What may be shown now."""
        whole = self._held + text
        cut = _boundary(whole)
        self._held = whole[cut:]
        return _in_stream(whole[:cut], self._known)

    def rest(self) -> str:
        """The last word, when the text has ended."""
        held, self._held = self._held, ""
        return _in_stream(held, self._known)


_TARGET = re.compile(r"(\]\(\s*<?)([^\s()<>]+)")


def _in_stream(text: str, known: AbstractSet[str]) -> str:
    cleaned = _TAG.sub("", _TARGET.sub(lambda found: found[1] + REMOVED, text))
    return _plain(cleaned, known)


def _boundary(text: str) -> int:
    """Where the last word begins that has not ended: addresses are of ASCII and hold no space."""
    cut = len(text)
    while cut and text[cut - 1].isascii() and not text[cut - 1].isspace():
        cut -= 1
    # An open tag or the target of a link may hold spaces: it is held as a whole, up to a length.
    opened = max(text.rfind("<", 0, cut), text.rfind("](", 0, cut))
    if opened >= 0 and cut - opened < 400 and not re.search(r"[>)\n]", text[opened + 2 : cut]):
        return opened
    return cut
