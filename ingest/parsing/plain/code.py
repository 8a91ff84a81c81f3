"""Source code: every line as it stands; functions, classes and sections of settings are headings."""

import re

from ingest.parsing.document import Heading, ParsedDocument, decode, normalise

_LONGEST_LINE = 2_000
_LONGEST_HEADING = 120
_MODIFIERS = (
    r"(?:(?:public|private|protected|internal|static|final|abstract|async|export|default|pub(?:\(\w+\))?|"
)
_MODIFIERS += r"override|open|sealed|data|unsafe|extern|inline|virtual|const|partial|readonly|suspend)\s+)*"
_DEFINITION = re.compile(
    rf"^[ \t]*(?:{_MODIFIERS}(?:def|class|function\*?|func|fn|fun|interface|struct|enum|trait|impl|module|"
    r"namespace|record|object|protocol|extension|defmodule|defp?|message|service|type)\b[ \t]+[\w<$(\"'*&].*"
    r"|(?:export[ \t]+)?(?:const|let|var)[ \t]+\w+[ \t]*=[ \t]*(?:async[ \t]*)?"
    r"(?:function\b|\([^()\n]*\)[ \t]*=>).*"
    r"|(?:CREATE|create)[ \t]+(?:OR[ \t]+REPLACE[ \t]+)?(?:TABLE|VIEW|FUNCTION|PROCEDURE|TRIGGER|INDEX|TYPE|"
    r"table|view|function|procedure|trigger|index|type)\b.*"
    r"|\[\[?[\w.\"-]+\]?\][ \t]*"
    r"|\\(?:chapter|section|subsection|subsubsection)\*?\{.*"
    r"|(?:resource|data|variable|output|provider)[ \t]+\".*"
    rf"|{_MODIFIERS}[A-Za-z_][\w:<>,*&\[\] \t]{{0,80}}[ \t*&][A-Za-z_~][\w:~]{{0,80}}"
    rf"\([^;\n]{{0,300}}\)[^;\n=]{{0,60}}\{{[ \t]*"
    r")$"
)
_NO_DEFINITION = re.compile(r"^[ \t]*(?:if|for|while|switch|catch|return|else|elif|do|try|with|match|case)\b")


def parse_code(content: bytes) -> ParsedDocument:
    """The text with its lines and indentation kept. Headings are found line by line, by simple rules."""
    text = normalise(decode(content)).strip("\n")
    headings: list[Heading] = []
    start = 0
    for line in text.split("\n"):
        name = line.strip()
        if 3 < len(line) <= _LONGEST_LINE and not _NO_DEFINITION.match(line) and _DEFINITION.match(line):
            level = 1 if line[0] not in " \t" else 2
            headings.append(Heading(level, name[:_LONGEST_HEADING].rstrip(), start + line.index(name)))
        start += len(line) + 1
    return ParsedDocument(text=text, media_type="text/x-source", headings=tuple(headings))
