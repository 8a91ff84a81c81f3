"""The page of models and rungs, an adapter's page, and the acts on it."""

import re
from dataclasses import dataclass, replace

import pytest

from app.core.errors import IntegrityError, UnavailableError
from routing.adapters.adapter import ServerState
from tests.web.adapters import ScriptedAdapters, busy_adapters, judged
from tests.web.browser import TestClient
from tests.web.conftest import SignIn
from tests.web.house import House
from web.application import create_app

PAGES = ("/models", "/models/support", "/models/support/publish", "/assignments/a1/remove")


@dataclass(frozen=True)
class Card:
    name: str = "reader.v1"
    base: str = "all-MiniLM-L6-v2 (sha256 53aa)"
    sha256: str = "ab" * 32
    trained_at: str = "2026-11-23"
    size_bytes: int = 5_300_000

    @property
    def trained_on(self) -> dict[str, int]:
        return {"squad_v2": 4000}

    @property
    def scores(self) -> dict[str, float]:
        return {"sentence_right": 0.934}


def main_of(page: str) -> str:
    return page[page.index("<main") : page.index("</main>")]


@pytest.fixture
def busy(house: House) -> ScriptedAdapters:
    full = busy_adapters()
    for name in ("versions", "given", "events", "counts", "state"):
        setattr(house.adapters, name, getattr(full, name))
    return house.adapters


@pytest.mark.parametrize("path", PAGES)
def test_for_anyone_but_an_admin_the_pages_are_not_there(
    tom: TestClient, busy: ScriptedAdapters, path: str
) -> None:
    missing, page = tom.get("/no-such-page"), tom.get(path)
    assert (page.status_code, missing.status_code) == (404, 404)
    assert main_of(page.text) == main_of(missing.text)
    for act in ("publish", "rollback", "retire"):
        assert tom.post(f"/models/support/{act}").status_code == 404
    assert tom.post("/assignments", data={"target": "workspace:", "adapter": "support"}).status_code == 404
    assert tom.post("/assignments/a1/remove").status_code == 404
    assert busy.events == busy_adapters().events and busy.given == busy_adapters().given
    assert "/models" not in tom.get("/").text


def test_the_ladder_says_what_answers_what_it_takes_and_how_much_it_did(
    ana: TestClient, house: House
) -> None:
    house.premium.unavailable = "Set RUNG_PREMIUM_MODEL and RUNG_PREMIUM_API_KEY."
    ana.post("/ask", data={"question": "How many weeks of parental leave does each parent take in Spain?"})
    page = ana.get("/models").text
    assert page.index("Reader") < page.index("Premium model")
    assert "all-MiniLM-L6-v2" in page and "0.10 ct an answer" in page
    assert "Set RUNG_PREMIUM_MODEL and RUNG_PREMIUM_API_KEY." in page and "not available" in page
    assert "what it costs us plus 20 %, at least 0.40 ct" in page
    assert "1 question was asked in the last 30 days" in page
    assert re.search(r"<strong>1</strong> answer\b", page) and "100 % of the answers" in page


def test_without_a_server_or_an_adapter_the_page_says_what_to_do_first(ana: TestClient) -> None:
    page = ana.get("/models").text
    assert "No chat server is set up." in page and "RUNG_LOCAL_URL" in page
    assert "There is no adapter yet" in page and "There is no example to train on yet." in page
    assert "python -m app adapter train NAME --base DIR" in page
    assert 'action="/assignments"' not in page


def test_a_server_that_does_not_answer_is_said_in_its_words(ana: TestClient, house: House) -> None:
    house.adapters.state = ServerState("http://127.0.0.1:9/v1", False, None, (), "Nothing listens there.")
    page = ana.get("/models").text
    assert "not reachable" in page and "Nothing listens there." in page


def test_the_reading_adapter_stands_there_with_the_scores_of_its_card(house: House, sign_in: SignIn) -> None:
    app = create_app(replace(house.services, reader_card=Card))
    browser = TestClient(app, follow_redirects=False)
    browser.get(f"/sign-in/link/{house.services.sign_ins.make_link('ana@example.com')}")
    page = browser.get("/models").text
    assert "reader.v1, 5.3 MB, on all-MiniLM-L6-v2" in page and "0.934" in page
    assert "2026-11-23, on squad_v2 (4,000 examples)" in page


