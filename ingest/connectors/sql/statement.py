"""An admin's query, looked at before a database sees it: one SELECT, and nothing that leaves its brackets."""

import re

_SKIPPED = re.compile(
    r"""
      --[^\n]*                               # a comment to the end of the line
    | '(?:[^']|'')*'                         # a text
    | "(?:[^"]|"")*"                         # a quoted name
    | (?P<dollar>\$[A-Za-z_]*\$).*?(?P=dollar)  # PostgreSQL's other text
    """,
    re.VERBOSE | re.DOTALL,
)


def single_select(query: str) -> str:
    """The query without a semicolon at its end.

    The real guards are the read-only transaction and the server's own parser; this says early, in words,
    what they would refuse.

    Raises:
        ValueError: it is no SELECT, holds several statements, or has brackets or quotes that do not close.
    """
    text = query.strip()
    bare = _without_texts(text).rstrip()
    while bare.endswith(";"):
        # What is behind the last semicolon is comments alone, so cutting it from both keeps them alike.
        text = text[: text.rindex(";")].rstrip()
        bare = _without_texts(text).rstrip()
    if not re.match(r"\s*(select|with)\b", bare, re.IGNORECASE):
        raise ValueError("write a query that begins with SELECT, or with WITH")
    if ";" in bare:
        raise ValueError("write one query alone, without a semicolon inside")
    if any(quote in bare for quote in ("'", '"', "/*", "*/")):
        raise ValueError("a quote or a comment is not closed")
    _brackets(bare)
    return text


def _brackets(bare: str) -> None:
    depth = 0
    for char in bare:
        depth += (char == "(") - (char == ")")
        if depth < 0:
            break
    if depth:
        raise ValueError("a bracket is not closed, or closed too often")


def _without_texts(text: str) -> str:
    """The query with texts, names in quotes and comments made blank."""
    found, at = [], 0
    while at < len(text):
        if text.startswith("/*", at):
            at = _comment_end(text, at)
            found.append(" ")
        elif (match := _SKIPPED.match(text, at)) is not None:
            at = match.end()
            found.append(" x " if match[0][0] != "-" else " ")
        else:
            found.append(text[at])
            at += 1
    return "".join(found)


def _comment_end(text: str, at: int) -> int:
    """Comments nest in PostgreSQL."""
    depth = 0
    while at < len(text):
        mark = text[at : at + 2]
        depth += (mark == "/*") - (mark == "*/")
        at += 2 if mark in ("/*", "*/") else 1
        if depth == 0:
            return at
    raise ValueError("a comment is not closed")
