"""Prompts, prices and figures in a real browser."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from app.core.clock import utc_now
from routing.catalogue.prices import NewPrice
from routing.question import AskRequest
from tests.e2e.browsing import violations
from tests.web.house import House

if TYPE_CHECKING:
    from playwright.sync_api import Page

ANA = "ana@example.com"
Enter = Callable[["Page", str], None]
OpenPage = Callable[..., "Page"]


@pytest.fixture
def used(scripted: House) -> House:
    """A company that has asked, tried a prompt and entered prices."""
    admin = scripted.caller(ANA)
    for tier in ("reader", "premium", "premium"):
        answerer = scripted.services.asks.answerer
        updates = list(answerer.ask(admin, AskRequest("How long is leave?", tier=tier)))
        answerer.feedback(admin, updates[-1].query_id, good=True)
    catalogue = scripted.services.catalogue
    catalogue.trials.run(admin, "premium.v1", on="past")
    for days, price in ((0, "0.1"), (30, "0.2")):
        since = utc_now() + timedelta(days=days) if days else None
        source = "reckoned for two cards of our own, with their power and a fifth of a person"
        catalogue.prices.set(admin, NewPrice("local", "*", price, "0.4", since=since, source=source))
    return scripted


def test_a_prompt_is_tried_served_and_taken_back_and_a_price_entered_without_a_script(
    used: House, address: str, open_page: OpenPage, enter: Enter
) -> None:
    page = open_page(java_script_enabled=False)
    enter(page, ANA)
    page.goto(f"{address}/prompts")
    page.get_by_role("link", name="premium.v1").click()
    page.get_by_label("Or try it on a share").fill("10")
    page.get_by_role("button", name="Begin the trial").click()
    page.get_by_text("premium.v1 speaks on 10 % of the questions").wait_for()
    page.get_by_role("link", name="premium.v1").first.click()
    page.get_by_role("link", name="Put it into service…").click()
    page.get_by_role("button", name="Put premium.v1 into service").click()
    page.goto(f"{address}/prompts")
    page.get_by_role("link", name="Go back to the prompt before").click()
    page.get_by_role("button", name="Go back to premium.v2").click()
    page.get_by_text("went back to premium.v2 on premium").wait_for()
    page.goto(f"{address}/models")
    page.get_by_label("Read, EUR").fill("0.3")
    page.get_by_label("Written, EUR").fill("0.6")
    page.get_by_role("button", name="Enter the price").click()
    assert page.get_by_role("status").inner_text().startswith("The price is entered.")
    entry = used.services.catalogue.prices.entry_in_force("local", "*")
    assert entry is not None and str(entry.input_price) == "0.3"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_every_state_is_accessible_and_fits_its_width(
    used: House, address: str, open_page: OpenPage, enter: Enter, shots: Path, scheme: str, width: int
) -> None:
    page = open_page(width=width, color_scheme=scheme, bypass_csp=True, expect_errors=True)
    enter(page, ANA)
    found: list[str] = []

    def look(name: str) -> None:
        page.wait_for_load_state("networkidle")
        page.evaluate("document.querySelectorAll('main details').forEach(d => d.open = true)")
        page.screenshot(path=shots / f"{name}-{scheme}-{width}.png", full_page=True, animations="disabled")
        found.extend(f"{name}: {violation}" for violation in violations(page))
        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            found.append(f"{name} is wider than {width} px")

    for name, path in (
        ("models-used", "/models?days=7"),
        ("prompts", "/prompts"),
        ("prompt-tried", "/prompts/premium.v1"),
        ("prompt-in-service", "/prompts/premium.v2"),
        ("prompt-serve", "/prompts/premium.v1/serve"),
    ):
        page.goto(address + path)
        look(name)
    page.goto(f"{address}/prompts/premium.v1")
    page.get_by_label("Or try it on a share").fill("90")
    page.get_by_role("button", name="Begin the trial").click()
    page.get_by_role("alert").wait_for()
    look("prompt-share-refused")
    used.services.catalogue.prompts.share(used.caller(ANA), "premium.v1", 10)
    page.goto(f"{address}/prompts")
    look("prompts-on-trial")
    page.goto(f"{address}/models")
    page.get_by_label("Read, EUR").fill("cheap")
    page.get_by_label("Written, EUR").fill("1")
    page.get_by_role("button", name="Enter the price").click()
    page.get_by_role("alert").wait_for()
    look("price-refused")
    assert found == []