def test_a_reading_adapter_that_cannot_be_used_is_said(house: House, sign_in: SignIn) -> None:
    def damaged() -> Card:
        raise IntegrityError("The reading adapter was altered.", code="adapter_altered")

    app = create_app(replace(house.services, reader_card=damaged))
    browser = TestClient(app, follow_redirects=False)
    browser.get(f"/sign-in/link/{house.services.sign_ins.make_link('ana@example.com')}")
    page = browser.get("/models")
    assert page.status_code == 200 and "The reading adapter was altered." in page.text
    assert browser.get("/api/v1/models").json()["reader"]["problem"] == "The reading adapter was altered."


def test_adapters_are_listed_with_their_candidate_and_its_judgement(
    ana: TestClient, busy: ScriptedAdapters
) -> None:
    page = ana.get("/models").text
    assert "71 % against 66 % over 120 questions: better than support.v2" in page
    assert "41 % against 44 % over 64 questions: not better than the base model" in page
    assert "those who may read all 36 documents it was made of" in page and "group:finance" in page
    assert "238 answers that people marked as good and 41 premium answers" in page
    assert "it could serve 2 of 3 people" in page and "marked as wrong" in page


def test_the_filter_goes_by_name_and_by_state(ana: TestClient, busy: ScriptedAdapters) -> None:
    def shown(query: str) -> set[str]:
        return set(re.findall(r'href="/models/([a-z-]+)" data-result', ana.get(f"/models{query}").text))

    assert shown("?q=SUPP") == {"support", "customer-support-and-field-service-spain-portugal-night-shift"}
    assert shown("?state=failed") == {"legal"}
    assert shown("?q=legal&state=in_service") == set()
    assert "Show all 4" in ana.get("/models?q=nothing-like-it").text
    assert ana.get("/models?state=asleep").status_code == 422


def test_an_adapters_page_shows_versions_card_history_and_commands(
    ana: TestClient, busy: ScriptedAdapters
) -> None:
    page = ana.get("/models/support").text
    assert "version 2, as" in page and "team engineering" in page
    assert "python -m app adapter judge support" in page
    assert "python -m app adapter train support --base DIR" in page
    assert "Qwen/Qwen3-4B-Instruct" in page and "12.4 MB" in page
    assert "by Operator" in page and "by Ana Ferreira" in page
    assert 'href="/models/support/publish?version=3"' in page


def test_an_adapter_that_is_not_there_is_a_missing_page(ana: TestClient, busy: ScriptedAdapters) -> None:
    page = ana.get("/models/nothing")
    assert page.status_code == 404 and "no_such_adapter" in page.text
    assert ana.get("/models/support/publish?version=9").status_code == 404
    assert ana.get("/models/support/explode").status_code == 422


def test_publishing_asks_once_naming_what_changes_and_then_does_it(
    ana: TestClient, busy: ScriptedAdapters
) -> None:
    asked = ana.get("/models/support/publish?version=3").text
    assert "Publish version 3 of support?" in asked
    assert "support.v2 no longer answers. It is kept" in asked
    assert "support.v1, kept until now, is no longer the one to go back to." in asked
    assert busy.get("default", "support").in_service.version == 2  # type: ignore[union-attr]
    done = ana.post("/models/support/publish", data={"version": "3"})
    assert (done.status_code, done.headers["location"]) == (303, "/models/support?done=publish&version=3")
    assert busy.get("default", "support").in_service.version == 3  # type: ignore[union-attr]
    assert "Version 3 is in service now." in ana.get(done.headers["location"]).text


def test_a_candidate_that_is_not_better_cannot_be_published_and_the_page_says_why(
    ana: TestClient, busy: ScriptedAdapters
) -> None:
    name = "customer-support-and-field-service-spain-portugal-night-shift"
    page = ana.get(f"/models/{name}").text
    assert "It was not judged better than the base model" in page
    assert f"/models/{name}/publish" not in page
    asked = ana.get(f"/models/{name}/publish").text
    assert "It was not judged better" in asked and '<button class="primary"' not in asked
    assert "It has not been judged yet" in ana.get("/models/finance").text
    busy.versions = [
        replace(v, judgement=judged(0.9, 0.5, "support.v1")) if v.state == "candidate" else v
        for v in busy.versions
    ]
    assert "It was judged against support.v1, and support.v2 answers now." in ana.get("/models/support").text
    busy.versions = busy_adapters().versions
    refused = ana.post(f"/models/{name}/publish", data={"version": "1"})
    assert refused.status_code == 409
    assert busy.get("default", name).in_service is None


