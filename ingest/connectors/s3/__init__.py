"""A bucket of S3, or of a store that speaks as S3 does."""

from ingest.connectors.s3.connector import S3Connector
from ingest.connectors.s3.settings import S3Settings

__all__ = ["S3Connector", "S3Settings"]
