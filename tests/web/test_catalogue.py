"""The pages and the API of prompts, prices and figures."""

import re
from datetime import timedelta

import pytest
from pydantic import SecretStr
from sqlmodel import select

from app.core.clock import utc_now
from app.core.config import Settings
from routing.catalogue.prices import NewPrice
from routing.llm.deployments import DeploymentState
from routing.question import AskRequest
from routing.tables import QueryRow
from tests.web.browser import TestClient
from tests.web.house import House

MODEL = "openai/gpt-of-tests"
PRICE = {"model": f"premium:{MODEL}", "input_price": "2.50", "output_price": "10", "source": "price page"}


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """With a premium model, so that there is something to price."""
    return settings.model_copy(update={"premium_model": MODEL, "premium_api_key": SecretStr("sk-tests")})


def ask(house: House, *, tier: str = "reader", good: bool | None = None) -> None:
    caller = house.caller("ana@example.com")
    updates = list(house.services.asks.answerer.ask(caller, AskRequest("How long is leave?", tier=tier)))
    if good is not None:
        house.services.asks.answerer.feedback(caller, updates[-1].query_id, good=good)


def text_of(html: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


@pytest.mark.parametrize("path", ["/prompts", "/prompts/premium.v1", "/prompts/premium.v1/serve"])
def test_only_admins_see_prompts(tom: TestClient, anonymous: TestClient, path: str) -> None:
    assert tom.get(path).status_code == 404
    assert anonymous.get(path).status_code in (303, 401)


@pytest.mark.parametrize("path", ["/api/v1/prompts", "/api/v1/prices"])
def test_only_admins_may_use_the_api(tom: TestClient, path: str) -> None:
    assert tom.get(path).status_code == 403


def test_before_anything_was_asked_the_page_says_so(ana: TestClient) -> None:
    page = text_of(ana.get("/models").text)
    assert "No model was called in the last 30 days." in page
    assert "No price is known for openai/gpt-of-tests" in page


def test_each_model_has_its_figures_with_a_table_behind_the_line(ana: TestClient, house: House) -> None:
    ask(house, good=True)
    ask(house, good=False)
    ask(house, tier="premium")
    response = ana.get("/models?days=7")
    page = text_of(response.text)
    assert "50 % right" in page and "over 2 judged" in page
    assert response.text.count("<polyline") == 2
    assert "day by day" in page


def test_each_deployment_shows_its_state_and_its_latest_error(ana: TestClient, house: House) -> None:
    now = utc_now()
    states = (
        DeploymentState("gpt at eu.example", "open", "401: key <b>revoked</b>", now, 7, 3, 15),
        DeploymentState("gpt at us.example", "closed", None, now, 2, 0, 15),
    )
    house.premium.deployments = lambda: states  # type: ignore[attr-defined]
    response = ana.get("/models")
    page = text_of(response.text)
    assert "left out" in page and "3 of 7 calls failed in the last 15 minutes" in page
    assert "401: key &lt;b&gt;revoked" in response.text
    found = ana.get("/api/v1/models").json()["deployments"]
    assert [(one["name"], one["state"]) for one in found] == [(one.name, one.state) for one in states]


def test_a_price_is_entered_and_shown_with_its_origin(ana: TestClient, house: House) -> None:
    response = ana.post("/prices", data=PRICE)
    assert (response.status_code, response.headers["location"]) == (303, "/models?done=priced#prices")
    page = text_of(ana.get("/models?done=priced").text)
    assert "2.5 EUR" in page and "entered by ana@example.com: price page" in page and "in force" in page
    assert "What was paid before stays as it was." in page
    later = utc_now() + timedelta(days=3)
    house.services.catalogue.prices.set(
        house.caller("ana@example.com"), NewPrice("premium", MODEL, "3", "12", since=later)
    )
    page = text_of(ana.get("/models").text)
    assert f"Then 3 read and 12 written from {later:%Y-%m-%d %H:%M} UTC on" in page and "to come" in page


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("input_price", "cheap", "bad_price"),
        ("output_price", "-1", "bad_price"),
        ("cached_price", "NaN", "bad_price"),
        ("since", "yesterday", "bad_moment"),
        ("since", "2020-01-01T00:00", "price_in_the_past"),
        ("model", "elsewhere:x", "bad_deployment"),
    ],
)
def test_a_price_that_cannot_be_is_refused_beside_its_field(
    ana: TestClient, house: House, field: str, value: str, code: str
) -> None:
    response = ana.post("/prices", data=PRICE | {field: value})
    assert response.status_code == 422
    assert f"<code>{code}</code>" in response.text
    wrong = re.search(r'<(?:input|select) name="(\w+)"[^>]*aria-invalid="true"', response.text)
    assert wrong is not None and wrong[1] == field
    assert 'value="price page"' in response.text  # what was filled in is kept
    assert house.services.catalogue.prices.list() == ()


