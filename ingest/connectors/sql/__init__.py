"""Rows of an SQL database as documents."""

from ingest.connectors.sql.connector import SqlConnector
from ingest.connectors.sql.settings import SqlSettings

__all__ = ["SqlConnector", "SqlSettings"]
