"""Folders on a WebDAV server: Nextcloud, ownCloud, SharePoint on the company's own machines, Apache."""

from ingest.connectors.webdav.connector import WebdavConnector
from ingest.connectors.webdav.settings import WebdavSettings

__all__ = ["WebdavConnector", "WebdavSettings"]
