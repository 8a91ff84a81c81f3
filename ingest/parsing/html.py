"""HTML pages: the main part, without scripts, menus and footers."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ingest.parsing.document import ParsedDocument, ParseError, TextBuilder, decode, one_line, parse_moment

if TYPE_CHECKING:
    from selectolax.lexbor import LexborHTMLParser, LexborNode

_DROPPED = "script, style, noscript, template, svg, iframe, object, nav, head, [hidden]"
_FURNITURE = "body > footer, body > aside"
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
    parts = tree.css("main") or tree.css('[role="main"]')
    if len(parts) == 1 and parts[0].text(strip=True):
        return parts[0]
    articles = tree.css("article")
    if len(articles) == 1 and articles[0].text(strip=True):
        return articles[0]
    return tree.body


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
