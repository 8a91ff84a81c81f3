"""A house for each test, and browsers (`TestClient`) that are signed in."""

from collections.abc import Callable, Iterator

import pytest
from fastapi import FastAPI

from app.core.config import Settings
from app.core.db import Database
from tests.web.browser import TestClient
from tests.web.house import House, make_house
from web.application import create_app

SignIn = Callable[[str], TestClient]


@pytest.fixture
def house(sqlite_database: Database, settings: Settings) -> Iterator[House]:
    made = make_house(sqlite_database, settings)
    yield made
    made.services.asks.close()


@pytest.fixture
def app(house: House) -> FastAPI:
    return create_app(house.services)


@pytest.fixture
def anonymous(app: FastAPI) -> TestClient:
    return TestClient(app, follow_redirects=False, raise_server_exceptions=False)


@pytest.fixture
def sign_in(app: FastAPI, house: House) -> SignIn:
    """Makes a browser in which this person is signed in."""

    def make(email: str) -> TestClient:
        browser = TestClient(app, follow_redirects=False, raise_server_exceptions=False)
        secret = house.services.sign_ins.make_link(email)
        assert browser.get(f"/sign-in/link/{secret}").status_code == 303
        return browser

    return make


@pytest.fixture
def ana(sign_in: SignIn) -> TestClient:
    """An admin, in finance."""
    return sign_in("ana@example.com")


@pytest.fixture
def tom(sign_in: SignIn) -> TestClient:
    """May read what everyone may."""
    return sign_in("tom@example.com")


@pytest.fixture
def mei(sign_in: SignIn) -> TestClient:
    """May read the board's minutes."""
    return sign_in("mei@example.com")
