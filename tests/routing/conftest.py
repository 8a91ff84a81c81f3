"""Fixtures of answering: a small company on each database, and a provider on loopback."""

from collections.abc import Iterator

import pytest

from app.core.config import Settings
from app.core.db import Database
from tests.fakes.openai_server import OpenAiServer, Reply
from tests.routing.world import World, with_premium


@pytest.fixture
def provider() -> Iterator[OpenAiServer]:
    with OpenAiServer(default=Reply("There are 28 days of annual leave a year [1].")) as server:
        yield server


@pytest.fixture
def premium_settings(settings: Settings, provider: OpenAiServer) -> Settings:
    return with_premium(settings, provider.base_url)


@pytest.fixture
def world(database: Database, settings: Settings) -> World:
    """No premium model; on SQLite and on PostgreSQL."""
    return World(database, settings)


@pytest.fixture
def premium_world(database: Database, premium_settings: Settings) -> World:
    """A premium model at the provider on loopback; on SQLite and on PostgreSQL."""
    return World(database, premium_settings)


@pytest.fixture
def small_world(sqlite_database: Database, premium_settings: Settings) -> World:
    """Like `premium_world`, on SQLite alone: for what does not depend on the database."""
    return World(sqlite_database, premium_settings)
