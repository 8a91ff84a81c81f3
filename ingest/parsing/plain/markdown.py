"""Markdown and plain text."""

import re

from ingest.parsing.document import ParsedDocument, TextBuilder, decode, normalise, parse_moment

_FRONT_MATTER = re.compile(r"\A---[ \t]*\n(.*?)\n---[ \t]*(?:\n|\Z)", re.DOTALL)
_ENTRY = re.compile(r"^([A-Za-z][\w-]*):[ \t]*(.*)$", re.MULTILINE)
_ATX = re.compile(r"^ {0,3}(#{1,6})[ \t]+(.*?)(?:[ \t]+#+)?[ \t]*$")
_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})")
_SETEXT = re.compile(r"^ {0,3}(=+|-{2,})[ \t]*$")
_TABLE_RULE = re.compile(r"^ *\|[ \t|:-]*$")
_TABLE_PADDING = re.compile(r"[ \t]{2,}")
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_IMAGE = re.compile(r"!\[([^\]]{0,500})\]\([^)\s]*(?:[ \t]+\"[^\"\n]*\")?\)")
_LINK = re.compile(
    r"\[([^\]\[]{1,500})\]"
    r"\((?:<[^>\n]*>|\{%.{0,300}?%\}|[^()\s]*(?:\([^()\s]*\)[^()\s]*)*)(?:[ \t]+\"[^\"\n]*\")?\)"
)
_STRONG = re.compile(r"(\*\*|__)(?=\S)(.{1,500}?)(?<=\S)\1")
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
    _Writer(builder).write(_COMMENT.sub("", text).split("\n"))
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


class _Writer:
    """Takes the lines one by one and writes blocks and headings."""

    def __init__(self, builder: TextBuilder) -> None:
        self._builder = builder
        self._paragraph: list[str] = []
        self._code: list[str] = []
        self._fence = ""

    def write(self, lines: list[str]) -> None:
        for line in lines:
            if self._fence:
                self._code_line(line)
            else:
                self._line(line)
        self._end_paragraph()
        self._end_code()

    def _line(self, line: str) -> None:
        if mark := _FENCE.match(line):
            self._end_paragraph()
            self._fence = mark[1]
        elif heading := _ATX.match(line):
            self._end_paragraph()
            self._builder.heading(len(heading[1]), clean_inline(heading[2]))
        elif (rule := _SETEXT.match(line)) and self._may_be_heading():
            self._builder.heading(1 if rule[1][0] == "=" else 2, clean_inline(self._paragraph.pop()))
        elif not line.strip():
            self._end_paragraph()
        elif line.lstrip().startswith("|"):
            if not _TABLE_RULE.match(line):
                self._paragraph.append(_TABLE_PADDING.sub(" ", line).strip(" |"))
        else:
            self._paragraph.append(line)

    def _code_line(self, line: str) -> None:
        mark = _FENCE.match(line)
        if mark and mark[1].startswith(self._fence) and not line.strip().strip(self._fence[0]):
            self._fence = ""
            self._end_code()
        else:
            self._code.append(line)

    def _may_be_heading(self) -> bool:
        only = self._paragraph[0] if len(self._paragraph) == 1 else ""
        return bool(only) and not only.startswith("- ") and " | " not in only

    def _end_paragraph(self) -> None:
        self._builder.block(clean_inline("\n".join(self._paragraph)))
        self._paragraph.clear()

    def _end_code(self) -> None:
        self._builder.block("\n".join(self._code))
        self._code.clear()


def clean_inline(text: str) -> str:
    """Markdown without the marks of images, links, strong text and simple HTML tags."""
    if "](" in text:
        text = _LINK.sub(r"\1", _IMAGE.sub(r"\1", text))
    if "**" in text or "__" in text:
        text = _STRONG.sub(r"\2", text)
    if "<" in text:
        text = _TAG.sub(" ", text)
    return text
