"""Budgets in a real browser: set and removed without a script, and every state looked at."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from app.core.identity import Caller
from tests.e2e.browsing import violations
from tests.web.house import House

if TYPE_CHECKING:
    from playwright.sync_api import Page

ANA = "ana@example.com"
Enter = Callable[["Page", str], None]
OpenPage = Callable[..., "Page"]


def set_cap(house: House, scope: str, value: str, nano: int) -> None:
    budgets, admin = house.services.budgets, house.caller(ANA)
    budgets.set(admin, budgets.target(admin.workspace_id, scope, value), nano)


def hold(house: House, who: Caller) -> None:
    house.services.usage.reserve(who, "q1", [house.premium.at_most()])


def test_a_budget_is_set_and_removed_without_a_script(
    scripted: House, address: str, open_page: OpenPage, enter: Enter
) -> None:
    page = open_page(java_script_enabled=False, expect_errors=True)
    enter(page, ANA)
    page.get_by_role("link", name="Admin").click()
    page.get_by_role("link", name="Budgets").click()
    page.get_by_label("Whose").select_option("team:finance")
    page.get_by_label("EUR a month").fill("50,00")
    page.get_by_role("button", name="Continue…").click()
    page.get_by_role("alert").filter(has_text="invalid_amount").wait_for()
    assert page.get_by_label("Whose").input_value() == "team:finance"
    page.get_by_label("EUR a month").fill("50.00")
    page.get_by_role("button", name="Continue…").click()
    page.get_by_role("button", name="Set the budget").click()
    assert page.get_by_role("status").inner_text().startswith("The budget is set.")
    page.get_by_role("link", name="Remove the budget of Team finance").click()
    page.get_by_role("button", name="Remove the budget").click()
    assert page.get_by_role("status").inner_text().startswith("The budget is removed.")
    page.get_by_text("Team finance: €50.00 a month").wait_for()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_every_state_is_accessible_and_fits_its_width(
    scripted: House, address: str, open_page: OpenPage, enter: Enter, shots: Path, scheme: str, width: int
) -> None:
    page = open_page(width=width, color_scheme=scheme, bypass_csp=True, expect_errors=True)
    enter(page, ANA)
    found: list[str] = []

    def look(name: str, path: str) -> None:
        page.goto(address + path)
        page.wait_for_load_state("networkidle")
        page.screenshot(path=shots / f"{name}-{scheme}-{width}.png", full_page=True, animations="disabled")
        found.extend(violations(page))
        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            found.append(f"{name} is wider than {width} px")

    look("budgets-none", "/budgets")
    hold(scripted, scripted.caller(ANA))
    set_cap(scripted, "workspace", "", 500_000_000_000)
    set_cap(scripted, "team", "finance", 10_000_000)
    set_cap(scripted, "user", ANA, 1_000_000)
    set_cap(scripted, "user", "tom@example.com", 0)
    look("budgets", "/budgets?done=set")
    look("budgets-refused", "/budgets/set?target=team%3Afinance&cap=-5")
    look("budgets-set", "/budgets/set?target=team%3Afinance&cap=0.001")
    look("budgets-remove", "/budgets/remove?target=team%3Afinance")
    look("usage-own-budget", "/usage")
    look("usage-company-budget", "/usage?scope=workspace")
    assert found == []
