"""The one tool that a model has, and what it asks of it. What a model writes is checked like any input."""

import json
from dataclasses import dataclass

from routing.llm.call import storable
from routing.llm.message import Tool, ToolCall
from routing.text.links import without_links
from routing.text.words import words

_LONGEST_QUERY = 300
_LONGEST_WHY = 120

NO_SUCH_TOOL = "Asked for a tool that is not there"
UNREADABLE = "Asked for a search that could not be read"
WITHOUT_WORDS = "Asked for a search without words"

MOST_SEARCHES = 3
"""Searches that one message may ask for."""

SEARCH = Tool(
    "search",
    "Searches the company's documents again, only those that the asker may read. Returns numbered passages. "
    "Use it for one missing fact at a time; never repeat a search.",
    (
        ("query", "What to look for, in the words that the document would use."),
        (
            "why",
            "What is missing, as a few words in the question's language that follow “Looking for”, such as: "
            "the 2025 travel policy",
        ),
    ),
)


@dataclass(frozen=True, slots=True)
class Search:
    """A search that can be made. `text` says what for, to people; `key` is the same for the same words."""

    query: str
    text: str
    key: frozenset[str]


@dataclass(frozen=True, slots=True)
class Malformed:
    """A call that cannot be made: `says` tells the model why, `text` people."""

    says: str
    text: str


def read_call(call: ToolCall) -> Search | Malformed:
    """What a model asks for."""
    if call.name != SEARCH.name:
        return Malformed("There is no such tool. The only tool is `search`.", NO_SUCH_TOOL)
    try:
        given = json.loads(call.arguments or "{}")
    except (ValueError, RecursionError):
        return Malformed("The arguments were not valid JSON.", UNREADABLE)
    if not isinstance(given, dict):
        return Malformed("The arguments must be a JSON object.", UNREADABLE)
    query, why = given.get("query"), given.get("why")
    if not isinstance(query, str) or not words(query):
        return Malformed("`query` must be a text with words in it.", WITHOUT_WORDS)
    searched = _line(query, _LONGEST_QUERY)
    purpose = _line(why, _LONGEST_WHY) if isinstance(why, str) else ""
    return Search(
        searched, f"Looking for {purpose or f'“{searched[:_LONGEST_WHY]}”'}", frozenset(words(searched))
    )


def _line(text: str, longest: int) -> str:
    """One line that leads nowhere and that every database takes."""
    return " ".join(without_links(storable(text), frozenset()).split())[:longest].strip()
