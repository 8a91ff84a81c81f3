"""Every table of every folder, in one place for migrations."""

from sqlalchemy import MetaData
from sqlmodel import SQLModel


def metadata() -> MetaData:
    """The metadata of all tables, after importing each folder's."""
    import app.core.tables
    import billing.tables
    import ingest.tables
    import routing.tables  # noqa: F401

    return SQLModel.metadata
