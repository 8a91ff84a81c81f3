"""Every table of every folder, in one place for migrations."""

from importlib import import_module

from sqlalchemy import MetaData
from sqlmodel import SQLModel

TABLE_MODULES = (
    "app.core.tables",
    "billing.budgets.tables",
    "billing.tables",
    "ingest.reindex.tables",
    "ingest.tables",
    "retrieval.generations.tables",
    "routing.adapters.tables",
    "routing.catalogue.tables",
    "routing.policy.tables",
    "routing.tables",
)


def metadata() -> MetaData:
    """The metadata of all tables, after importing each folder's."""
    for module in TABLE_MODULES:
        import_module(module)
    return SQLModel.metadata
