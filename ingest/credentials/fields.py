"""Which of a connector's settings are secrets, and how they are taken apart and put together."""

from collections.abc import Mapping
from typing import Any, get_args

from pydantic import SecretStr

from ingest.connector import ConnectorSettings
from ingest.connectors import connector_type, read_settings


def secret_fields(settings_type: type[ConnectorSettings]) -> tuple[str, ...]:
    """The names of the settings that are secrets, in their order."""
    return tuple(name for name, field in settings_type.model_fields.items() if _is_secret(field.annotation))


def split_secrets(settings: ConnectorSettings) -> tuple[dict[str, Any], dict[str, str]]:
    """The settings as plain values without secrets, and the secrets that are set, by field."""
    secrets = {
        name: value.get_secret_value()
        for name in secret_fields(type(settings))
        if isinstance(value := getattr(settings, name), SecretStr) and value.get_secret_value()
    }
    return settings.model_dump(mode="json", exclude=set(secret_fields(type(settings)))), secrets


def join_secrets(kind: str, plain: Mapping[str, object], secrets: Mapping[str, str]) -> ConnectorSettings:
    """The settings whole again.

    Raises:
        InputError: `unknown_connector`, or `invalid_source_settings` where they no longer make sense.
    """
    known = set(secret_fields(connector_type(kind).settings_type))
    return read_settings(kind, {**plain, **{name: text for name, text in secrets.items() if name in known}})


def _is_secret(annotation: object) -> bool:
    return annotation is SecretStr or any(_is_secret(part) for part in get_args(annotation))
