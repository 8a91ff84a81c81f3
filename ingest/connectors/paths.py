"""Paths at a source: as printable ids and back, and the patterns that choose among them."""

import re
from collections.abc import Iterable
from functools import lru_cache

PATTERN_HELP = (
    "One a line: `*` stands for anything but a slash, `**` for any folders, `?` for one character. A pattern "
    "without a slash, such as `*.md`, is tried on the name alone; one that ends with a slash is a folder."
)

_ESCAPED = re.compile(r"\\(?:\\|n|r|t|x[0-9a-f]{2}|u[0-9a-f]{4}|U[0-9a-f]{8})")


def printable(name: str) -> str:
    """A name as printable text that stands for this name alone: `a\\nb`, `\\udce9`."""
    if name.isprintable() and "\\" not in name:
        return name
    return "".join(
        "\\\\" if char == "\\" else char if char.isprintable() else char.encode("unicode_escape").decode()
        for char in name
    )


def unprintable(text: str) -> str:
    """The name that `printable` made this text of."""
    return _ESCAPED.sub(lambda found: found[0].encode().decode("unicode_escape"), text)


class PathPatterns:
    """Which paths are wanted: those that an `include` names (all, where there is none) but no `exclude`."""

    def __init__(self, include: Iterable[str] = (), exclude: Iterable[str] = ()) -> None:
        self._include = tuple(_compiled(pattern) for pattern in include if pattern.strip())
        self._exclude = tuple(_compiled(pattern) for pattern in exclude if pattern.strip())

    def wants(self, path: str) -> bool:
        """Whether this path, with slashes and none at its start, is to be read."""
        if self._include and not any(pattern.fullmatch(path) for pattern in self._include):
            return False
        return not any(pattern.fullmatch(path) for pattern in self._exclude)


@lru_cache(maxsize=512)
def _compiled(pattern: str) -> re.Pattern[str]:
    text = pattern.strip()
    if text.endswith("/"):
        text += "**"
    anywhere = "/" not in text
    text = text.removeprefix("/")
    parts = re.split(r"(\*\*/|\*\*|\*|\?)", text)
    known = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    body = "".join(known.get(part, re.escape(part)) for part in parts)
    return re.compile(f"(?:.*/)?{body}" if anywhere else body, re.DOTALL)
