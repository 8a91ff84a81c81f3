"""Where the pages of an OpenDocument text begin, as the program that wrote it saw them."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_URN = "{urn:oasis:names:tc:opendocument:xmlns:%s:1.0}%s"
_SOFT = _URN % ("text", "soft-page-break")
_BODY = _URN % ("office", "text")
_STYLE = _URN % ("style", "style")
_PROPERTIES = frozenset(_URN % ("style", f"{what}-properties") for what in ("paragraph", "table"))
_BEFORE, _AFTER = (_URN % ("xsl-fo-compatible", f"break-{side}") for side in ("before", "after"))
_MOST_PARENTS = 20


class PageTurns:
    """Pages are counted only where the file says that it names each of them.

    There are two kinds of turns: soft ones, where the text ran over, stand in the text; those that a person
    asked for are a property of a paragraph's or a table's style.
    """

    def __init__(self, *roots: "Element | None") -> None:
        """Args: roots: of the content and of the styles."""
        there = [root for root in roots if root is not None]
        bodies = (body for root in there for body in root.iter(_BODY))
        self.counted = any(body.get(_URN % ("text", "use-soft-page-breaks")) == "true" for body in bodies)
        self._styles = {
            element.get(_URN % ("style", "name"), ""): element
            for root in reversed(there)
            for element in (root.iter(_STYLE) if self.counted else ())
        }

    def before(self, element: "Element") -> int:
        """How many pages begin before an element's own text."""
        if not self.counted:
            return 0
        asked = self._asks(element, _BEFORE) or self._has_own_page(element)
        return asked + _leading(element)

    def after(self, element: "Element") -> int:
        """How many begin within it or after it; which word is the first on them is not told."""
        if not self.counted:
            return 0
        within = sum(1 for _ in element.iter(_SOFT)) - _leading(element)
        return within + self._asks(element, _AFTER)

    def _asks(self, element: "Element", side: str) -> bool:
        for style in self._line(element):
            values = [part.get(side) for part in style if part.tag in _PROPERTIES]
            value = next((value for value in values if value is not None), None)
            if value is not None:
                return value == "page"
        return False

    def _has_own_page(self, element: "Element") -> bool:
        """A change of the page's layout turns the page, too."""
        name = _URN % ("style", "master-page-name")
        return any(style.get(name) for style in self._line(element)[:1])

    def _line(self, element: "Element") -> list["Element"]:
        """An element's style, that style's parent, and so on."""
        name = element.get(_URN % ("text", "style-name")) or element.get(_URN % ("table", "style-name"))
        found: list[Element] = []
        while name in self._styles and len(found) < _MOST_PARENTS:
            found.append(self._styles[name])
            name = self._styles[name].get(_URN % ("style", "parent-style-name"))
        return found


def is_soft_turn(element: "Element") -> bool:
    """Whether a page begins here, between two paragraphs."""
    return element.tag == _SOFT


def _leading(element: "Element") -> int:
    """Soft turns before the first letter of a paragraph."""
    if (element.text or "").strip():
        return 0
    found = 0
    for child in element:
        if child.tag != _SOFT:
            break
        found += 1
        if (child.tail or "").strip():
            break
    return found
