"""Prompts, prices and figures in a real browser."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlmodel import select

from app.core.clock import utc_now
from routing.catalogue.prices import NewPrice
from routing.question import AskRequest
from routing.tables import QueryRow
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


@pytest.mark.parametrize("java_script", [True, False])
def test_a_trial_shows_its_cost_begins_goes_on_and_is_stopped(
    used: House, address: str, open_page: OpenPage, enter: Enter, java_script: bool
) -> None:
    page = open_page(java_script_enabled=java_script)
    enter(page, ANA)
    page.goto(f"{address}/prompts/premium.v1")
    page.get_by_role("link", name="Try it on past questions…").click()
    page.get_by_text("Expected, with one call an answer").wait_for()
    page.get_by_label("Past questions at most").fill("1")
    page.get_by_role("button", name="Work out the cost").click()
    page.get_by_text("15 test cases and 1 past question", exact=True).wait_for()
    used.premium.gate.clear()
    page.get_by_role("button", name="Begin the trial").click()
    page.get_by_text("0 of 16 questions asked of both").wait_for()
    page.get_by_role("button", name="Stop the trial").click()
    page.get_by_text("It ends after the question under way.").last.wait_for()
    used.premium.gate.set()
    if not java_script:
        used.services.catalogue.trials.close()
        page.reload()
    page.get_by_text("ana@example.com stopped it.").or_(page.get_by_text("Rung was stopped.")).wait_for()
    page.get_by_role("link", name="Put premium.v1 into service…").wait_for()


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

    trial_id = used.services.catalogue.trials.list("default")[0].id
    for name, path in (
        ("models-used", "/models?days=7"),
        ("prompts", "/prompts"),
        ("prompt-tried", "/prompts/premium.v1"),
        ("prompt-in-service", "/prompts/premium.v2"),
        ("prompt-serve", "/prompts/premium.v1/serve"),
        ("prompt-judge", "/prompts/judge.v1"),
        ("prompt-try", "/prompts/premium.v1/try?on=past"),
        ("prompt-try-refused", "/prompts/premium.v1/try?on=past&limit=none"),
        ("prompt-try-not-set-up", "/prompts/local.v1/try"),
        ("prompt-trial", f"/prompts/premium.v1/trials/{trial_id}"),
    ):
        page.goto(address + path)
        look(name)
    page.goto(f"{address}/prompts/premium.v1")
    page.get_by_label("Or try it on a share").fill("90")
    page.get_by_role("button", name="Begin the trial").click()
    page.get_by_role("alert").wait_for()
    look("prompt-share-refused")
    used.premium.gate.clear()
    running = used.services.catalogue.trials.start(used.caller(ANA), "premium.v1")
    page.goto(f"{address}/prompts/premium.v1/trials/{running.id}?done=begun")
    page.get_by_role("button", name="Stop the trial").wait_for()
    page.screenshot(path=shots / f"prompt-trial-running-{scheme}-{width}.png", full_page=True)
    found.extend(f"running: {violation}" for violation in violations(page))
    page.goto(f"{address}/prompts/premium.v1")
    used.services.catalogue.trials.stop(used.caller(ANA), running.id)
    used.premium.gate.set()
    used.services.catalogue.prompts.share(used.caller(ANA), "premium.v1", 10)
    for _ in range(6):
        ask = AskRequest("How long is leave?", tier="premium")
        updates = list(used.services.asks.answerer.ask(used.caller(ANA), ask))
        used.services.asks.answerer.feedback(used.caller(ANA), updates[-1].query_id, good=True)
    with used.database.write() as session:
        for n, row in enumerate(session.exec(select(QueryRow).where(QueryRow.tier == "premium")).all()):
            row.prompt_id = f"premium.v{1 + n % 2}"
            session.add(row)
    page.goto(f"{address}/prompts")
    look("prompts-on-trial")
    page.goto(f"{address}/models")
    page.get_by_label("Read, EUR").fill("cheap")
    page.get_by_label("Written, EUR").fill("1")
    page.get_by_role("button", name="Enter the price").click()
    page.get_by_role("alert").wait_for()
    look("price-refused")
    assert found == []
