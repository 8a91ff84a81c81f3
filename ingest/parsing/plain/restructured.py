"""reStructuredText, by docutils (public domain and BSD): parsed only, no file included, nothing raw."""

import re
from typing import TYPE_CHECKING

from ingest.parsing.archive.limits import broken_file
from ingest.parsing.document import (
    ParsedDocument,
    ParseError,
    TextBuilder,
    decode,
    normalise,
    one_line,
    parse_moment,
)

if TYPE_CHECKING:
    from docutils.nodes import Node

_ROLE = re.compile(r"(?<![\w`]):[a-zA-Z][\w:+.-]{0,40}:`([^`<\n]{1,300}?)\s*(?:<[^>`\n]{0,300}>)?`")
_DIRECTIVE = re.compile(r"^\s*(?:\.\. [\w:-]+::.*|:[\w-]+:.*)$")
_MAX_DEPTH = 200
_SETTINGS = {
    "file_insertion_enabled": False,
    "raw_enabled": False,
    "_disable_config": True,
    "report_level": 5,
    "halt_level": 5,
    "warning_stream": False,
    "smart_quotes": False,
    "input_encoding": "unicode",
}
_SKIPPED = frozenset(["comment", "substitution_definition", "target", "image", "meta", "pending", "topic"])
_BLOCKS = frozenset(
    ["paragraph", "line_block", "term", "subtitle", "rubric", "attribution", "caption", "field_name"]
)


def parse_rst(content: bytes) -> ParsedDocument:
    """Title, author and date of the document information, sections, lists, tables and literal text.

    Directives that docutils does not know, such as those of Sphinx, leave their content as text.
    """
    text = _ROLE.sub(r"\1", normalise(decode(content)))
    from docutils.core import publish_doctree

    with broken_file("reStructuredText file"):
        tree = publish_doctree(text, settings_overrides=dict(_SETTINGS))
        builder = TextBuilder()
        about = {name: _first(tree, name) for name in ("author", "date", "revision")}
        title = tree.get("title", "")
        _write(builder, tree, 0, 0)
    return builder.build(
        "text/x-rst", title=title, author=about["author"], updated_at=parse_moment(about["date"])
    )


def _first(tree: "Node", name: str) -> str | None:
    found = next(iter(tree.findall(lambda node: getattr(node, "tagname", "") == name)), None)
    return found.astext() if found is not None else None


def _write(builder: TextBuilder, node: "Node", section: int, depth: int) -> None:
    if depth > _MAX_DEPTH:
        raise ParseError("damaged", f"Its parts are nested more than {_MAX_DEPTH} deep.")
    tag = getattr(node, "tagname", "#text")
    if tag in _SKIPPED:
        return
    if tag == "system_message":
        _write_unknown(builder, node)
    elif tag == "title":
        builder.heading(section + 1, node.astext())
    elif tag == "row":
        cells = (one_line(cell.astext()) for cell in node.children)
        builder.line(" | ".join(cells).strip(" |"))
    elif tag == "list_item":
        _write_item(builder, node, section, depth)
    elif tag in _BLOCKS or tag.endswith("_block"):
        builder.block(node.astext())
    else:
        # A title of the document stands above all sections; without one the first level is theirs.
        deeper = section + (tag == "section" and _has_parent_title(node))
        for child in node.children:
            _write(builder, child, deeper, depth + 1)


def _has_parent_title(node: "Node") -> bool:
    parent = node.parent
    return any(getattr(child, "tagname", "") == "title" for child in parent.children)


def _write_item(builder: TextBuilder, node: "Node", section: int, depth: int) -> None:
    for number, child in enumerate(node.children):
        if number == 0 and getattr(child, "tagname", "") == "paragraph":
            builder.line(f"- {one_line(child.astext())}")
        else:
            _write(builder, child, section, depth + 1)


def _write_unknown(builder: TextBuilder, node: "Node") -> None:
    if "Unknown directive type" not in node.astext():
        return
    for child in node.children:
        if getattr(child, "tagname", "") == "literal_block":
            lines = child.astext().split("\n")
            builder.block("\n".join(line.strip() for line in lines if not _DIRECTIVE.match(line)))
