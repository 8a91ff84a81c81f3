"""Markdown and plain text."""

import re

from ingest.parsing.document import ParsedDocument, TextBuilder, decode, normalise, parse_moment

_FRONT_MATTER = re.compile(r"\A---[ \t]*\n(.*?)\n---[ \t]*(?:\n|\Z)", re.DOTALL)
_ENTRY = re.compile(r"^([A-Za-z][\w-]*):[ \t]*(.*)$", re.MULTILINE)
_ATX = re.compile(r"^ {0,3}(#{1,6})[ \t]+(.*?)(?:[ \t]+#+)?[ \t]*$")
_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})")
_SETEXT = re.compile(r"^ {0,3}(=+|-{2,})[ \t]*$")
_TABLE_RULE = re.compile(r"^[ \t|:-]*-[ \t|:-]*\|[ \t|:-]*$|^\|[ \t|:-]*-[ \t|:-]*$")
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_IMAGE = re.compile(r"!\[([^\]\n]*)\]\([^)\s]*(?:[ \t]+\"[^\"\n]*\")?\)")
_LINK = re.compile(
    r"\[([^\]\[\n]+)\]\((?:<[^>\n]*>|[^()\s]*(?:\([^()\s]*\)[^()\s]*)*)(?:[ \t]+\"[^\"\n]*\")?\)"
)
_STRONG = re.compile(r"(\*\*|__)(?=\S)(.+?)(?<=\S)\1")
_TAG = re.compile(
    r"</?(?:a|b|i|em|strong|br|div|span|p|img|table|thead|tbody|tr|td|th|u|sup|sub|small)\b[^<>]*>", re.I
)


def parse_markdown(content: bytes) -> ParsedDocument:
    """Markdown with optional front matter (`title`, `author`, `date`); marks of links and emphasis go."""
    text = normalise(decode(content))
    front: dict[str, str] = {}
    found = _FRONT_MATTER.match(text)
    if found:
        front = {key.lower(): value.strip().strip("\"'") for key, value in _ENTRY.findall(found[1])}
        text = text[found.end() :]
    builder = TextBuilder()
    _write_lines(_COMMENT.sub("", text).split("\n"), builder)
    return builder.build(
        "text/markdown",
        title=front.get("title"),
        author=front.get("author"),
        updated_at=parse_moment(front.get("date") or front.get("updated")),
    )


def parse_text(content: bytes) -> ParsedDocument:
    """Plain text as it stands."""
    builder = TextBuilder()
    builder.block(decode(content))
    return builder.build("text/plain")


def _write_lines(lines: list[str], builder: TextBuilder) -> None:
    paragraph: list[str] = []
    fence = ""

    def end_paragraph() -> None:
        builder.block("\n".join(paragraph))
        paragraph.clear()

    for line in lines:
        mark = _FENCE.match(line)
        if fence:
            if mark and mark[1].startswith(fence) and not line.strip().strip(fence[0]):
                fence = ""
            else:
                paragraph.append(line)
        elif mark:
            fence = mark[1]
        elif heading := _ATX.match(line):
            end_paragraph()
            builder.heading(len(heading[1]), clean_inline(heading[2]))
        elif (
            len(paragraph) == 1 and (rule := _SETEXT.match(line)) and not paragraph[0].startswith(("|", "- "))
        ):
            builder.heading(1 if rule[1][0] == "=" else 2, paragraph.pop())
        elif not line.strip():
            end_paragraph()
        elif not _TABLE_RULE.match(line):
            paragraph.append(clean_inline(line))
    end_paragraph()


def clean_inline(line: str) -> str:
    """A line of markdown without the marks of images, links, strong text and simple HTML tags."""
    if "](" in line:
        line = _LINK.sub(r"\1", _IMAGE.sub(r"\1", line))
    if "**" in line or "__" in line:
        line = _STRONG.sub(r"\2", line)
    return _TAG.sub(" ", line).rstrip() if "<" in line else line.rstrip()
