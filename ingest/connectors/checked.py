"""Settings of a connector from their plain form, or what is wrong with each field."""

from collections.abc import Mapping

from pydantic import ValidationError

from app.core.errors import InputError
from ingest.connector import ConnectorSettings

WHOLE = "settings"
"""Stands for all settings together, where no one field is at fault."""


class SettingsError(InputError):
    """Settings that cannot be used: `errors` says what is wrong with each field, `name` among them.

    It never repeats what was written: that may be a secret.
    """

    default_code = "invalid_source_settings"

    def __init__(self, errors: Mapping[str, str], *, code: str | None = None) -> None:
        words = (text if name == WHOLE else f"{name}: {text}" for name, text in errors.items())
        super().__init__(" ".join(words), code=code, errors=errors)


def checked_settings(
    settings_type: type[ConnectorSettings], settings: Mapping[str, object]
) -> ConnectorSettings:
    """Settings from their plain form.

    Raises:
        SettingsError: with the reason for each field.
    """
    errors: dict[str, str] = {}
    try:
        return settings_type.model_validate(dict(settings))
    except ValidationError as error:
        for item in error.errors(include_input=False, include_url=False):
            told = item.get("ctx", {}).get("field")
            name = str(item["loc"][0]) if item["loc"] else str(told or WHOLE)
            errors.setdefault(name, _words(item["type"], item["msg"]))
    # Outside the handler: pydantic's own error holds what was written, a secret too.
    raise SettingsError(errors)


def _words(kind: str, message: str) -> str:
    if kind == "missing":
        return "Fill this in."
    if kind == "extra_forbidden":
        return "There is no such setting."
    text = message.removeprefix("Value error, ").removeprefix("Assertion failed, ")
    text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "!", "?")) else f"{text}."