def test_what_people_write_is_escaped(ana: TestClient) -> None:
    ana.post("/prices", data=PRICE | {"source": "<script>alert(1)</script>"})
    assert "<script>alert(1)" not in ana.get("/models").text


def test_a_prompt_is_served_and_taken_back(ana: TestClient, house: House) -> None:
    assert "premium.v1" in ana.get("/prompts").text
    confirm = text_of(ana.get("/prompts/premium.v1/serve").text)
    assert "premium.v1 speaks on the rung premium instead of premium.v2." in confirm
    assert ana.post("/prompts/premium.v1/serve", data={"tier": "premium"}).status_code == 303
    speaking = {now.tier: now.prompt_id for now in house.services.catalogue.prompts.serving("default")}
    assert speaking["premium"] == "premium.v1"
    page = ana.get("/prompts?done=serve").text
    assert "/prompts/premium.v1/rollback" in page and "by ana@example.com" in text_of(page)
    again = ana.post("/prompts/premium.v1/serve", data={"tier": "premium"})
    assert again.status_code == 409 and "already_in_service" in again.text
    assert "Go back to premium.v2?" in text_of(ana.get("/prompts/premium.v1/rollback").text)
    assert ana.post("/prompts/premium.v1/rollback", data={"tier": "premium"}).status_code == 303
    assert "went back to premium.v2 on premium" in text_of(ana.get("/prompts").text)


def test_a_trial_on_a_share_is_begun_and_ended(ana: TestClient, house: House) -> None:
    for percent in ("", "many", "0", "51"):
        refused = ana.post("/prompts/premium.v1/share", data={"percent": percent})
        assert refused.status_code == 422 and 'aria-describedby="share-error"' in refused.text
    assert ana.post("/prompts/premium.v1/share", data={"percent": "5%"}).status_code == 303
    page = text_of(ana.get("/prompts").text)
    assert "premium.v1 speaks on 5 % of the questions" in page
    assert "Nothing was answered on this rung since the trial began." in page
    assert ana.post("/prompts/premium.v1/stop", data={"tier": "premium"}).status_code == 303
    assert house.services.catalogue.prompts.serving("default")[-1].trial_id is None


def test_a_trial_is_shown_with_both_sides(ana: TestClient, house: House) -> None:
    ask(house, tier="premium", good=True)
    house.premium.asked.clear()
    house.services.catalogue.trials.run(house.caller("ana@example.com"), "premium.v1", on="past")
    page = ana.get("/prompts/premium.v1").text
    assert "premium.v1 beside premium.v2 on scripted" in text_of(page)
    found = re.search(r'href="(/prompts/premium.v1/trials/[^"?]+)"', page)
    assert found is not None
    page = text_of(ana.get(found[1]).text)
    assert "Test cases kept" in page and "1.00 over 1" in page
    assert "Too little to judge quality: 1 past question with" in page and "too few to judge" in page
    assert "Nobody is charged for it." in page
    assert ana.get("/usage").status_code == 200  # its cost stands there, and no question leads nowhere


def test_the_cost_is_shown_before_a_trial_begins(ana: TestClient, house: House) -> None:
    ask(house, tier="premium", good=True)
    house.premium.expected_nano = 1_000_000
    house.premium.asked.clear()
    page = text_of(ana.get("/prompts/premium.v1/try?on=past").text)
    assert "15 test cases and 1 past question" in page and "32 answers" in page
    assert "3.20 ct" in page and "€0.26" in page  # 32 answers expected at 0.1 ct, at most 0.8 ct each
    assert "too few to judge quality, which takes 20" in page
    assert house.premium.asked == []


