"""Models and rungs in a real browser: a company that has used adapters for a while."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from app.core.errors import UnavailableError
from tests.e2e.browsing import violations
from tests.web.adapters import busy_adapters
from tests.web.house import House

if TYPE_CHECKING:
    from playwright.sync_api import Page

ANA = "ana@example.com"
LONG = "customer-support-and-field-service-spain-portugal-night-shift"
Enter = Callable[["Page", str], None]
OpenPage = Callable[..., "Page"]


@pytest.fixture
def busy(scripted: House) -> House:
    full = busy_adapters()
    for name in ("versions", "given", "events", "counts", "state"):
        setattr(scripted.adapters, name, getattr(full, name))
    return scripted


def test_an_adapter_is_published_and_taken_back_without_a_script(
    busy: House, address: str, open_page: OpenPage, enter: Enter
) -> None:
    page = open_page(java_script_enabled=False)
    enter(page, ANA)
    page.get_by_role("link", name="Admin").click()
    page.get_by_role("link", name="Models and rungs").click()
    page.get_by_role("link", name="support", exact=True).first.click()
    page.get_by_role("link", name="Publish version 3…").click()
    assert page.get_by_text("support.v2 no longer answers. It is kept").is_visible()
    page.get_by_role("button", name="Publish version 3").click()
    assert page.get_by_role("status").inner_text().startswith("Version 3 is in service now.")
    page.get_by_role("link", name="Go back to version 2…").click()
    page.get_by_role("button", name="Go back to version 2").click()
    serving = busy.adapters.get("default", "support").in_service
    assert serving is not None and serving.version == 2
    page.goto(f"{address}/models")
    page.get_by_label("Questions of").select_option("team:people")
    page.locator('select[name="adapter"]').select_option("support")
    page.get_by_role("button", name="Assign").click()
    page.get_by_role("link", name="Remove the assignment of team people").click()
    page.get_by_role("button", name="Remove the assignment").click()
    assert all(given.value != "people" for given in busy.adapters.given)


def test_a_command_is_copied(busy: House, address: str, open_page: OpenPage, enter: Enter) -> None:
    page = open_page(permissions=["clipboard-read", "clipboard-write"])
    enter(page, ANA)
    page.goto(f"{address}/models/support")
    page.get_by_role("button", name="Copy").first.click()
    page.get_by_role("button", name="Copied").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == "python -m app adapter judge support"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_every_state_is_accessible_and_fits_its_width(
    busy: House, address: str, open_page: OpenPage, enter: Enter, shots: Path, scheme: str, width: int
) -> None:
    page = open_page(width=width, color_scheme=scheme, bypass_csp=True, expect_errors=True)
    enter(page, ANA)
    busy.adapters.error = UnavailableError(
        "The chat server does not answer.", code="local_server_unreachable"
    )
    found: list[str] = []

    def look(name: str) -> None:
        page.wait_for_load_state("networkidle")
        page.screenshot(path=shots / f"{name}-{scheme}-{width}.png", full_page=True, animations="disabled")
        found.extend(violations(page))
        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            found.append(f"{name} is wider than {width} px")

    for name, path in (
        ("models", "/models"),
        ("models-none-like-it", "/models?q=nothing-like-it"),
        ("adapter", "/models/support"),
        ("adapter-long", f"/models/{LONG}"),
        ("adapter-failed", "/models/legal"),
        ("not-better", f"/models/{LONG}/publish"),
        ("retire", "/models/support/retire?version=2"),
        ("unassign", "/assignments/a1/remove"),
    ):
        page.goto(address + path)
        look(name)
    page.goto(f"{address}/models/support/publish?version=3")
    page.get_by_role("button", name="Publish version 3").click()
    page.get_by_role("alert").filter(has_text="The chat server does not answer.").wait_for()
    look("publish-refused")
    assert found == []
