"""A Git repository: its files on one branch or several, and who wrote them when."""

from ingest.connectors.git.connector import GitConnector
from ingest.connectors.git.settings import GitSettings

__all__ = ["GitConnector", "GitSettings"]
