"""Sources in a real browser: the whole way from a tile to a deleted source, and every state looked at."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ingest.connectors import CONNECTORS
from ingest.sync import SyncEngine
from ingest.tables import SourceRow, SyncRunRow
from tests.e2e.browsing import violations
from tests.fakes.embedder import HashEmbedder
from tests.web.house import House

if TYPE_CHECKING:
    from playwright.sync_api import Page

ANA = "ana@example.com"
Enter = Callable[["Page", str], None]
OpenPage = Callable[..., "Page"]


@pytest.fixture
def pages(tmp_path: Path) -> Path:
    folder = tmp_path / "pages"
    folder.mkdir()
    for number in range(6):
        text = f"# Page {number}\n\n## Rules\n\nRule {number} of the house says how long we rest.\n"
        (folder / f"page-{number}.md").write_text(text)
    (folder / "broken.docx").write_bytes(b"PK nothing of the kind")
    return folder


def sync(house: House, name: str) -> None:
    """What a worker does."""
    services = house.services
    index: Any = services.sources._index
    SyncEngine(house.database, index, HashEmbedder(), services.settings).run(name)


def test_the_whole_way_from_a_tile_to_a_deleted_source(
    scripted: House, open_page: OpenPage, enter: Enter, pages: Path
) -> None:
    page = open_page(expect_errors=True)
    page.set_default_timeout(60_000)
    enter(page, ANA)
    page.get_by_role("link", name="Admin").click()
    page.get_by_role("link", name="Add a source").click()
    page.get_by_role("link", name="Files on this machine").click()
    page.get_by_label("Name").fill("rules")
    page.get_by_role("button", name="Save and check").click()
    page.locator("#setting-path-error", has_text="Fill this in.").wait_for()
    page.get_by_label("Folder", exact=True).fill(str(pages / "nowhere"))
    page.get_by_role("button", name="Save and check").click()
    page.get_by_text("cannot be read").first.wait_for()
    assert page.url.endswith("/sources/rules/set-up/check")
    page.get_by_role("link", name="Change the settings").click()
    page.get_by_label("Folder", exact=True).fill(str(pages))
    page.get_by_role("button", name="Save and check").click()
    page.get_by_role("link", name="See ten documents").click()
    page.get_by_role("heading", name="Page 5").wait_for()
    page.get_by_text("broken.docx").wait_for()
    page.get_by_role("link", name="Choose who may see it").click()
    page.get_by_text("First sync", exact=True).wait_for()
    page.get_by_label("These groups").check()
    page.get_by_role("button", name="Start").click()
    page.get_by_text("Choose at least one group.").wait_for()
    page.get_by_label("finance", exact=True).check()
    page.get_by_role("button", name="Start").click()
    page.get_by_text("A sync is about to start.").wait_for()

    sync(scripted, "rules")
    # The page looks by itself: it shows the end of the run without being asked.
    page.locator(".live .state", has_text="complete with 1 failure").wait_for()
    page.get_by_role("heading", name="What could not be read").wait_for()
    page.get_by_role("button", name="Try again broken.docx").click()
    page.get_by_role("status").filter(has_text="tried again").wait_for()
    (pages / "broken.docx").unlink()
    sync(scripted, "rules")
    sync(scripted, "rules")
    page.reload()
    assert page.get_by_role("heading", name="What could not be read").count() == 0

    page.get_by_role("button", name="Pause").click()
    page.get_by_text("Paused. What is indexed can be found").wait_for()
    page.get_by_role("button", name="Resume").click()
    page.get_by_role("status").filter(has_text="read again").wait_for()
    page.get_by_role("link", name="Delete…").click()
    page.get_by_text("6 documents").wait_for()
    page.get_by_role("button", name="Delete rules").click()
    page.get_by_role("status").filter(has_text="is gone from here").wait_for()
    assert page.get_by_role("link", name="rules").count() == 0


def test_a_source_is_set_up_without_a_script(
    scripted: House, open_page: OpenPage, enter: Enter, pages: Path
) -> None:
    page = open_page(java_script_enabled=False, expect_errors=True)
    enter(page, ANA)
    page.goto(page.url.rstrip("/") + "/sources/add/folder")
    page.get_by_label("Name").fill("rules")
    page.get_by_label("Folder", exact=True).fill(str(pages))
    page.get_by_role("button", name="Save and check").click()
    page.get_by_role("button", name="Check now").click()
    page.get_by_role("link", name="See ten documents").click()
    page.get_by_role("button", name="Read ten documents").click()
    page.get_by_role("link", name="Choose who may see it").click()
    page.get_by_role("button", name="Estimate").click()
    page.get_by_text("First sync", exact=True).wait_for()
    page.get_by_label("Everyone who is signed in").check()
    page.get_by_role("button", name="Start").click()
    page.get_by_text("A sync is about to start.").wait_for()
    assert scripted.services.sources.get("rules").access_mode == "fixed"


def add(house: House, name: str, kind: str, **values: Any) -> None:
    now = datetime.now(UTC)
    run = values.pop("run", None)
    with house.database.write() as session:
        row = {"settings": {}, "default_access": ["everyone"], "every_minutes": 60, **values}
        row["next_sync_at"] = now + timedelta(minutes=12)
        session.add(SourceRow(id=name, workspace_id="default", name=name, kind=kind, created_at=now, **row))
        session.flush()
        if run is not None:
            session.add(
                SyncRunRow(
                    id=f"run-{name}",
                    workspace_id="default",
                    source_id=name,
                    started_at=now - timedelta(minutes=3),
                    heartbeat_at=now,
                    **run,
                )
            )


def fill(house: House) -> None:
    """A source in each state."""
    over = {"finished_at": datetime.now(UTC)}
    running = {"state": "running", "documents_total": 20_000, "upserted": 4321, "failed": 3}
    add(house, "repository", "git", settings={"url": "https://git.example.com/rules.git"}, run=running)
    refused = "mail.example.com refused the password of helpdesk@example.com."
    failed = {"state": "failed", "code": "sign_in_failed", "message": refused, **over}
    add(house, "mail of the help desk", "imap", run=failed)
    less = "Incomplete: 412 documents less are listed than are held. Nothing was removed."
    code = "removal_needs_confirmation"
    add(
        house,
        "reports",
        "s3",
        access_mode="fixed",
        default_access=["group:finance"],
        run={"state": "incomplete", "code": code, "to_remove": 412, "listed": 88, "message": less, **over},
    )
    waiting: dict[str, Any] = {
        "state": "waiting",
        "code": "rate_limited",
        "message": "wiki.example.com asked for a pause.",
    }
    waiting["resume_at"] = datetime.now(UTC) + timedelta(minutes=40)
    add(house, "wiki", "web", run=waiting)
    add(house, "old wiki", "web", state="paused")
    add(house, "unfinished", "folder", state="draft", settings={"path": "/srv/nowhere"})


def test_a_page_that_refreshes_itself_keeps_the_focus_and_tells_of_the_progress(
    scripted: House, address: str, open_page: OpenPage, enter: Enter
) -> None:
    page = open_page()
    page.set_default_timeout(60_000)
    enter(page, ANA)
    fill(scripted)
    page.goto(f"{address}/sources/repository")
    page.get_by_role("button", name="Pause").focus()
    with scripted.database.write() as session:
        session.get_one(SyncRunRow, "run-repository").upserted = 10_000
    page.locator("#live-says", has_text="50 % of the documents are done.").wait_for(state="attached")
    page.get_by_text("10\u202f003 of 20\u202f000 documents").wait_for()
    assert page.evaluate("document.activeElement.id") == "act-pause"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_every_state_is_accessible_and_fits_its_width(
    scripted: House,
    address: str,
    open_page: OpenPage,
    enter: Enter,
    shots: Path,
    pages: Path,
    scheme: str,
    width: int,
) -> None:
    page = open_page(width=width, color_scheme=scheme, bypass_csp=True, expect_errors=True)
    page.set_default_timeout(60_000)
    enter(page, ANA)
    found: list[str] = []

    def look(name: str, path: str | None = None, wait: str = "h1") -> None:
        if path is not None:
            page.goto(address + path)
        page.locator(wait).first.wait_for()
        page.screenshot(
            path=shots / f"sources-{name}-{scheme}-{width}.png", full_page=True, animations="disabled"
        )
        found.extend(violations(page))
        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            found.append(f"{name} is wider than {width} px")

    look("tiles", "/sources/add")
    for kind in CONNECTORS:
        look(f"form-{kind}", f"/sources/add/{kind}")
    page.get_by_role("button", name="Save and check").click()
    look("form-refused", wait=".field-error")
    settings = {"path": str(pages)}
    scripted.services.set_up.draft("folder", "rules", settings, actor=ANA)
    look("check", "/sources/rules/set-up/check", wait=".notice.good")
    look("preview", "/sources/rules/set-up/preview", wait=".preview")
    look("start", "/sources/rules/set-up/start", wait=".sums")
    look("check-refused", "/sources/handbook/set-up/check", wait=".notice.bad")
    fill(scripted)
    look("list", "/sources")
    look("list-none", "/sources?q=nothing")
    look("complete", "/sources/handbook")
    look("running", "/sources/repository")
    look("failures", "/sources/handbook/failures/encrypted")
    look("failed", "/sources/mail%20of%20the%20help%20desk")
    look("removal", "/sources/reports")
    look("waiting", "/sources/wiki")
    look("paused", "/sources/old%20wiki")
    look("access", "/sources/reports/access")
    look("confirm-removal", "/sources/reports/confirm-removal")
    look("delete", "/sources/handbook/delete")
    for name in ("rules", "repository", "mail of the help desk", "reports", "wiki", "old wiki", "unfinished"):
        scripted.services.sources.remove(name)
    scripted.services.sources.remove("handbook")
    look("empty", "/sources")
    assert found == []