def test_an_error_stands_beside_the_button_with_its_code(ana: TestClient, busy: ScriptedAdapters) -> None:
    busy.error = UnavailableError("The chat server does not answer.", code="local_server_unreachable")
    page = ana.post("/models/support/publish", data={"version": "3"})
    assert page.status_code == 503
    problem, button = (
        page.text.index("The chat server does not answer."),
        page.text.index("Publish version 3</b"),
    )
    assert problem < button and "local_server_unreachable" in page.text[problem:button]
    assert busy.get("default", "support").in_service.version == 2  # type: ignore[union-attr]


def test_going_back_and_retiring(ana: TestClient, busy: ScriptedAdapters) -> None:
    assert "support.v1 answers again" in ana.get("/models/support/rollback").text
    assert ana.post("/models/support/rollback").status_code == 303
    assert busy.get("default", "support").in_service.version == 1  # type: ignore[union-attr]
    asked = ana.get("/models/support/retire?version=1").text
    assert "It answers now. Questions of team engineering go to the bare base model" in asked
    refused = ana.post("/models/support/retire", data={"version": "1"})
    assert refused.status_code == 409 and "in_service" in refused.text
    fields = dict(re.findall(r'name="(\w+)" value="(\w+)"', asked))
    assert ana.post("/models/support/retire", data=fields).status_code == 303
    assert busy.get("default", "support").in_service is None


def test_there_is_nothing_to_go_back_to_without_a_previous_version(
    ana: TestClient, busy: ScriptedAdapters
) -> None:
    page = ana.get("/models/legal/rollback")
    assert page.status_code == 409 and "no_previous" in page.text


def test_assignments_are_made_replaced_and_removed(ana: TestClient, busy: ScriptedAdapters) -> None:
    page = ana.get("/models").text
    assert 'value="team:finance"' in page and 'value="source_kind:folder"' in page
    done = ana.post("/assignments", data={"target": "source_kind:folder", "adapter": "support"})
    assert done.headers["location"] == "/models?done=assigned#assignments"
    assert "sources of kind folder" in ana.get("/models?done=assigned").text
    made = busy.given[-1]
    assert (made.scope, made.value, made.adapter) == ("source_kind", "folder", "support")
    assert "no longer go to support" in ana.get(f"/assignments/{made.id}/remove").text
    assert ana.post(f"/assignments/{made.id}/remove").status_code == 303
    assert made not in busy.given
    assert ana.get(f"/assignments/{made.id}/remove").status_code == 404


@pytest.mark.parametrize(
    ("target", "adapter", "code", "status"),
    [
        ("", "support", "bad_scope", 422),
        ("planet:mars", "support", "bad_scope", 422),
        ("team:", "support", "no_scope_value", 422),
        ("workspace:", "gone", "no_such_adapter", 404),
    ],
)
def test_an_assignment_that_cannot_be_made_is_explained_beside_the_form(
    ana: TestClient, busy: ScriptedAdapters, target: str, adapter: str, code: str, status: int
) -> None:
    page = ana.post("/assignments", data={"target": target, "adapter": adapter})
    assert page.status_code == status
    assert 'id="assign-error"' in page.text and f"<code>{code}</code>" in page.text


def test_the_forms_are_refused_from_another_site(ana: TestClient, busy: ScriptedAdapters) -> None:
    elsewhere = {"Sec-Fetch-Site": "cross-site"}
    for path in (
        "/models/support/publish",
        "/models/support/retire",
        "/assignments",
        "/assignments/a1/remove",
    ):
        assert ana.post(path, headers=elsewhere).status_code == 403
    assert busy.get("default", "support").in_service.version == 2  # type: ignore[union-attr]


def test_a_name_is_text_and_nothing_else(ana: TestClient, busy: ScriptedAdapters) -> None:
    evil = "<script>alert(1)</script>"
    busy.versions = [replace(found, adapter=evil, served_name=evil, problem=evil) for found in busy.versions]
    page = ana.get("/models").text + ana.get("/models/%3Cscript%3Ealert(1)%3C%2Fscript%3E").text
    assert "<script>alert" not in page and "&lt;script&gt;alert(1)" in page
