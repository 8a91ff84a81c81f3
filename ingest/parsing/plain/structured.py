"""JSON: keys as headings, values as lines, arrays of records as rows."""

import json
from collections.abc import Mapping, Sequence

from ingest.parsing.document import ParsedDocument, ParseError, TextBuilder, decode, one_line

_MAX_DEPTH = 100
_DEEPEST_HEADING = 6
JSON = "application/json"


def parse_json(content: bytes) -> ParsedDocument:
    """The value as text. Keys of objects in objects are headings, six deep at most.

    Raises:
        ParseError: `damaged` for text that is no JSON or is nested too deep; `invalid_encoding`.
    """
    return _written(_loaded(decode(content), "The file"), JSON)


def parse_json_lines(content: bytes) -> ParsedDocument:
    """One value a line, together as an array is."""
    lines = decode(content).split("\n")
    values = [_loaded(line, f"Line {n}") for n, line in enumerate(lines, start=1) if line.strip()]
    return _written(values, "application/x-ndjson")


def _loaded(text: str, what: str) -> object:
    try:
        value: object = json.loads(text)
    except RecursionError as error:
        raise ParseError("damaged", f"{what} is nested too deep to be read.") from error
    except ValueError as error:
        raise ParseError("damaged", f"{what} is not readable JSON ({error}).") from error
    return value


def _written(value: object, media_type: str) -> ParsedDocument:
    builder = TextBuilder()
    _write(builder, value, 1)
    title = value.get("title") if isinstance(value, Mapping) else None
    parsed = builder.build(media_type, title=title if isinstance(title, str) else None)
    # The first key is a heading, but no title.
    return parsed if isinstance(title, str) else _untitled(parsed)


def _untitled(parsed: ParsedDocument) -> ParsedDocument:
    return ParsedDocument(parsed.text, parsed.media_type, parsed.headings)


def _write(builder: TextBuilder, value: object, level: int) -> None:
    if level > _MAX_DEPTH:
        raise ParseError("damaged", f"It is nested more than {_MAX_DEPTH} deep.")
    if isinstance(value, Mapping):
        _write_object(builder, value, level)
    elif isinstance(value, list):
        _write_list(builder, value, level)
    else:
        builder.block(_scalar(value))


def _write_object(builder: TextBuilder, value: Mapping[str, object], level: int) -> None:
    flat = {key: v for key, v in value.items() if _is_flat(v)}
    builder.block("\n".join(f"{one_line(key)}: {_scalar(v)}" for key, v in flat.items() if _scalar(v)))
    for key, inner in value.items():
        if key in flat or not inner:
            continue
        if level <= _DEEPEST_HEADING:
            builder.heading(level, key)
        else:
            builder.block(f"{one_line(key)}:")
        _write(builder, inner, level + 1)


def _write_list(builder: TextBuilder, values: Sequence[object], level: int) -> None:
    for value in values:
        if isinstance(value, Mapping) and all(_is_flat(v) for v in value.values()):
            builder.line("; ".join(f"{one_line(k)}: {_scalar(v)}" for k, v in value.items() if _scalar(v)))
        elif _is_flat(value):
            builder.line(f"- {_scalar(value)}")
        else:
            _write(builder, value, level + 1)


def _is_flat(value: object) -> bool:
    """A value, or an array of values, that fits a line."""
    if isinstance(value, list):
        return all(not isinstance(v, list | Mapping) for v in value)
    return not isinstance(value, Mapping)


def _scalar(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case str():
            return one_line(value)
        case list():
            return ", ".join(text for v in value if (text := _scalar(v)))
        case _:
            return str(value)
