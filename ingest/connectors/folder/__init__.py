"""Folders of files: on this machine, or on a network share that is mounted here."""

from ingest.connectors.folder.connector import FolderConnector
from ingest.connectors.folder.settings import FolderSettings

__all__ = ["FolderConnector", "FolderSettings"]
