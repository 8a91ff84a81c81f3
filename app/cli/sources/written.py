"""What is written behind options, as settings and secrets of a source."""

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import typer

from app.core.errors import InputError

EVERY = {"hand": None, "15min": 15, "hour": 60, "day": 24 * 60, "week": 7 * 24 * 60}
"""How often, by the word behind `--every`."""

_NO = frozenset({"no", "false", "off", "0"})


def settings_of(kind: str, pairs: Sequence[str]) -> dict[str, object]:
    """The settings from `FIELD=VALUE` texts; a field that takes several is given several times.

    Raises:
        InputError: `unknown_connector`, `unknown_setting`, or `secret_on_command_line`.
    """
    from ingest.connectors import connector_type
    from ingest.sources.fields import read_written, setting_fields

    fields = {field.name: field for field in setting_fields(connector_type(kind).settings_type)}
    written: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        field = fields.get(name)
        if field is None or not equals:
            raise InputError(
                f"--set takes FIELD=VALUE; a {kind} has: {', '.join(fields)}.", code="unknown_setting"
            )
        if field.kind == "secret":
            raise InputError(
                f"{name} is a secret, and others on this machine can see a command line: "
                f"use --secret {name} to type it, --secret {name}=@FILE or --secret {name}=env:VARIABLE.",
                code="secret_on_command_line",
            )
        if field.kind == "yes_no":
            value = "" if value.lower() in _NO else "yes"
        written[name] = f"{written[name]}\n{value}" if field.kind == "lines" and name in written else value
    given = {name: fields[name] for name in written}
    return read_written(tuple(given.values()), written)


def secrets_of(kind: str, asked: Sequence[str], prompt: Callable[[str], str] | None = None) -> dict[str, str]:
    """The secrets from `FIELD` (typed unseen), `FIELD=@FILE` or `FIELD=env:VARIABLE`.

    Raises:
        InputError: `unknown_setting`, `secret_on_command_line`, or `no_secret` where there is none.
    """
    from ingest.connectors import connector_type
    from ingest.credentials import secret_fields

    known = secret_fields(connector_type(kind).settings_type)
    found: dict[str, str] = {}
    for text in asked:
        name, equals, where = text.partition("=")
        if name not in known:
            raise InputError(
                f"{name} is no secret of a {kind}; there are: {', '.join(known) or 'none'}.",
                code="unknown_setting",
            )
        found[name] = _fetched(name, where) if equals else (prompt or _typed)(name)
    return found


def _typed(name: str) -> str:
    if not sys.stdin.isatty():
        raise InputError(
            f"Nobody is here to type {name}; use --secret {name}=@FILE or --secret {name}=env:VARIABLE.",
            code="no_secret",
        )
    typed: str = typer.prompt(name, hide_input=True)
    return typed


def _fetched(name: str, where: str) -> str:
    if where.startswith("@"):
        try:
            return Path(where[1:]).expanduser().read_text().removesuffix("\n")
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(
                f"{name}: {where[1:]} cannot be read: {_why(error)}.", code="no_secret"
            ) from error
    if where.startswith("env:"):
        value = os.environ.get(where[4:])
        if not value:
            raise InputError(f"{name}: the variable {where[4:]} is empty.", code="no_secret")
        return value
    raise InputError(
        f"Do not write {name} on the command line, where others can see it: use --secret {name}, "
        f"--secret {name}=@FILE or --secret {name}=env:VARIABLE.",
        code="secret_on_command_line",
    )


def _why(error: OSError | UnicodeDecodeError) -> str:
    return error.strerror or "it fails" if isinstance(error, OSError) else "it is not text"


def every_minutes(word: str) -> int | None:
    """Minutes between two syncs, from a word. Raises InputError `invalid_schedule`."""
    if word in EVERY:
        return EVERY[word]
    if word.isdigit():
        return int(word)
    raise InputError(
        f"--every takes {', '.join(EVERY)}, or a number of minutes; not {word!r}.", code="invalid_schedule"
    )
