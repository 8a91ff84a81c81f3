"""The settings of a connector as the fields of a form, and what people write into them as settings."""

import types
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import Enum
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from ingest.connector import ConnectorSettings
from ingest.connectors.checked import SettingsError

_ABBREVIATIONS = frozenset({"tls", "starttls", "ssl", "ssh", "https", "http", "sql"})

FieldKind = Literal["text", "long_text", "secret", "number", "yes_no", "choice", "lines", "date"]


@dataclass(frozen=True, slots=True)
class SettingField:
    """One setting of a connector. `default` is written as a person would write it."""

    name: str
    kind: FieldKind
    label: str
    help: str
    required: bool
    advanced: bool
    placeholder: str
    default: str
    choices: tuple[tuple[str, str], ...] = ()
    whole: bool = False
    where: bool = False
    """Whether it says where, or as whom, secrets are sent."""


def setting_fields(settings_type: type[ConnectorSettings]) -> tuple[SettingField, ...]:
    """The fields in their order."""
    return tuple(_field(name, info) for name, info in settings_type.model_fields.items())


def read_written(fields: Sequence[SettingField], written: Mapping[str, str]) -> dict[str, object]:
    """Settings from a form. What was left empty is left out, so that its default counts."""
    found: dict[str, object] = {}
    for field in fields:
        text = written.get(field.name, "")
        match field.kind:
            case "yes_no":
                found[field.name] = bool(text)
            case "lines":
                lines = [line.strip() for line in text.splitlines() if line.strip()]
                if lines or field.default:
                    found[field.name] = lines
            case "secret":
                # A password may begin or end with a space.
                if text:
                    found[field.name] = text
            case _:
                if text.strip():
                    found[field.name] = text.strip()
    return found


def write_plain(fields: Sequence[SettingField], settings: Mapping[str, object]) -> dict[str, str]:
    """Stored settings as a person would write them into the form."""
    return {field.name: _written(settings[field.name]) for field in fields if field.name in settings}


def refuse_other_place(
    settings_type: type[ConnectorSettings],
    before: Mapping[str, object],
    after: Mapping[str, object],
    kept: set[str],
) -> None:
    """A stored secret goes only where it was meant to go: for another place it has to be set again.

    Raises:
        SettingsError: `secret_needed_again`, naming each of the secrets in `kept`.
    """
    marked = [field.name for field in setting_fields(settings_type) if field.where]
    # Of a setting that is younger than the source, its default was in force.
    stood = {**settings_type.model_construct().model_dump(mode="json", warnings=False), **before}
    # Where nothing is marked it cannot be told: then any change counts.
    moved = [name for name in marked or after if after.get(name) != stood.get(name)]
    if moved and kept:
        label = settings_type.model_fields[moved[0]].title or moved[0].replace("_", " ")
        text = f"Set it again, because “{label}” has changed."
        raise SettingsError(dict.fromkeys(sorted(kept), text), code="secret_needed_again")


def _field(name: str, info: FieldInfo) -> SettingField:
    extra = info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}
    kind, choices, whole = _kind(info.annotation)
    if kind == "text" and extra.get("multiline"):
        kind = "long_text"
    label = info.title or name.replace("_", " ").capitalize()
    required = info.is_required()
    default = "" if required or kind == "secret" else _written(info.get_default(call_default_factory=True))
    if not required and kind == "choice" and _allows_none(info.annotation):
        choices = (("", "–"), *choices)
    labels = extra.get("labels")
    if isinstance(labels, dict):
        choices = tuple((value, str(labels.get(value, words))) for value, words in choices)
    return SettingField(
        name=name,
        kind=kind,
        label=label,
        help=info.description or "",
        required=required and kind != "yes_no",
        advanced=bool(extra.get("advanced")) and not required,
        placeholder=str(extra.get("placeholder", "")),
        default=default,
        choices=choices,
        whole=whole,
        where=bool(extra.get("where")),
    )


def _kind(annotation: Any) -> tuple[FieldKind, tuple[tuple[str, str], ...], bool]:
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        inner = [part for part in parts if part is not type(None)]
        return _kind(inner[0]) if len(inner) == 1 else ("text", (), False)
    if origin is Literal:
        return "choice", tuple((str(value), _choice_label(str(value))) for value in parts), False
    if origin in (tuple, list, frozenset, set):
        return "lines", (), False
    if hasattr(annotation, "__metadata__"):
        return _kind(parts[0])
    if not isinstance(annotation, type):
        return "text", (), False
    return _kind_of_type(annotation)


def _kind_of_type(found: type) -> tuple[FieldKind, tuple[tuple[str, str], ...], bool]:
    if issubclass(found, SecretStr):
        return "secret", (), False
    if issubclass(found, bool):
        return "yes_no", (), False
    if issubclass(found, Enum):
        return "choice", tuple((str(m.value), _choice_label(str(m.value))) for m in found), False
    if issubclass(found, int | float):
        return "number", (), issubclass(found, int)
    if issubclass(found, date):
        return "date", (), False
    return "text", (), False


def _choice_label(value: str) -> str:
    words = value.replace("_", " ")
    if value in _ABBREVIATIONS:
        return value.upper()
    return words[:1].upper() + words[1:]


def _allows_none(annotation: Any) -> bool:
    return type(None) in get_args(annotation)


def _written(value: object) -> str:
    if value is None or isinstance(value, SecretStr):
        return ""
    if isinstance(value, bool):
        return "yes" if value else ""
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, list | tuple | set | frozenset):
        return "\n".join(str(item) for item in value)
    if isinstance(value, date):
        return value.isoformat()
    return str(value.as_posix()) if isinstance(value, Path) else str(value)
