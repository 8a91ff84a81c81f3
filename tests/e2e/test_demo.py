"""The demo company in a real browser: real documents, embedder, engine and rungs, three people."""

import os
import shutil
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr

from app.cli.demo import prepare
from app.core.config import PROJECT_DIR, Settings
from app.migrations import upgrade
from app.wiring import House
from tests.e2e.browsing import served, violations
from tests.fakes.openai_server import MODEL, OpenAiServer, Reply
from web.application import create_app

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.engine, pytest.mark.timeout(420)]

OpenPage = Callable[..., "Page"]
ANA, TOM, MEI = (f"{name}@quillmark.example" for name in ("ana.ferreira", "tom.okafor", "mei.lindqvist"))
ENDS = "When is version 2 of the Headwater API switched off?"
PICTURED = "How do I report a security incident?"
"""What the picture in the README shows."""


class Demo:
    """The installation and where it is served."""

    def __init__(self, house: House, url: str) -> None:
        self.house, self.url = house, url

    def enter(self, page: "Page", email: str) -> None:
        page.goto(f"{self.url}/sign-in/link/{self.house.sign_ins.make_link(email)}")

    def document_id(self, title: str, reader: str) -> str:
        """The id of a document, found by somebody who may read it."""
        hits = self.house.searcher.search(self.house.directory.caller(reader), title).hits
        return next(hit.best.document_id for hit in hits if hit.best.title == title)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    house = House(Settings(_env_file=None, data_dir=tmp_path_factory.mktemp("demo")))
    upgrade(house.database)
    prepare(house)
    with served(create_app(house.services)) as url:
        yield Demo(house, url)
    house.close()


def ask(page: "Page", question: str) -> None:
    """Asks with the keyboard and waits for the receipt."""
    turns = page.locator("[data-turn]").count()
    page.get_by_role("textbox").first.fill(question)
    page.keyboard.press("Enter")
    page.locator("[data-turn]").nth(turns).locator(".receipt-line").wait_for()


@pytest.mark.parametrize("email", [ANA, TOM, MEI])
def test_the_whole_path(demo: Demo, open_page: OpenPage, email: str) -> None:
    page = open_page()
    demo.enter(page, email)
    ask(page, ENDS)
    assert "31 March 2027" in page.locator("[data-answer-text]").inner_text()
    assert "0.10 ct" in page.locator(".receipt-line").inner_text()
    assert page.locator(".route").inner_text().startswith("Reader")
    page.get_by_role("link", name="Source 1").click()
    page.wait_for_url("**/documents/**")
    assert "31 March 2027" in page.locator("mark").first.inner_text()
    page.get_by_role("link", name="Back to the answer").click()
    page.get_by_role("link", name="Why this answer?").click()
    page.get_by_role("heading", name="How hard it looked").wait_for()
    page.get_by_role("link", name="Usage").click()
    page.get_by_role("link", name=ENDS).wait_for()


RESTRICTED = (
    ("Project Alder", "How many roles in Leeds end under Project Alder?", MEI),
    ("Bank loan", "How much cash must the company hold under the bank loan?", ANA),
)


@pytest.mark.parametrize(("words", "question", "reader"), RESTRICTED)
def test_who_may_not_read_a_document_finds_it_nowhere(
    demo: Demo, open_page: OpenPage, words: str, question: str, reader: str
) -> None:
    hits = demo.house.searcher.search(demo.house.directory.caller(reader), question).hits
    tom = demo.house.directory.caller(TOM)
    hidden = [hit.best for hit in hits if not demo.house.library.may_read(tom, hit.best.document_id)]
    assert hidden and any(words.lower() in passage.title.lower() for passage in hidden)

    allowed = open_page()
    demo.enter(allowed, reader)
    allowed.goto(f"{demo.url}/search?q={question}")
    assert allowed.get_by_role("link", name=hidden[0].title).first.is_visible()

    page = open_page(expect_errors=True)
    demo.enter(page, TOM)
    page.goto(f"{demo.url}/search?q={question}")
    shown = page.locator("main").inner_html()
    page.goto(demo.url)
    ask(page, question)
    page.get_by_role("link", name="Why this answer?").wait_for()
    shown += page.locator("main").inner_html()
    page.get_by_role("link", name="Why this answer?").click()
    page.get_by_role("heading", name="Passages it was given").wait_for()
    shown += page.locator("main").inner_html()
    for passage in hidden:
        assert passage.document_id not in shown and passage.title not in shown
        assert passage.text[:60] not in shown
        response = page.goto(f"{demo.url}/documents/{passage.document_id}")
        assert response is not None and response.status == 404
        assert passage.title not in page.content()