def test_a_trial_is_begun_followed_stopped_and_read_on_the_page(ana: TestClient, house: House) -> None:
    trials = house.services.catalogue.trials
    house.premium.gate.clear()
    begun = ana.post("/prompts/premium.v1/trials", data={"on": "tests", "limit": "50", "most": "1.00"})
    assert begun.status_code == 303
    address = begun.headers["location"].partition("?")[0]
    page = ana.get(begun.headers["location"]).text
    assert "The trial has begun." in page and "0 of 15 questions asked of both" in text_of(page)
    live = ana.get(f"{address}/live", headers={"hx-request": "true"})
    assert "0 of 15" in text_of(live.text) and "<html" not in live.text
    again = ana.post("/prompts/premium.v1/trials", data={"on": "tests"})
    assert again.status_code == 409 and "<code>trial_running</code>" in again.text
    assert ana.post(f"{address}/stop").headers["location"] == f"{address}?done=stop"
    assert "ends after the question under way" in ana.get(address).text
    house.premium.gate.set()
    trials.close()
    assert ana.get(f"{address}/live", headers={"hx-request": "true"}).headers["hx-redirect"] == address
    page = text_of(ana.get(address).text)
    assert "It ended early:" in page and "Put premium.v1 into service" in page
    refused = ana.post(f"{address}/stop")
    assert refused.status_code == 409 and "<code>trial_ended</code>" in refused.text


@pytest.mark.parametrize(
    ("fields", "code", "field"),
    [
        ({"on": "past", "limit": "many"}, "bad_limit", "limit"),
        ({"on": "past", "limit": "501"}, "bad_limit", "limit"),
        ({"on": "past", "limit": "5", "most": "cheap"}, "bad_bound", "most"),
        ({"on": "past", "limit": "5", "most": "-1"}, "bad_bound", "most"),
    ],
)
def test_what_cannot_be_begun_is_refused_beside_its_field(
    ana: TestClient, house: House, fields: dict[str, str], code: str, field: str
) -> None:
    response = ana.post("/prompts/premium.v1/trials", data=fields)
    assert response.status_code == 422 and f"<code>{code}</code>" in response.text
    wrong = re.search(r'<input name="(\w+)"[^>]*aria-invalid="true"', response.text)
    assert wrong is not None and wrong[1] == field
    assert house.services.catalogue.trials.list("default") == ()


def test_a_rung_that_is_not_set_up_says_so_where_a_trial_would_begin(ana: TestClient) -> None:
    response = ana.get("/prompts/local.v1/try")
    assert response.status_code >= 400 and "set RUNG_LOCAL_URL" in response.text
    assert "Begin the trial" not in response.text


def test_both_prompts_on_a_share_are_told_apart_with_an_interval(ana: TestClient, house: House) -> None:
    house.services.catalogue.prompts.share(house.caller("ana@example.com"), "premium.v1", 50)
    for _ in range(2):
        ask(house, tier="premium", good=True)
    with house.database.write() as session:
        for n, row in enumerate(session.exec(select(QueryRow)).all()):
            row.prompt_id = f"premium.v{n + 1}"
            session.add(row)
    page = text_of(ana.get("/prompts").text)
    assert "Share right too few to judge" in page and "95% interval" in page
    assert "Put it into service" in page


