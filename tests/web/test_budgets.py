"""Budgets in pages and the API, on a real ledger: what is set holds the next question back."""

from typing import Any
from urllib.parse import quote

import pytest

from tests.web.browser import TestClient

QUESTION = {"question": "How many weeks of parental leave are there in Spain?"}


def ask(browser: TestClient, tier: str = "premium") -> dict[str, Any]:
    found: dict[str, Any] = browser.post("/api/v1/ask", json={**QUESTION, "tier": tier}).json()
    return found


def put(browser: TestClient, **body: object) -> Any:
    return browser.put("/api/v1/budgets", json=body)


def test_the_page_is_there_for_admins_alone(ana: TestClient, tom: TestClient, anonymous: TestClient) -> None:
    page = ana.get("/budgets").text
    assert "No team and no person has a budget yet." in page and "No budget was set yet." in page
    assert 'href="/budgets" aria-current="page"' in page
    assert tom.get("/budgets").status_code == 404
    assert tom.post("/budgets/set", data={"target": "workspace:", "cap": "5"}).status_code == 404
    assert anonymous.get("/budgets").headers["location"].startswith("/sign-in")


def test_a_budget_is_set_shown_and_removed(ana: TestClient) -> None:
    asked = ana.get("/budgets/set", params={"target": "team:finance", "cap": "50.00"}).text
    assert "Set the budget of Team finance to €50.00 a month?" in asked
    assert "€50.00 would be left" in asked
    assert "Team finance may spend" not in ana.get("/budgets").text
    done = ana.post("/budgets/set", data={"target": "team:finance", "cap": "50.00"})
    assert done.headers["location"] == "/budgets?done=set"
    page = ana.get("/budgets?done=set").text
    assert "The budget is set." in page and "within budget" in page and "Team finance: €50.00 a month" in page
    assert "by Ana Ferreira" in page
    remove = "/budgets/remove?target=" + quote("team:finance", safe="")
    assert f'href="{remove}"' in page
    assert "Remove the budget of Team finance?" in ana.get(remove).text
    assert ana.post("/budgets/remove", data={"target": "team:finance"}).status_code == 303
    assert "Team finance: budget removed" in ana.get("/budgets").text
    again = ana.post("/budgets/remove", data={"target": "team:finance"})
    assert again.status_code == 404 and "<code>no_such_budget</code>" in again.text


@pytest.mark.parametrize(
    ("target", "cap", "code", "field", "status"),
    [
        ("team:finance", "-5", "negative_amount", "cap", 422),
        ("team:finance", "", "no_amount", "cap", 422),
        ("team:finance", "12,50", "invalid_amount", "cap", 422),
        ("team:finance", "99999999999999", "amount_too_large", "cap", 413),
        ("team:finance", "5 USD", "other_currency", "cap", 422),
        ("team:mars", "5", "no_such_team", "target", 404),
        ("user:nobody@example.com", "5", "no_such_user", "target", 404),
        ("user:nobody", "5", "invalid_email", "target", 422),
        ("", "5", "bad_scope", "target", 422),
        ("<script>alert(1)</script>", "<script>alert(2)</script>", "bad_scope", "target", 422),
    ],
)
def test_what_cannot_be_set_is_explained_beside_its_field(
    ana: TestClient, target: str, cap: str, code: str, field: str, status: int
) -> None:
    form = {"target": target, "cap": cap}
    for page in (ana.get("/budgets/set", params=form), ana.post("/budgets/set", data=form)):
        assert page.status_code == status
        assert f"<code>{code}</code>" in page.text and "<script>alert" not in page.text
        at = page.text.index('aria-invalid="true"')
        assert f'name="{field}"' in page.text[page.text.rindex("<", 0, at) : at]
    assert "No budget was set yet." in ana.get("/budgets").text


def test_the_forms_are_refused_from_another_site(ana: TestClient) -> None:
    elsewhere = {"Sec-Fetch-Site": "cross-site"}
    for path in ("/budgets/set", "/budgets/remove"):
        assert ana.post(path, data={"target": "workspace:", "cap": "5"}, headers=elsewhere).status_code == 403


