"""The connectors that Rung has. A new one is a file in this folder and a line in `CONNECTORS`."""

import importlib
from collections.abc import Mapping
from typing import Any, Protocol

from app.core.errors import InputError
from ingest.connector import About, Connector, ConnectorSettings, ReadContext
from ingest.connectors.checked import checked_settings


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
        InputError: `unknown_connector`.
        SettingsError: `invalid_source_settings`, with what is wrong with each field.
    """
    return checked_settings(connector_type(kind).settings_type, settings)


def make_connector(kind: str, settings: Mapping[str, object], context: ReadContext) -> Connector:
    """A connector ready to read.

    Raises:
        InputError: `unknown_connector` or `invalid_source_settings`.
    """
    return connector_type(kind)(read_settings(kind, settings), context)