def test_the_api_plans_begins_follows_and_stops_a_trial(ana: TestClient, house: House) -> None:
    plan = ana.get("/api/v1/prompts/premium.v1/trials/plan?on=past&limit=5").json()
    assert (plan["tests"], plan["past"], plan["against"]) == (15, 0, "premium.v2")
    house.premium.gate.clear()
    begun = ana.post("/api/v1/prompts/premium.v1/trials", json={"on": "tests", "most_cost_nano": 10**9})
    assert begun.status_code == 202 and begun.json()["state"] == "running"
    trial_id = begun.json()["id"]
    assert ana.post("/api/v1/prompts/premium.v1/trials").json()["code"] == "trial_running"
    stopping = ana.post(f"/api/v1/prompts/trials/{trial_id}/stop").json()
    assert stopping["stop_by"] == "ana@example.com"
    house.premium.gate.set()
    house.services.catalogue.trials.close()
    found = ana.get(f"/api/v1/prompts/trials/{trial_id}").json()
    assert (found["state"], found["done"], found["total"]) == ("ended", 1, 15)
    assert [difference["what"] for difference in found["differences"]] == ["agreement", "cost", "time"]
    assert ana.get("/api/v1/prompts/trials/none").json()["code"] == "no_such_trial"


@pytest.mark.parametrize("path", ["/prompts/premium.v1/try", "/prompts/premium.v1/trials/x"])
def test_only_admins_see_trials(tom: TestClient, path: str) -> None:
    assert tom.get(path).status_code == 404
    assert tom.post("/prompts/premium.v1/trials").status_code == 404
    assert tom.post("/api/v1/prompts/premium.v1/trials").status_code == 403


def test_a_prompt_that_speaks_on_no_rung_is_shown_with_its_test_set_and_not_served(ana: TestClient) -> None:
    page = text_of(ana.get("/prompts/judge.v1").text)
    assert "It speaks on no rung: it compares two answers" in page and "in use" in page
    assert "Answer 1: There are 26 days of annual leave a year." in page
    assert "Put it into service" not in page and "past questions…" not in page
    assert "asks the local model what it knows" in text_of(ana.get("/prompts").text)
    refused = ana.post("/prompts/judge.v1/serve")
    assert refused.status_code == 422 and "<code>wrong_rung</code>" in refused.text
    cards = {card["id"]: card for card in ana.get("/api/v1/prompts").json()["prompts"]}
    assert cards["judge.v1"]["helps"] and cards["closed-book.v1"]["cases"] == 12


@pytest.mark.parametrize("path", ["/prompts/none.v1", "/prompts/none.v1/serve", "/prompts/premium.v1/erase"])
def test_what_is_not_there_is_not_found(ana: TestClient, path: str) -> None:
    assert ana.get(path).status_code in (404, 422)


def test_the_api_gives_and_does_the_same(ana: TestClient) -> None:
    found = ana.get("/api/v1/prompts").json()
    assert {card["id"] for card in found["prompts"]} >= {"local.v1", "premium.v1", "premium.v2"}
    assert ana.post("/api/v1/prompts/premium.v1/serve").json()["prompt_id"] == "premium.v1"
    assert ana.post("/api/v1/prompts/premium.v1/serve").status_code == 409
    assert ana.post("/api/v1/prompts/rollback", json={"tier": "premium"}).json()["prompt_id"] == "premium.v2"
    shared = ana.post("/api/v1/prompts/premium.v1/share", json={"percent": 5}).json()
    assert (shared["trial_id"], shared["share_percent"]) == ("premium.v1", 5)
    assert ana.post("/api/v1/prompts/stop", json={"tier": "premium"}).json()["trial_id"] is None
    entry = {"deployment": "premium", "model": MODEL, "input_price": "2.50", "output_price": "10"}
    assert ana.post("/api/v1/prices", json=entry).status_code == 201
    assert ana.post("/api/v1/prices", json=entry | {"input_price": "x"}).json()["code"] == "bad_price"
    prices = ana.get("/api/v1/prices").json()
    assert prices["now"][0]["input_price"] == "2.50" and len(prices["entries"]) == 1
    assert prices["now"][0]["since"] is not None
    assert ana.get("/api/v1/prompts/premium.v1").json()["trials"] == []


def test_the_models_of_the_api_have_their_figures(ana: TestClient, house: House) -> None:
    ask(house, good=True)
    found = ana.get("/api/v1/models?days=7").json()
    (figures,) = found["figures"]
    assert (figures["tier"], figures["calls"], figures["quality"]["judged"]) == ("reader", 1, 1)
    assert len(figures["days"]) == 7 and found["deployments"] == []
