"""The connectors that Rung has. A new one is a file in this folder and a line in `CONNECTORS`."""

import importlib
from collections.abc import Mapping
from typing import Any, Protocol

from pydantic import ValidationError

from app.core.errors import InputError
from ingest.connector import About, Connector, ConnectorSettings, ReadContext


class ConnectorType(Protocol):
    """A connector's class: its settings as a pydantic class, and how to make one."""

    kind: str
    about: About
    settings_type: type[ConnectorSettings]

    def __call__(self, settings: Any, context: ReadContext) -> Connector: ...


# Named, not imported: each brings its own library along, which only its sources need.
CONNECTORS: Mapping[str, str] = {
    "folder": "folder:FolderConnector",
    "web": "web:WebConnector",
    "git": "git:GitConnector",
    "s3": "s3:S3Connector",
    "sql": "sql:SqlConnector",
    "imap": "imap:ImapConnector",
    "webdav": "webdav:WebdavConnector",
}


def connector_type(kind: str) -> ConnectorType:
    """The class of a kind.

    Raises:
        InputError: `unknown_connector`, naming those that exist.
    """
    if kind not in CONNECTORS:
        raise InputError(
            f"There is no connector {kind!r}; there are: {', '.join(sorted(CONNECTORS))}.",
            code="unknown_connector",
        )
    module, name = CONNECTORS[kind].split(":")
    found: ConnectorType = getattr(importlib.import_module(f"ingest.connectors.{module}"), name)
    return found


def read_settings(kind: str, settings: Mapping[str, object]) -> ConnectorSettings:
    """A connector's settings from their plain form.

    Raises:
        InputError: `unknown_connector`, or `invalid_source_settings` naming each field.
    """
    try:
        return connector_type(kind).settings_type.model_validate(dict(settings))
    except ValidationError as error:
        lines = [f"{'.'.join(map(str, e['loc'])) or 'settings'}: {e['msg']}" for e in error.errors()]
        raise InputError(
            f"These settings of a {kind} cannot be used: {'; '.join(lines)}.", code="invalid_source_settings"
        ) from error


def make_connector(kind: str, settings: Mapping[str, object], context: ReadContext) -> Connector:
    """A connector ready to read.

    Raises:
        InputError: `unknown_connector` or `invalid_source_settings`.
    """
    return connector_type(kind)(read_settings(kind, settings), context)
