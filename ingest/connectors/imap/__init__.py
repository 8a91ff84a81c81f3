"""Mail on an IMAP server: threads as documents, attachments as documents of their own."""

from ingest.connectors.imap.connector import ImapConnector
from ingest.connectors.imap.settings import ImapSettings

__all__ = ["ImapConnector", "ImapSettings"]
