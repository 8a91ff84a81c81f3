"""Fixtures of adapters: the company on each database, and a tiny base model on disk."""

from pathlib import Path

import pytest

from app.core.config import Settings
from app.core.db import Database
from tests.routing.adapters.company import Company
from tests.servers.base import make_base


@pytest.fixture
def company(database: Database, settings: Settings) -> Company:
    """On SQLite and on PostgreSQL; no chat server."""
    return Company(database, settings)


@pytest.fixture
def small_company(sqlite_database: Database, settings: Settings) -> Company:
    """On SQLite alone: for what does not depend on the database."""
    return Company(sqlite_database, settings)


@pytest.fixture(scope="session")
def base_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model, without a server."""
    return make_base(tmp_path_factory.mktemp("model") / "base")
