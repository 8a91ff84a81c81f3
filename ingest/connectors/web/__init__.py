"""Web sites: their sitemaps, or their pages link by link."""

from ingest.connectors.web.connector import WebConnector
from ingest.connectors.web.settings import WebSettings

__all__ = ["WebConnector", "WebSettings"]
