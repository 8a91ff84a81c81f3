"""A rung that works in steps, as a person sees it in a real browser."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.e2e.browsing import violations
from tests.web.house import UNSURE, House

if TYPE_CHECKING:
    from playwright.sync_api import Page

TOM = "tom@example.com"
LEAVE = "How many weeks of parental leave does each parent take in Spain?"
Enter = Callable[["Page", str], None]
OpenPage = Callable[..., "Page"]


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_steps_come_one_by_one_and_stay(
    scripted: House, open_page: OpenPage, enter: Enter, shots: Path, width: int, scheme: str
) -> None:
    scripted.reader.signals = UNSURE
    scripted.premium.looks_for = ("the 2025 travel policy", "the hotel limit in Lisbon")
    scripted.premium.gate.clear()
    page = open_page(width=width, color_scheme=scheme)
    enter(page, TOM)
    page.get_by_role("textbox").first.fill(LEAVE)
    page.keyboard.press("Enter")
    page.get_by_text("Looking for the 2025 travel policy").wait_for()
    assert page.locator(".steps li").count() == 1
    assert page.locator(".receipt-line").count() == 0
    assert violations(page) == []
    page.screenshot(path=shots / f"steps-{width}-{scheme}.png")
    scripted.premium.gate.set()
    page.locator(".receipt-line").wait_for()
    page.get_by_text("Worked in 3 steps").click()
    page.get_by_text("Looking for the hotel limit in Lisbon").wait_for()
    page.screenshot(path=shots / f"steps-done-{width}-{scheme}.png")
    assert violations(page) == []
    page.get_by_role("link", name="Why this answer?").click()
    page.get_by_role("heading", name="Steps on the way").wait_for()
    assert violations(page) == []
    page.screenshot(path=shots / f"steps-why-{width}-{scheme}.png", full_page=True)
