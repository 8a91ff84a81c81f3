"""Texts with columns' names in braces, and values as text. No code, no attributes, no formats."""

import json
from collections.abc import Mapping
from datetime import date, datetime, time
from decimal import Decimal
from string import Formatter
from urllib.parse import quote


class NotTextError(Exception):
    """A column holds bytes that are no text."""

    def __init__(self, column: str) -> None:
        super().__init__(column)
        self.column = column


def names_in(template: str) -> tuple[str, ...]:
    """The columns that a template names.

    Raises:
        ValueError: it holds more than names in braces.
    """
    found = []
    for _, name, form, conversion in Formatter().parse(template):
        if name is None:
            continue
        if not name or form or conversion or not name.replace("_", "a").isalnum():
            raise ValueError(f"write a column's name in braces and nothing else, not {{{name}}}")
        found.append(name)
    return tuple(dict.fromkeys(found))


def fill(template: str, row: Mapping[str, object], *, in_address: bool = False) -> str:
    """The template with the row's values; for an address each is quoted.

    Raises:
        NotTextError: a column that it names holds bytes that are no text.
    """
    parts = []
    for literal, name, _, _ in Formatter().parse(template):
        parts.append(literal)
        if name is not None:
            value = as_text(name, row[name])
            parts.append(quote(value, safe="") if in_address else value)
    return "".join(parts)


def as_text(column: str, value: object) -> str:
    """A value as people would write it. Nothing at all for NULL.

    Raises:
        NotTextError: bytes that are not UTF-8.
    """
    match value:
        case None:
            return ""
        case bytes() | bytearray() | memoryview():
            try:
                return bytes(value).decode("utf-8")
            except UnicodeDecodeError as error:
                raise NotTextError(column) from error
        case bool():
            return "yes" if value else "no"
        case datetime():
            return value.isoformat(sep=" ")
        case date() | time():
            return value.isoformat()
        case Decimal():
            return format(value, "f")
        case dict():
            return json.dumps(value, ensure_ascii=False, default=str)
        case list() | tuple():
            return ", ".join(as_text(column, item) for item in value)
        case _:
            return str(value)
