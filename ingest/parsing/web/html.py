"""HTML pages: the main part, without scripts, menus and footers."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ingest.parsing.document import ParsedDocument, ParseError, TextBuilder, decode, one_line, parse_moment

if TYPE_CHECKING:
    from selectolax.lexbor import LexborHTMLParser, LexborNode

_DROPPED = (
    "script, style, noscript, template, svg, iframe, object, nav, head, [hidden], dialog, [role=navigation], "
    "[role=dialog], [role=alertdialog], [role=search], [role=contentinfo], [aria-hidden=true]"
)
_FURNITURE = "body > footer, body > aside"
_PROBABLY_FURNITURE = ", ".join(
    f'[{attribute}*="{word}" i]'
    for attribute in ("id", "class")
    for word in ("cookie", "consent", "gdpr", "breadcrumb", "newsletter", "skip-link", "share-", "sidebar")
)
_SMALL_SHARE = 0.3
"""What is only named as furniture goes where it is a small part of the page: a name alone proves nothing."""
_FEWEST_LINKS = 4
_HEADINGS = {"h1": 1, "h2": 2, "h3": 3, "h4": 4, "h5": 5, "h6": 6}
_BLOCKS = frozenset(
    [
        "p",
        "div",
        "section",
        "article",
        "main",
        "blockquote",
        "ul",
        "ol",
        "dl",
        "table",
        "figure",
        "details",
        "summary",
        "address",
        "form",
        "fieldset",
        "header",
        "footer",
        "aside",
        "body",
        "center",
    ]
)
_LINES = frozenset(["li", "dt", "dd", "br", "figcaption", "legend", "caption", "hr"])
_MAX_DEPTH = 400


def parse_html(content: bytes) -> ParsedDocument:
    """The title, the meta author and date, and the text of `main`, `article` or the body."""
    return parse_html_text(decode(content))


def parse_html_text(markup: str) -> ParsedDocument:
    """The same for markup that is text already, such as the body of a mail."""
    from selectolax.lexbor import LexborHTMLParser

    tree = LexborHTMLParser(markup)
    title = tree.css_first("title")
    title_text = title.text() if title is not None else None
    author = _meta(tree, 'meta[name="author"]')
    moment = parse_moment(
        _meta(tree, 'meta[property="article:modified_time"]')
        or _meta(tree, 'meta[name="date"]')
        or _meta(tree, 'meta[name="last-modified"]')
    )
    builder = TextBuilder()
    _Writer(builder).write(_main_part(tree))
    return builder.build("text/html", title=title_text, author=author, updated_at=moment)


def _meta(tree: "LexborHTMLParser", selector: str) -> str | None:
    found = tree.css_first(selector)
    return found.attributes.get("content") if found is not None else None


def _main_part(tree: "LexborHTMLParser") -> "LexborNode | None":
    for node in tree.css(f"{_DROPPED}, {_FURNITURE}"):
        node.decompose()
    _drop_furniture(tree)
    parts = tree.css("main") or tree.css('[role="main"]')
    if len(parts) == 1 and parts[0].text(strip=True):
        return parts[0]
    articles = tree.css("article")
    if len(articles) == 1 and articles[0].text(strip=True):
        return articles[0]
    _drop_menus(tree)
    return tree.body


def _drop_furniture(tree: "LexborHTMLParser") -> None:
    whole = len(tree.body.text(strip=True)) if tree.body is not None else 0
    for node in tree.css(_PROBABLY_FURNITURE):
        if node.tag not in ("html", "body", "main") and len(node.text(strip=True)) < _SMALL_SHARE * whole:
            node.decompose()


def _drop_menus(tree: "LexborHTMLParser") -> None:
    """Lists that hold nothing but short links, on a page that does not say which part is the main one."""
    for node in tree.css("ul, ol"):
        links = node.css("a")
        inside = sum(len(link.text(strip=True)) for link in links)
        only_links = inside >= 0.9 * len(node.text(strip=True))
        if only_links and len(links) >= _FEWEST_LINKS and inside < 30 * len(links):
            node.decompose()


class _Writer:
    """Walks the tree once and writes blocks, lines and headings as they come."""

    def __init__(self, builder: TextBuilder) -> None:
        self._builder = builder
        self._inline: list[str] = []
        self._as_line = False

    def write(self, node: "LexborNode | None") -> None:
        if node is not None:
            self._children(node, 0)
        self._flush()

    def _children(self, node: "LexborNode", depth: int) -> None:
        if depth > _MAX_DEPTH:
            raise ParseError("damaged", f"Its elements are nested more than {_MAX_DEPTH} deep.")
        for child in node.iter(include_text=True):
            self._node(child, depth)

    def _node(self, node: "LexborNode", depth: int) -> None:
        tag = node.tag or ""
        if tag == "-text":
            self._inline.append(node.text_content or "")
        elif tag in _HEADINGS:
            self._flush()
            self._builder.heading(_HEADINGS[tag], node.text(separator=" "))
        elif tag == "pre":
            self._flush()
            self._builder.block(node.text())
        elif tag == "tr":
            self._flush()
            self._inline.append(" | ".join(_cells(node)))
            self._flush(as_line=True)
        elif tag in _LINES:
            self._flush()
            self._as_line = True
            if tag == "li":
                self._inline.append("- ")
            self._children(node, depth + 1)
            self._flush(as_line=True)
        elif tag in _BLOCKS:
            self._flush()
            self._children(node, depth + 1)
            self._flush()
        else:
            self._children(node, depth + 1)

    def _flush(self, *, as_line: bool = False) -> None:
        text = one_line("".join(self._inline))
        self._inline.clear()
        if text and text != "-":
            (self._builder.line if as_line or self._as_line else self._builder.block)(text)
        self._as_line = False


def _cells(row: "LexborNode") -> Iterator[str]:
    for cell in row.iter():
        text = one_line(cell.text(separator=" "))
        if text:
            yield text
