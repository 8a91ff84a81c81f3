"""What a person sees while an answer comes, and when something goes wrong, in a real browser."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from sqlmodel import select

from app.core.errors import UnavailableError
from routing.tables import QueryRow
from tests.web.house import UNSURE, House

if TYPE_CHECKING:
    from playwright.sync_api import Page

TOM = "tom@example.com"
LEAVE = "How many weeks of parental leave does each parent take in Spain?"
Enter = Callable[["Page", str], None]
OpenPage = Callable[..., "Page"]


def ask(page: "Page", question: str = LEAVE) -> None:
    page.get_by_role("textbox").first.fill(question)
    page.keyboard.press("Enter")


def test_results_come_first_then_words_then_the_answer_with_its_receipt(
    scripted: House, open_page: OpenPage, enter: Enter
) -> None:
    scripted.reader.immediate = False
    # Where a better rung could still be asked, no word is shown before the answer is judged.
    scripted.premium.unavailable = "No premium model is set up."
    scripted.reader.gate.clear()
    page = open_page()
    enter(page, TOM)
    ask(page)
    page.get_by_role("link", name="Parental leave, Spain").wait_for()
    page.locator(".words", has_text="Each parent").wait_for()
    assert page.locator(".receipt-line").count() == 0
    assert page.locator("[data-busy]").get_attribute("aria-busy") == "true"
    assert page.get_by_role("textbox").is_enabled()
    scripted.reader.gate.set()
    page.locator(".receipt-line").wait_for()
    assert "16 weeks of parental leave, fully paid." in page.locator("[data-answer-text]").inner_text()
    assert page.locator("[data-busy]").get_attribute("aria-busy") == "false"
    assert "/threads/" in page.url


def test_a_reload_in_the_middle_goes_on_from_the_beginning(
    scripted: House, open_page: OpenPage, enter: Enter
) -> None:
    scripted.reader.immediate = False
    # Where a better rung could still be asked, no word is shown before the answer is judged.
    scripted.premium.unavailable = "No premium model is set up."
    scripted.reader.gate.clear()
    page = open_page()
    enter(page, TOM)
    ask(page)
    page.locator(".words", has_text="Each parent").wait_for()
    page.reload()
    page.locator(".words", has_text="Each parent").wait_for()
    assert page.locator(".words").inner_text().count("Each parent") == 1
    scripted.reader.gate.set()
    page.locator(".receipt-line").wait_for()


def test_climbing_is_calm_and_the_first_answer_greys_out(
    scripted: House, open_page: OpenPage, enter: Enter
) -> None:
    scripted.reader.signals = UNSURE
    scripted.premium.gate.clear()
    page = open_page()
    enter(page, TOM)
    ask(page)
    page.get_by_text("asking the premium model").wait_for()
    assert "Each parent takes" in page.locator(".superseded").inner_text()
    scripted.premium.gate.set()
    page.locator(".receipt-line").wait_for()
    assert page.locator(".superseded").count() == 0
    assert page.locator(".route svg").get_attribute("aria-label") == "Rung 3 of 3"
    with scripted.database.read() as session:
        (row,) = session.exec(select(QueryRow)).all()
    assert row.stage3 is not None and row.stage3 != row.route_difficulty
    judged = f"difficulty {round(row.stage3 * 100)} %"
    assert judged in page.locator(".route").inner_text()
    page.reload()
    page.locator(".receipt-line").wait_for()
    assert judged in page.locator(".route").inner_text()


def test_a_failure_says_what_to_do_and_the_next_question_works(
    scripted: House, open_page: OpenPage, enter: Enter
) -> None:
    scripted.reader.error = UnavailableError("The model does not answer; ask again.", code="index_gone")
    page = open_page()
    enter(page, TOM)
    ask(page)
    page.get_by_role("alert").filter(has_text="The model does not answer").wait_for()
    scripted.reader.error = None
    ask(page, "What is the hotel limit in Lisbon?")
    page.locator(".receipt-line").wait_for()
    assert page.locator("[data-turn]").count() == 2


def test_a_question_that_cannot_be_used_is_explained_beside_the_box(
    open_page: OpenPage, enter: Enter
) -> None:
    page = open_page(expect_errors=True)
    enter(page, TOM)
    ask(page, "x" * 5000)
    page.locator("#ask-error", has_text="4,000").wait_for()
    assert page.get_by_role("textbox").input_value() == "x" * 5000


def test_the_server_gone_is_said_and_the_question_stays(open_page: OpenPage, enter: Enter) -> None:
    page = open_page(expect_errors=True)
    enter(page, TOM)
    page.context.set_offline(True)
    ask(page)
    page.locator("#ask-error", has_text="cannot be reached").wait_for()
    assert page.get_by_role("textbox").input_value() == LEAVE


def test_asking_the_better_model_adds_its_answer_below(open_page: OpenPage, enter: Enter) -> None:
    page = open_page()
    enter(page, TOM)
    ask(page)
    page.get_by_role("button", name="Ask Premium model").click()
    page.locator("[data-turn]").nth(1).locator(".receipt-line").wait_for()
    assert page.locator("[data-turn]").nth(1).locator(".route").inner_text().startswith("Premium model")


def test_thumbs_take_a_reason(open_page: OpenPage, enter: Enter) -> None:
    page = open_page()
    enter(page, TOM)
    ask(page)
    page.locator("summary", has_text="Something is wrong").click()
    page.get_by_label("In your words").fill("It is twenty.")
    page.get_by_role("button", name="Send").click()
    page.get_by_text("Marked as wrong").wait_for()


def test_the_keyboard_reaches_everything(open_page: OpenPage, enter: Enter) -> None:
    page = open_page()
    enter(page, TOM)
    page.goto(f"{page.url}search?q=parental+leave+hotel")
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "question"
    page.keyboard.press("ArrowDown")
    first = page.evaluate("document.activeElement.textContent")
    page.keyboard.press("ArrowDown")
    assert page.evaluate("document.activeElement.textContent") != first
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    assert page.evaluate("document.activeElement.id") == "question"
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.tagName") == "BODY"
    page.keyboard.press("Control+k")
    assert page.evaluate("document.activeElement.id") == "question"


def test_the_first_tab_skips_to_the_content(open_page: OpenPage, enter: Enter) -> None:
    page = open_page()
    enter(page, TOM)
    page.goto(f"{page.url}threads")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"


def test_the_colours_can_be_chosen_and_are_remembered(open_page: OpenPage, enter: Enter) -> None:
    page = open_page(color_scheme="light")
    enter(page, TOM)
    paper = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(paper)
    page.locator('input[value="dark"]').check(force=True)
    assert page.evaluate(paper) != light
    page.reload()
    assert page.evaluate(paper) != light
    page.locator('input[value="system"]').check(force=True)
    assert page.evaluate(paper) == light


def test_an_answer_is_copied_with_its_numbers_in_brackets(open_page: OpenPage, enter: Enter) -> None:
    page = open_page(permissions=["clipboard-read", "clipboard-write"])
    enter(page, TOM)
    ask(page)
    page.get_by_role("button", name="Copy").click()
    page.get_by_role("button", name="Copied").wait_for()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == "Each parent takes 16 weeks of parental leave, fully paid. [1]"


def test_a_citation_lights_up_its_passage_and_opens_it_marked(open_page: OpenPage, enter: Enter) -> None:
    page = open_page()
    enter(page, TOM)
    ask(page)
    page.locator(".receipt-line").wait_for()
    citation = page.get_by_role("link", name="Source 1")
    citation.focus()
    assert page.locator(".result.lit .result-title").inner_text() == "Parental leave, Spain"
    citation.click()
    page.wait_for_url("**/documents/**")
    assert page.locator("#passage mark").first.is_visible()
    page.get_by_role("link", name="Back to the answer").click()
    page.wait_for_url("**/threads/**")