@pytest.mark.parametrize(
    ("body", "whose"),
    [
        ({"scope": "user", "user": "tom@example.com"}, "Your budget of this month"),
        ({"scope": "team", "team": "engineering"}, "The team's budget of this month"),
        ({"scope": "workspace"}, "The company's budget of this month"),
    ],
)
def test_without_room_a_cheaper_rung_answers_and_says_whose_budget_it_was(
    ana: TestClient, tom: TestClient, body: dict[str, str], whose: str
) -> None:
    assert put(ana, cap="0.005", **body).status_code == 200
    found = ask(tom, "auto")
    route, receipt = found["route"], found["receipt"]
    note = f"{whose} leaves no room for a better rung, so only cheaper ones were used."
    assert note in route["reasons"]
    assert note in receipt["notes"]
    refused = tom.post("/api/v1/ask", json={**QUESTION, "tier": "premium"})
    assert refused.status_code == 402
    assert refused.json()["code"] in ("budget_exceeded", "team_budget_exceeded", "user_budget_exceeded")


def test_a_person_sees_how_much_of_their_own_budget_is_used(ana: TestClient, tom: TestClient) -> None:
    assert "You have used" not in tom.get("/usage").text
    put(ana, scope="user", user="tom@example.com", cap="10.00")
    assert "You have used €0.00 of €10.00 this month." in tom.get("/usage").text
    assert "You have used" not in ana.get("/usage").text
    assert "of a budget" not in ana.get("/usage?scope=workspace").text
    put(ana, scope="workspace", cap="25")
    assert "of a budget of €25.00" in ana.get("/usage?scope=workspace").text
    assert "of a budget" not in tom.get("/usage").text


def test_the_api_lists_sets_and_removes(ana: TestClient, tom: TestClient) -> None:
    spent = ask(tom)["receipt"]
    made = put(ana, scope="team", team="engineering", cap="50.00", currency="EUR").json()
    assert (made["team"], made["cap"], made["cap_nano"]) == ("engineering", "50", 50 * 10**9)
    assert made["spent_nano"] == spent["price_nano"] > 0
    assert made["left_nano"] == 50 * 10**9 - made["spent_nano"]
    assert made["set_by"] == "ana@example.com"
    listed = ana.get("/api/v1/budgets").json()
    assert [it["scope"] for it in listed["budgets"]] == ["workspace", "team"]
    # The forecast moves with the clock, every second of it.
    moving = {"forecast": None, "forecast_nano": None}
    assert {**listed["budgets"][1], **moving} == {**made, **moving}
    assert listed["budgets"][0]["cap"] is None
    where = {"scope": "team", "team": "engineering"}
    assert ana.delete("/api/v1/budgets", params=where).status_code == 204
    gone = ana.delete("/api/v1/budgets", params=where)
    assert (gone.status_code, gone.json()["code"]) == (404, "no_such_budget")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"scope": "team", "team": "engineering", "cap": "-1"}, 422, "negative_amount"),
        ({"scope": "team", "team": "engineering", "cap": 5}, 422, "invalid_input"),
        ({"scope": "team", "team": "engineering", "cap": 5.5}, 422, "invalid_input"),
        ({"scope": "team", "team": "engineering", "cap": "1e3"}, 422, "invalid_amount"),
        ({"scope": "team", "team": "engineering", "cap": "1", "currency": "USD"}, 422, "other_currency"),
        ({"scope": "team", "team": "mars", "cap": "1"}, 404, "no_such_team"),
        ({"scope": "team", "cap": "1"}, 422, "bad_scope"),
        ({"scope": "team", "team": "engineering", "user": "tom@example.com", "cap": "1"}, 422, "bad_scope"),
        ({"scope": "user", "user": "gone@example.com", "cap": "1"}, 404, "no_such_user"),
        ({"scope": "workspace", "cap": "9" * 30}, 413, "amount_too_large"),
        ({"scope": "planet", "cap": "1"}, 422, "invalid_input"),
    ],
)
def test_the_api_says_what_is_wrong(ana: TestClient, body: dict[str, object], status: int, code: str) -> None:
    answer = ana.put("/api/v1/budgets", json=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"


def test_the_api_is_for_admins(tom: TestClient, anonymous: TestClient) -> None:
    body = {"scope": "workspace", "cap": "1"}
    for browser, status in ((tom, 403), (anonymous, 401)):
        assert browser.get("/api/v1/budgets").status_code == status
        assert browser.put("/api/v1/budgets", json=body).status_code == status
        assert browser.delete("/api/v1/budgets", params={"scope": "workspace"}).status_code == status
