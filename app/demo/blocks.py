"""The small text notation that the binary demo documents are written in.

A source is an optional front matter (`key: value` lines between two `---` lines) and a body of headings,
paragraphs, lists and pipe tables. It is the least that the demo's own sources need, not a Markdown parser.
"""

import datetime as dt
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from app.core.errors import InputError

BlockKind = Literal["heading", "paragraph", "bullet", "numbered", "table"]

_HEADING = re.compile(r"(#{1,4}) +(.+)")
_BULLET = re.compile(r"[-*] +(.+)")
_NUMBERED = re.compile(r"\d+\. +(.+)")
_MARKS = re.compile(r"[*`]")
_TABLE_RULE = re.compile(r"\|[\s:|-]+\|")


@dataclass(frozen=True, slots=True)
class Header:
    """What a document says about itself; `date` is the day it was written."""

    title: str
    author: str
    date: dt.date

    @property
    def written_at(self) -> dt.datetime:
        """The document's day at 09:00 UTC: the sources know days, file formats want a moment."""
        return dt.datetime(self.date.year, self.date.month, self.date.day, 9, tzinfo=dt.UTC)


@dataclass(frozen=True, slots=True)
class Block:
    """One heading (`level` 1 to 4), paragraph, list item or table (`rows`, header row first)."""

    kind: BlockKind
    text: str = ""
    level: int = 0
    rows: tuple[tuple[str, ...], ...] = ()


def split_front_matter(source: str) -> tuple[dict[str, str], str]:
    """Separate the front matter from the body; without one the mapping is empty."""
    if not source.startswith("---\n"):
        return {}, source
    head, closed, body = source[4:].partition("\n---\n")
    if not closed:
        raise InputError("The front matter is not closed; add a line with three dashes after it.")
    pairs = (line.partition(":") for line in head.splitlines() if line.strip())
    return {key.strip(): value.strip() for key, _, value in pairs}, body.lstrip("\n")


def parse_header(values: dict[str, str], name: str) -> Header:
    """Read title, author and date; raises InputError naming the file when one is missing or wrong."""
    try:
        return Header(values["title"], values["author"], dt.date.fromisoformat(values["date"]))
    except (KeyError, ValueError) as error:
        raise InputError(
            f"{name}: the front matter needs title, author and an ISO date ({error})."
        ) from error


def parse_blocks(body: str) -> Iterator[Block]:
    """Read the body into blocks, in order; lines of one paragraph are joined by spaces."""
    for chunk in re.split(r"\n\s*\n", body):
        yield from _read_chunk(chunk)


def _read_chunk(chunk: str) -> Iterator[Block]:
    """Read the lines between two empty lines: one table, or paragraphs, headings and list items."""
    lines = [line.strip() for line in chunk.splitlines() if line.strip()]
    if lines and all(line.startswith("|") for line in lines):
        kept = (line.strip("|") for line in lines if not _TABLE_RULE.fullmatch(line))
        yield Block("table", rows=tuple(tuple(cell.strip() for cell in row.split("|")) for row in kept))
        return
    paragraph: list[str] = []
    for line in lines:
        if (block := _read_line(line)) is None:
            paragraph.append(line)
            continue
        if paragraph:
            yield Block("paragraph", " ".join(paragraph))
            paragraph = []
        yield block
    if paragraph:
        yield Block("paragraph", " ".join(paragraph))


def _read_line(line: str) -> Block | None:
    if match := _HEADING.fullmatch(line):
        return Block("heading", match[2], level=len(match[1]))
    if match := _BULLET.fullmatch(line):
        return Block("bullet", match[1])
    if match := _NUMBERED.fullmatch(line):
        return Block("numbered", match[1])
    return None


def plain(text: str) -> str:
    """The text without the marks for bold, italics and code."""
    return _MARKS.sub("", text)
