"""Sources in the pages and the API: set up step by step, followed, changed, deleted; for admins alone."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from app.core.errors import ConflictError, UnavailableError
from ingest.tables import ChangeRow, FailureRow, SourceRow, SyncRunRow
from tests.web.browser import TestClient
from tests.web.house import SOURCE_ID, House
from web.present.admin.sources.listing import spark_view
from web.present.admin.sources.words import duration_words, size_words, soon_words

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
HANDBOOK = "/api/v1/sources/handbook"


@pytest.fixture
def pages(tmp_path: Path) -> Path:
    folder = tmp_path / "pages"
    folder.mkdir()
    for number in range(3):
        (folder / f"page-{number}.md").write_text(f"# Page {number}\n\nCosts & dates of page {number}.\n")
    return folder


def make(browser: TestClient, name: str, path: Path) -> Any:
    form = {"name": name, "setting-path": str(path)}
    return browser.post("/sources/add/folder", data=form)


def run_of(house: House, **values: Any) -> None:
    """A run of the handbook, later than the one it has."""
    row = {
        "id": "run-2",
        "workspace_id": "default",
        "source_id": SOURCE_ID,
        "state": "running",
        "started_at": NOW,
        "heartbeat_at": NOW + timedelta(seconds=10),
        **values,
    }
    with house.database.write() as session:
        session.add(SyncRunRow(**row))


PATHS = [
    ("GET", "/api/v1/connectors", None),
    ("GET", "/api/v1/sources", None),
    ("POST", "/api/v1/sources", {"kind": "folder", "name": "x", "settings": {"path": "/srv"}}),
    ("GET", HANDBOOK, None),
    ("PUT", f"{HANDBOOK}/settings", {"settings": {"path": "/srv"}}),
    ("PUT", f"{HANDBOOK}/access", {"mode": "fixed", "default": ["everyone"]}),
    ("PUT", f"{HANDBOOK}/schedule", {"every_minutes": 60}),
    ("POST", f"{HANDBOOK}/check", None),
    ("GET", f"{HANDBOOK}/preview", None),
    ("GET", f"{HANDBOOK}/estimate", None),
    ("POST", f"{HANDBOOK}/start", None),
    ("POST", f"{HANDBOOK}/sync", None),
    ("POST", f"{HANDBOOK}/reindex", None),
    ("POST", f"{HANDBOOK}/pause", None),
    ("POST", f"{HANDBOOK}/resume", None),
    ("POST", f"{HANDBOOK}/cancel", None),
    ("POST", f"{HANDBOOK}/retry", {}),
    ("POST", f"{HANDBOOK}/confirm-removal", None),
    ("GET", f"{HANDBOOK}/progress", None),
    ("GET", f"{HANDBOOK}/failures", None),
    ("GET", f"{HANDBOOK}/failures/scanned", None),
    ("GET", f"{HANDBOOK}/runs", None),
    ("GET", f"{HANDBOOK}/changes", None),
    ("GET", f"{HANDBOOK}/audit", None),
    ("DELETE", HANDBOOK, None),
]


@pytest.mark.parametrize(("method", "path", "body"), PATHS, ids=lambda value: str(value)[:40])
def test_the_api_is_for_admins(
    tom: TestClient, anonymous: TestClient, house: House, method: str, path: str, body: object
) -> None:
    refused = tom.request(method, path, json=body)
    assert (refused.status_code, refused.json()["code"]) == (403, "admin_only")
    assert anonymous.request(method, path, json=body).status_code == 401
    assert [source.name for source in house.services.sources.list()] == ["handbook"]


def test_no_route_of_the_api_is_left_out_above(app: Any) -> None:
    schema = app.openapi()["paths"]
    named = {
        (method, path.replace("handbook", "{name}").replace("scanned", "{code}")) for method, path, _ in PATHS
    }
    there = {
        (method.upper(), path)
        for path, methods in schema.items()
        if path.startswith(("/api/v1/sources", "/api/v1/connectors"))
        for method in methods
    }
    assert there == named


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/sources/add"),
        ("GET", "/sources/add/folder"),
        ("POST", "/sources/add/folder"),
        ("GET", "/sources/handbook/settings"),
        ("POST", "/sources/handbook/settings"),
        ("POST", "/sources/handbook/set-up/check"),
        ("POST", "/sources/handbook/set-up/preview"),
        ("POST", "/sources/handbook/set-up/estimate"),
        ("GET", "/sources/handbook/access"),
        ("POST", "/sources/handbook/access"),
        ("GET", "/sources/handbook/live"),
        ("POST", "/sources/handbook/sync"),
        ("POST", "/sources/handbook/pause"),
        ("POST", "/sources/handbook/resume"),
        ("POST", "/sources/handbook/cancel"),
        ("POST", "/sources/handbook/retry"),
        ("POST", "/sources/handbook/reindex"),
        ("POST", "/sources/handbook/confirm-removal"),
        ("GET", "/sources/handbook/delete"),
        ("POST", "/sources/handbook/delete"),
    ],
)
def test_the_pages_are_for_admins_and_refuse_other_sites(
    tom: TestClient, ana: TestClient, anonymous: TestClient, house: House, method: str, path: str
) -> None:
    assert tom.request(method, path).status_code == 403
    assert anonymous.request(method, path).headers["location"].startswith("/sign-in")
    if method == "POST":
        elsewhere = {"Sec-Fetch-Site": "cross-site"}
        assert ana.request(method, path, headers=elsewhere).status_code == 403
    assert house.services.sources.get("handbook").state == "active"


def test_the_way_from_a_tile_to_the_first_sync(ana: TestClient, house: House, pages: Path) -> None:
    assert 'href="/sources/add/folder"' in ana.get("/sources/add").text
    assert "The folder to read" in ana.get("/sources/add/folder").text
    made = make(ana, "docs", pages)
    assert made.headers["location"] == "/sources/docs/set-up/check"
    assert (
        "not finished" in ana.get("/sources").text
        and 'href="/sources/docs/set-up"' in ana.get("/sources").text
    )
    assert 'hx-trigger="load' in ana.get("/sources/docs/set-up/check").text
    checked = ana.post("/sources/docs/set-up/check").text
    assert "can be read." in checked and 'href="/sources/docs/set-up/preview"' in checked
    preview = ana.post("/sources/docs/set-up/preview").text
    assert "3 documents, all there are" in preview and "Page 2" in preview
    assert "Costs &amp; dates of page 1." in preview
    assert "First sync" in ana.post("/sources/docs/set-up/estimate").text
    form = {"who": "source", "otherwise": "everyone", "every": "60", "prune_percent": "25"}
    started = ana.post("/sources/docs/set-up/start", data=form)
    assert started.headers["location"] == "/sources/docs?done=started"
    source = house.services.sources.get("docs")
    assert (source.state, source.access_mode, source.every_minutes) == ("active", "source", 60)
    assert source.prune_share_max == 0.25 and source.created_by == "ana@example.com"
    page = ana.get("/sources/docs?done=started").text
    assert "A sync is about to start." in page and "No worker is running yet." in page
    assert "started it" in page and "wanted a sync" in page


def test_parts_that_come_later_are_the_same_as_in_the_page(ana: TestClient, pages: Path) -> None:
    make(ana, "docs", pages)
    for step in ("check", "preview", "estimate"):
        part = ana.post(f"/sources/docs/set-up/{step}", headers={"HX-Request": "true"}).text
        assert ("<html" not in part and "notice" in part) or "figures" in part


def test_a_look_that_is_refused_says_so_where_its_result_was_awaited(
    ana: TestClient, house: House, pages: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(ana, "docs", pages)

    def refuse(*_: object, **__: object) -> None:
        raise ConflictError("Several sources are being looked at already.", code="too_many_looks")

    monkeypatch.setattr(type(house.services.set_up), "check", refuse)
    headers = {"HX-Request": "true", "HX-Target": "found"}
    part = ana.post("/sources/docs/set-up/check", headers=headers)
    assert part.status_code == 409 and "Several sources" in part.text
    assert "HX-Retarget" not in part.headers


def test_what_is_wrong_stands_beside_its_field(ana: TestClient, house: House) -> None:
    form = {"name": "a/<b>", "setting-path": "", "setting-odd": "x"}
    page = ana.post("/sources/add/folder", data=form)
    assert page.status_code == 422
    assert 'id="source-name-error"' in page.text and 'id="setting-path-error"' in page.text
    assert "Fill this in." in page.text and 'value="a/&lt;b&gt;"' in page.text
    assert len(house.services.sources.list()) == 1


def test_no_answer_and_no_log_repeats_a_secret(
    ana: TestClient, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    secret = "hunter2-never-shown"
    settings = {"bucket": "a b", "access_key_id": "", "secret_access_key": secret, "endpoint": "nowhere"}
    for wrong in (settings, {**settings, "bucket": "papers", "endpoint": ""}):
        form = {"name": "papers", **{f"setting-{name}": text for name, text in wrong.items()}}
        page = ana.post("/sources/add/s3", data=form)
        body = ana.post("/api/v1/sources", json={"kind": "s3", "name": "papers", "settings": wrong})
        assert page.status_code == body.status_code == 422 and body.json()["errors"]
        assert secret not in page.text and secret not in body.text
    odd = ana.post("/api/v1/sources", json={"kind": "s3", "name": "papers", "settings": secret})
    assert odd.status_code == 422 and secret not in odd.text
    said = capfd.readouterr()
    assert secret not in said.out + said.err + caplog.text


def test_a_draft_is_renamed_in_its_form(ana: TestClient, house: House, pages: Path) -> None:
    make(ana, "docs", pages)
    assert 'value="docs"' in ana.get("/sources/docs/set-up").text
    taken = ana.post("/sources/docs/set-up", data={"name": "handbook", "setting-path": str(pages)})
    assert taken.status_code == 422 and 'id="source-name-error"' in taken.text
    renamed = ana.post("/sources/docs/set-up", data={"name": "rules", "setting-path": str(pages)})
    assert renamed.headers["location"] == "/sources/rules/set-up/check"
    assert {source.name for source in house.services.sources.list()} == {"handbook", "rules"}
    assert 'id="source-name"' not in ana.get("/sources/handbook/settings").text


def test_every_failure_of_a_kind_can_be_reached_and_tried_again(ana: TestClient, house: House) -> None:
    with house.database.write() as session:
        for number in range(120):
            session.add(
                FailureRow(
                    workspace_id="default",
                    source_id=SOURCE_ID,
                    run_id="run-1",
                    external_id=f"scans/{number:03}_<b>.pdf",
                    code="scanned",
                    reason="No text.",
                    first_failed_at=NOW,
                    failed_at=NOW,
                )
            )
    assert 'href="/sources/handbook/failures/scanned"' in ana.get("/sources/handbook").text
    first = ana.get("/sources/handbook/failures/scanned").text
    assert "1 to 50 of 120" in first and "scans/000_&lt;b&gt;.pdf" in first and "Try all 120 again" in first
    last = ana.get("/sources/handbook/failures/scanned?page=3").text
    assert "scans/119_" in last and 'rel="next"' not in last and 'rel="prev"' in last
    assert "1 to 1 of 1" in ana.get("/sources/handbook/failures/scanned?q=077_").text
    assert "No failure of this kind matches" in ana.get("/sources/handbook/failures/scanned?q=%25").text
    assert "There is no such page." in ana.get("/sources/handbook/failures/scanned?page=9").text
    page = ana.get(f"{HANDBOOK}/failures/scanned?offset=110&limit=50").json()
    assert page["count"] == 120 and len(page["failures"]) == 10
    wrong = ana.put(f"{HANDBOOK}/settings", json={"settings": {"path": "", "odd": 1}}).json()
    assert set(wrong["errors"]) == {"path", "odd"}


def test_an_unknown_kind_is_not_there(ana: TestClient) -> None:
    assert ana.get("/sources/add/fax").status_code == 404
    made = ana.post("/api/v1/sources", json={"kind": "fax", "name": "x", "settings": {}})
    assert (made.status_code, made.json()["code"]) == (422, "unknown_connector")


def test_a_failing_check_says_what_to_do_and_leads_back(ana: TestClient, pages: Path, tmp_path: Path) -> None:
    make(ana, "docs", tmp_path / "nowhere")
    page = ana.post("/sources/docs/set-up/check").text
    assert "cannot be read" in page and 'href="/sources/docs/set-up"' in page
    assert "See ten documents" not in page
    assert "source_unreachable" in ana.post("/sources/docs/set-up/preview").text
    assert "source_unreachable" in ana.post("/sources/docs/set-up/estimate").text
    saved = ana.post("/sources/docs/set-up", data={"setting-path": str(pages)})
    assert saved.headers["location"] == "/sources/docs/set-up/check"
    assert "See ten documents" in ana.post("/sources/docs/set-up/check").text


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"who": ""}, "Choose who may see it."),
        ({"who": "groups"}, "Choose at least one group."),
        ({"who": "groups", "group": "group:mars"}, "Nobody is in the group mars."),
        ({"who": "groups", "group": "<script>"}, "There is no such group."),
        ({"who": "source", "otherwise": "groups"}, "Choose at least one group."),
        ({"every": "soon"}, "Choose how often it is read."),
        ({"every": "9999999"}, "Choose how often it is read."),
        ({"every": "0"}, "Sync every minute at most"),
        ({"prune_percent": "101"}, "Write a number from 0 to 100."),
        ({"prune_percent": "nan"}, "Write a number from 0 to 100."),
        ({"prune_percent": "1e1"}, "Write a number from 0 to 100."),
    ],
)
def test_readers_and_schedules_that_make_no_sense_are_explained(
    ana: TestClient, house: House, pages: Path, changes: dict[str, str], says: str
) -> None:
    make(ana, "docs", pages)
    form = {"who": "everyone", "otherwise": "nobody", "every": "60", "prune_percent": "30", **changes}
    page = ana.post("/sources/docs/set-up/start", data=form)
    assert page.status_code == 422 and says in page.text
    assert "<script>" not in page.text.replace('<script src="', "")
    assert house.services.sources.get("docs").is_draft


def test_fixed_readers_count_at_the_next_question(ana: TestClient, tom: TestClient) -> None:
    question = {"query": "parental leave Spain"}
    assert tom.post("/api/v1/search", json=question).json()["passages"]
    form = {"who": "groups", "group": "group:finance", "every": "hand", "prune_percent": "30"}
    saved = ana.post("/sources/handbook/access", data=form)
    assert saved.headers["location"] == "/sources/handbook?done=access"
    assert tom.post("/api/v1/search", json=question).json()["passages"] == []
    assert ana.post("/api/v1/search", json=question).json()["passages"]
    assert "The group finance, whatever the source says" in ana.get("/sources/handbook").text


def test_the_live_part_shows_progress_and_asks_for_the_page_when_the_run_is_over(
    ana: TestClient, house: House
) -> None:
    run_of(house, documents_total=100, upserted=40)
    page = ana.get("/sources/handbook").text
    assert 'value="40"' in page and "40 of 100 documents, 40 %" in page
    assert "4.0 documents a second" in page and "left" in page and "Stop this run" in page
    part = ana.get("/sources/handbook/live", params={"shown": "active-run-2-running"})
    assert part.status_code == 200 and "<html" not in part.text
    assert "40 % of the documents are done." in part.text and 'hx-swap-oob="innerHTML"' in part.text
    again = ana.get("/sources/handbook/live", params={"shown": "active-run-2-running", "said": 4})
    assert "of the documents are done" not in again.text
    other = ana.get(
        "/sources/handbook/live",
        params={"shown": "active-run-1-complete"},
        headers={"HX-Request": "true"},
    )
    assert other.headers["HX-Redirect"] == "/sources/handbook"


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (
            {"state": "failed", "code": "sign_in_failed", "message": "Refused."},
            ["Refused.", "Change the password", 'href="/sources/handbook/settings"'],
        ),
        (
            {"state": "waiting", "code": "rate_limited", "message": "429."},
            ["429. It goes on by itself", "asked for a pause", "Try now"],
        ),
        (
            {"state": "incomplete", "code": "removal_needs_confirmation", "to_remove": 412},
            ["412 documents", "Nothing was removed", "/sources/handbook/confirm-removal"],
        ),
        (
            {"state": "failed", "code": "disk_full", "message": "No room."},
            ["Make room on the disk", "Sync now"],
        ),
        ({"state": "queued"}, ["about to start", "No worker is running yet."]),
    ],
)
def test_each_state_has_a_reason_and_a_next_step(
    ana: TestClient, house: House, values: dict[str, Any], says: list[str]
) -> None:
    over = {} if values["state"] in ("waiting", "queued") else {"finished_at": NOW}
    later = {"resume_at": datetime.now(UTC) + timedelta(minutes=5)} if values["state"] == "waiting" else {}
    run_of(house, **values, **over, **later)
    page = ana.get("/sources/handbook").text
    for words in says:
        assert words in page
    assert ana.get("/sources").status_code == 200


def test_buttons_do_what_they_say(ana: TestClient, house: House) -> None:
    def post(act: str, **data: str) -> str:
        return str(ana.post(f"/sources/handbook/{act}", data=data).headers["location"])

    assert post("sync") == "/sources/handbook?done=sync"
    run = house.services.sources.get("handbook").last_run
    assert run and run.state == "queued" and run.asked_by == "ana@example.com"
    assert post("cancel", run=run.id) == "/sources/handbook?done=cancel"
    assert house.services.sources.run(run.id).state == "cancelled"
    assert post("pause") == "/sources/handbook?done=pause"
    assert "Paused. What is indexed can be found" in ana.get("/sources/handbook").text
    refused = ana.post("/sources/handbook/sync")
    assert refused.status_code == 409 and "<code>source_paused</code>" in refused.text
    assert post("resume") == "/sources/handbook?done=resume"
    assert post("retry", external_id="finance/old.pdf") == "/sources/handbook?done=retry"
    retried = house.services.sources.get("handbook").last_run
    assert retried and retried.kind == "retry"
    missing = ana.post("/sources/handbook/retry", data={"code": "no_such"})
    assert missing.status_code == 404 and "<code>no_such_failure</code>" in missing.text
    assert "Index handbook anew?" in ana.get("/sources/handbook/reindex").text
    assert post("reindex") == "/sources/handbook?done=reindex"
    audit = ana.get(f"{HANDBOOK}/audit").json()["entries"]
    assert {"sync.started", "sync.cancelled", "source.paused", "source.resumed", "sync.retried"} <= {
        entry["action"] for entry in audit
    }
    assert {entry["actor"] for entry in audit} == {"ana@example.com"}


def test_a_removal_is_confirmed_on_a_page_that_names_how_many_go(ana: TestClient, house: House) -> None:
    nothing = ana.get("/sources/handbook/confirm-removal").text
    assert "Nothing waits to be removed." in nothing and "<form method" not in nothing.split("<main")[1]
    run_of(house, state="incomplete", code="removal_needs_confirmation", to_remove=2, finished_at=NOW)
    assert "Remove 2 documents of handbook?" in ana.get("/sources/handbook/confirm-removal").text
    done = ana.post("/sources/handbook/confirm-removal")
    assert done.headers["location"] == "/sources/handbook?done=removal"
    with house.database.read() as session:
        assert session.get_one(SourceRow, SOURCE_ID).prune_confirmed


def test_deleting_names_what_goes_and_takes_it_from_the_search(ana: TestClient, house: House) -> None:
    asked = ana.get("/sources/handbook/delete").text
    assert "Delete handbook?" in asked and "3 documents in 3 parts" in asked
    assert ana.post("/sources/handbook/delete").headers["location"] == "/sources?done=deleted"
    assert ana.post("/api/v1/search", json={"query": "parental leave Spain"}).json()["passages"] == []
    assert "is gone from here" in ana.get("/sources?done=deleted").text
    assert "Nothing is read yet" in ana.get("/sources").text
    gone = ana.get("/sources/handbook")
    assert gone.status_code == 404


def test_what_changed_last_is_shown(ana: TestClient, house: House) -> None:
    run_of(house, state="complete", upserted=1, finished_at=NOW)
    with house.database.write() as session:
        row = ChangeRow(
            run_id="run-2",
            external_id="a.md",
            workspace_id="default",
            kind="changed",
            title="<i>Leave</i>",
            at=NOW,
        )
        session.add(row)
    assert "&lt;i&gt;Leave&lt;/i&gt;" in ana.get("/sources/handbook").text
    found = ana.get(f"{HANDBOOK}/changes").json()
    assert found["run_id"] == "run-2" and found["changes"][0]["kind"] == "changed"


def test_the_list_can_be_filtered(ana: TestClient, pages: Path) -> None:
    make(ana, "docs", pages)
    assert 'href="/sources/docs/set-up"' not in ana.get("/sources?q=handb").text
    assert 'href="/sources/docs/set-up"' in ana.get("/sources?q=not+finished").text
    assert "No source matches “&lt;x&gt;”" in ana.get("/sources", params={"q": "<x>"}).text
    assert 'value="docs"' not in ana.get("/").text


def test_the_api_sets_up_follows_and_deletes(ana: TestClient, pages: Path) -> None:
    kinds = {kind["kind"]: kind for kind in ana.get("/api/v1/connectors").json()["connectors"]}
    assert "path" in kinds["folder"]["settings"]["properties"] and kinds["folder"]["tells_access"]
    body = {"kind": "folder", "name": "docs", "settings": {"path": str(pages)}}
    made = ana.post("/api/v1/sources", json=body)
    assert (made.status_code, made.json()["state"]) == (201, "draft")
    again = ana.post("/api/v1/sources", json=body)
    assert again.status_code == 422 and "choose another name" in again.json()["detail"]
    here = "/api/v1/sources/docs"
    assert ana.post(f"{here}/check").json()["ok"]
    preview = ana.get(f"{here}/preview").json()
    assert len(preview["documents"]) == 3 and preview["ended"]
    assert ana.get(f"{here}/estimate").json()["documents"] == 3
    access = {"mode": "fixed", "default": ["group:finance"]}
    assert ana.put(f"{here}/access", json=access).json()["access"] == access
    odd = ana.put(f"{here}/access", json={"mode": "fixed", "default": ["all"]})
    assert odd.json()["code"] == "invalid_principal"
    scheduled = ana.put(f"{here}/schedule", json={"every_minutes": 15}).json()["schedule"]
    assert scheduled == {"every_minutes": 15, "watch": False, "prune_share_max": 0.3}
    assert ana.post(f"{here}/sync").json()["code"] == "source_not_ready"
    run_id = ana.post(f"{here}/start").json()["run_id"]
    progress = ana.get(f"{here}/progress").json()
    assert progress["open"] and (progress["run_id"], progress["state"]) == (run_id, "queued")
    assert ana.post(f"{here}/start").json()["code"] == "source_started"
    assert ana.post(f"{here}/pause").json()["state"] == "paused"
    assert ana.post(f"{here}/resume").json()["state"] == "queued"
    assert not ana.post(f"{here}/cancel").json()["open"]
    assert [run["state"] for run in ana.get(f"{here}/runs").json()["runs"]] == ["cancelled"]
    assert ana.get(f"{here}/failures").json() == {"groups": []}
    assert ana.delete(here).json() == {"documents": 0}
    assert ana.get(here).json()["code"] == "no_such_source"


def test_the_failures_of_the_api_are_grouped(ana: TestClient) -> None:
    (group,) = ana.get(f"{HANDBOOK}/failures").json()["groups"]
    assert (group["code"], group["count"]) == ("encrypted", 1)
    assert group["latest"][0]["external_id"] == "finance/old.pdf"


def test_a_source_that_is_not_there_is_not_found(ana: TestClient) -> None:
    for act in ("check", "sync", "pause", "start"):
        answer = ana.post(f"/api/v1/sources/none/{act}")
        assert (answer.status_code, answer.json()["code"]) == (404, "no_such_source")
    assert ana.get("/sources/none/set-up/check").status_code == 404


def test_moments_sizes_and_bars_in_words() -> None:
    assert [duration_words(seconds) for seconds in (0, 3, 50, 3600, 7500, 400_000)] == [
        "1 s",
        "3 s",
        "1 min",
        "1 h",
        "2 h 5 min",
        "4 days",
    ]
    assert [size_words(size) for size in (0, 999, 1500, 15_000_000, 5e15)] == [
        "0 bytes",
        "999 bytes",
        "1.5 kB",
        "15 MB",
        "5000.0 TB",
    ]
    assert soon_words(NOW + timedelta(minutes=5), NOW) == "in 5 min"
    assert soon_words(NOW - timedelta(minutes=5), NOW) == "now"
    assert spark_view(()) is None
    spark = spark_view((0, 4, 2))
    assert spark is not None and [rect.height for rect in spark.rects] == [1.5, 24, 12]
    assert max(rect.x + rect.width for rect in spark.rects) <= spark.width


def test_a_look_that_breaks_is_told_by_its_code(
    ana: TestClient, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(*_: object, **__: object) -> None:
        raise UnavailableError("The server does not answer; check the address.", code="source_unreachable")

    monkeypatch.setattr(type(house.services.set_up), "preview", unreachable)
    page = ana.post("/sources/handbook/set-up/preview").text
    assert "The server does not answer" in page and "<code>source_unreachable</code>" in page
    assert ana.get(f"{HANDBOOK}/preview").status_code == 503