def test_the_premium_model_streams_word_by_word_and_cites(demo: Demo, open_page: OpenPage) -> None:
    answer = "London allows 170 pounds a night [1]. Lisbon allows 140 euros a night [1]."
    with OpenAiServer() as provider:
        provider.script(Reply(answer, pause_seconds=0.4))
        settings = Settings(
            _env_file=None,
            data_dir=demo.house.settings.data_dir,
            premium_model=MODEL,
            premium_base_url=provider.base_url,
            premium_api_key=SecretStr("none"),
            premium_input_price=Decimal("1.25"),
            premium_output_price=Decimal("10"),
        )
        house = House(settings)
        with served(create_app(house.services)) as url:
            page = open_page()
            Demo(house, url).enter(page, TOM)
            page.get_by_role("textbox").first.fill("Compare the hotel limits in London and Lisbon per night.")
            page.keyboard.press("Enter")
            words = page.locator(".words")
            page.locator(".words", has_text="London allows").wait_for()
            early = words.inner_text()
            assert "euros" not in early
            page.locator(".words", has_text="140 euros").wait_for()
            page.locator(".receipt-line").wait_for()
            assert page.locator(".route svg").get_attribute("aria-label") == "Rung 3 of 3"
            assert page.get_by_role("link", name="Source 1").count() == 2
            assert "Lisbon allows 140 euros a night" in page.locator("[data-answer-text]").inner_text()
        house.close()
        assert "passage" in provider.requests[0].prompt.lower()


def test_everything_works_without_a_script(demo: Demo, open_page: OpenPage) -> None:
    page = open_page(java_script_enabled=False)
    demo.enter(page, TOM)
    page.get_by_role("textbox").fill(ENDS)
    page.get_by_role("button", name="Ask", exact=True).click()
    page.wait_for_url("**/threads/**")
    assert "31 March 2027" in page.locator("[data-answer-text]").inner_text()
    page.get_by_role("link", name="Source 1").click()
    page.get_by_role("link", name="Back to the answer").click()
    page.get_by_role("textbox").first.fill("And in Portugal?")
    page.get_by_role("button", name="Ask", exact=True).click()
    assert page.locator("[data-turn]").count() == 2
    page.locator("summary", has_text="Something is wrong").first.click()
    page.get_by_role("button", name="Send").first.click()
    assert page.get_by_text("Marked as wrong").is_visible()
    page.get_by_role("textbox").first.fill("hotel limit Lisbon")
    page.get_by_role("button", name="Search only").click()
    assert page.locator(".result").count() > 3
    page.locator("summary", has_text="Account of").click()
    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("heading", name="Sign in").wait_for()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_every_page_is_accessible_fits_its_width_and_has_its_picture_taken(
    demo: Demo, open_page: OpenPage, shots: Path, scheme: str, width: int
) -> None:
    height = 844 if width < 500 else 900
    # The checker brings styles of its own, which the pages' policy would refuse.
    page = open_page(width=width, height=height, color_scheme=scheme, bypass_csp=True, expect_errors=True)
    found: list[str] = []

    def look(name: str) -> None:
        page.wait_for_load_state("networkidle")
        page.screenshot(path=shots / f"{name}-{scheme}-{width}.png", animations="disabled")
        found.extend(violations(page))
        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            found.append(f"{name} is wider than {width} px")

    page.goto(f"{demo.url}/sign-in")
    look("sign-in")
    people = demo.house.directory
    admin = next((person for person in people.list() if person.is_admin), None)
    admin = admin or people.add("admin@quillmark.example", name="Rung admin", is_admin=True)
    demo.enter(page, admin.email)
    look("home")
    ask(page, PICTURED)
    look("ask")
    ask(page, "Compare the hotel limits in Lisbon and London and say which is higher.")
    look("abstained")
    thread = page.url.partition("#")[0]
    query_id = (page.locator("[data-turn]").first.get_attribute("id") or "").removeprefix("q-")
    citation = page.get_by_role("link", name="Source 1").first.get_attribute("href")
    for name, path in (
        ("thread", thread.removeprefix(demo.url)),
        ("why", f"/queries/{query_id}/why"),
        ("document", citation or ""),
        ("search", "/search?q=parental+leave&source=quillmark&after=2023-01-01"),
        ("search-empty", "/search?q=leave&source=nowhere"),
        ("search-error", f"/search?q={'x' * 4100}"),
        ("threads", "/threads"),
        ("usage", "/usage"),
        ("usage-empty", "/usage?month=2025-01"),
        ("usage-workspace", "/usage?scope=workspace"),
        ("sources", "/sources"),
        ("source", "/sources/quillmark"),
        ("models-empty", "/models"),
        ("quality", "/quality"),
        ("policy", "/quality/policy"),
        ("not-found", "/documents/00000000-0000-0000-0000-000000000000"),
    ):
        page.goto(demo.url + path)
        look(name)
    assert found == []
    if os.environ.get("RUNG_WRITE_DOC_IMAGES") == "1" and (width, scheme) == (1280, "light"):
        images = PROJECT_DIR / "docs" / "images"
        images.mkdir(parents=True, exist_ok=True)
        shutil.copy(shots / "ask-light-1280.png", images / "ask.png")
