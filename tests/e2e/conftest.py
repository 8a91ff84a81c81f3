"""The browser, the servers that it looks at, and one loud line where there is no browser."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlmodel import SQLModel

from app.core.config import Settings
from app.core.db import Database
from tests.e2e.browsing import CHROMIUM_ARGUMENTS, find_chromium, served
from tests.web.house import House, make_house
from web.application import create_app

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

_MISSING = "browser tests"
_skipped: list[str] = []


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    ours = [item for item in items if here in item.path.parents]
    for item in ours:
        item.add_marker(pytest.mark.browser)
    if find_chromium() is not None or not ours:
        return
    if os.environ.get("RUNG_REQUIRE_BROWSER") == "1":
        raise pytest.UsageError("RUNG_REQUIRE_BROWSER=1, and no Chromium was found; set RUNG_TEST_CHROMIUM.")
    _skipped.extend(item.nodeid for item in ours)
    for item in ours:
        item.add_marker(pytest.mark.skip(reason="no Chromium"))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if _skipped:
        terminalreporter.write_line(
            f"!!! NOT RUN: {len(_skipped)} {_MISSING}: no Chromium was found. Install chromium or set"
            " RUNG_TEST_CHROMIUM.",
            red=True,
            bold=True,
        )


@pytest.fixture(scope="session")
def browser() -> "Iterator[Browser]":
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=find_chromium(), args=CHROMIUM_ARGUMENTS)
        yield started
        started.close()


@pytest.fixture(scope="session")
def shots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where screenshots go: RUNG_SCREENSHOT_DIR, or a folder of this run."""
    chosen = os.environ.get("RUNG_SCREENSHOT_DIR")
    folder = Path(chosen) if chosen else tmp_path_factory.mktemp("screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


OpenPage = Callable[..., "Page"]


@pytest.fixture
def open_page(browser: "Browser") -> "Iterator[OpenPage]":
    """Opens a window of its own; any error on its console fails the test."""
    contexts: list[BrowserContext] = []
    errors: list[str] = []

    def make(*, width: int = 1280, height: int = 900, expect_errors: bool = False, **options: Any) -> "Page":
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        contexts.append(context)
        page = context.new_page()
        if not expect_errors:
            page.on("pageerror", lambda error: errors.append(str(error)))
            page.on("console", lambda line: errors.append(line.text) if line.type == "error" else None)
        return page

    yield make
    for context in contexts:
        context.close()
    assert errors == []


@pytest.fixture
def scripted(tmp_path: Path) -> Iterator[House]:
    """An installation whose rungs do what the test says, for the states that a real one rarely shows."""
    database = Database(f"sqlite:///{tmp_path / 'rung.db'}")
    SQLModel.metadata.create_all(database.engine)
    made = make_house(database, Settings(_env_file=None, data_dir=tmp_path / "data"))
    yield made
    made.services.asks.close()
    database.close()


@pytest.fixture
def address(scripted: House) -> Iterator[str]:
    """Where the scripted installation is served."""
    with served(create_app(scripted.services)) as url:
        yield url


@pytest.fixture
def enter(address: str, scripted: House) -> "Callable[[Page, str], None]":
    """Signs a person in by link."""

    def sign_in(page: "Page", email: str) -> None:
        page.goto(f"{address}/sign-in/link/{scripted.services.sign_ins.make_link(email)}")

    return sign_in
