"""Quality, the policy and what is said of an answer, in a real browser."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from routing.policy.objectives import Share
from tests.e2e.browsing import violations
from tests.fakes.policy import busy_desk
from tests.web.house import House

if TYPE_CHECKING:
    from playwright.sync_api import Page

ANA = "ana@example.com"
LEAVE = "How many weeks of parental leave does each parent take in Spain?"
Enter = Callable[["Page", str], None]
OpenPage = Callable[..., "Page"]


@pytest.fixture
def busy(scripted: House) -> House:
    busy_desk(scripted.policies)
    return scripted


def test_a_share_from_the_curve_is_chosen_without_a_script(
    busy: House, address: str, open_page: OpenPage, enter: Enter
) -> None:
    page = open_page(java_script_enabled=False, expect_errors=True)
    enter(page, ANA)
    page.get_by_role("link", name="Admin").click()
    page.get_by_role("link", name="Quality", exact=True).click()
    page.get_by_role("link", name="See and change the policy").click()
    assert page.get_by_role("slider").count() == 0
    page.get_by_text("The same as a table").click()
    page.get_by_label("60 %").check()
    page.get_by_role("button", name="Show this setting").click()
    page.get_by_text("60 % answered below the top rung, for").wait_for()
    page.get_by_role("link", name="Put “at most 40 % premium” into the form").click()
    page.get_by_label("Over").fill("400")
    page.get_by_role("button", name="Use this policy").click()
    page.get_by_text("The window must be from 1 to 92 days.").wait_for()
    assert page.get_by_label("At most").input_value() == "40"
    page.get_by_label("Over").fill("14")
    page.get_by_role("button", name="Use this policy").click()
    assert page.get_by_role("status").inner_text().startswith("The policy is chosen.")
    assert busy.policies.choices[-1].objective == Share(0.4, 14)
    page.get_by_role("button", name="Recalibrate now").click()
    assert page.get_by_role("status").inner_text().startswith("Calibrated:")


def test_todays_point_is_dragged_and_moved_with_the_arrow_keys(
    busy: House, address: str, open_page: OpenPage, enter: Enter
) -> None:
    page = open_page()
    enter(page, ANA)
    page.goto(f"{address}/quality/policy")
    slider, says = page.get_by_role("slider"), page.locator("[data-curve-says]")
    before = says.inner_text()
    assert before.startswith("As today: 75 %")
    slider.focus()
    page.keyboard.press("ArrowLeft")
    moved = says.inner_text()
    assert moved != before and "more than today" in moved
    assert slider.get_attribute("aria-valuetext") == moved
    page.keyboard.press("ArrowRight")
    assert says.inner_text() == before
    dots = page.locator("[data-curve-dot]")
    drawn = dots.first.get_attribute("d")
    box = page.locator("[data-curve-svg]").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 0.75, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + box["height"] / 2, steps=5)
    page.mouse.up()
    assert says.inner_text().startswith("50 % answered below the top rung")
    assert dots.first.get_attribute("d") == dots.last.get_attribute("d") != drawn
    page.get_by_role("link", name="Put “at most 50 % premium” into the form").click()
    assert page.get_by_label("At most").input_value() == "50"
    assert page.get_by_role("radio", name="A share").is_checked()


@pytest.mark.parametrize("script", [True, False])
def test_what_is_wrong_with_an_answer_is_said_and_the_better_model_named_with_its_price(
    scripted: House, address: str, open_page: OpenPage, enter: Enter, script: bool
) -> None:
    page = open_page(java_script_enabled=script)
    enter(page, ANA)
    page.locator("[data-question]").fill(LEAVE)
    page.get_by_role("button", name="Ask", exact=True).click()
    better = page.get_by_role("button", name="Ask Premium model")
    better.wait_for()
    assert "for 0.96 ct" in better.inner_text()
    page.locator("summary", has_text="Something is wrong").click()
    page.get_by_label("It is outdated").check()
    page.get_by_label("In your words").fill("Since May it is 20.")
    page.get_by_role("button", name="Send").click()
    page.get_by_text("Marked as wrong: it is outdated").wait_for()
    page.reload()
    page.get_by_text("Since May it is 20.").wait_for()
    page.locator("summary", has_text="Change").click()
    page.get_by_role("button", name="Good answer").click()
    page.get_by_text("Marked as good.").wait_for()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_every_state_is_accessible_and_fits_its_width(
    scripted: House, address: str, open_page: OpenPage, enter: Enter, shots: Path, scheme: str, width: int
) -> None:
    page = open_page(width=width, color_scheme=scheme, bypass_csp=True, expect_errors=True)
    enter(page, ANA)
    found: list[str] = []

    def look(name: str) -> None:
        page.wait_for_load_state("networkidle")
        page.screenshot(path=shots / f"{name}-{scheme}-{width}.png", full_page=True, animations="disabled")
        found.extend(violations(page))
        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            found.append(f"{name} is wider than {width} px")

    for name, path in (("quality-empty", "/quality"), ("policy-empty", "/quality/policy")):
        page.goto(address + path)
        look(name)
    busy_desk(scripted.policies)
    page.goto(f"{address}/quality")
    look("quality")
    page.locator("summary").filter(has_text="The same as a table").first.click()
    look("quality-table")
    page.goto(f"{address}/quality/policy?local=40&take=true")
    page.locator("summary").filter(has_text="The same as a table").click()
    look("policy")
    page.get_by_label("At most").fill("lots")
    page.get_by_role("button", name="Use this policy").click()
    page.get_by_text("Write a number from 0 to 100.").wait_for()
    look("policy-refused")
    page.goto(address)
    page.locator("[data-question]").fill(LEAVE)
    page.get_by_role("button", name="Ask", exact=True).click()
    page.get_by_role("button", name="Ask Premium model").wait_for()
    page.locator("summary", has_text="Something is wrong").click()
    look("feedback")
    assert found == []
