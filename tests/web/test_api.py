import json
import re
from decimal import Decimal

import pytest

from tests.web.browser import TestClient
from tests.web.house import BOARD_ID, LEAVE_ID, House
from web.deps import HealthCheck

LEAVE = "How many weeks of parental leave does each parent take in Spain?"


def test_search_answers_in_the_promised_shape(tom: TestClient) -> None:
    body = tom.post("/api/v1/search", json={"query": "parental leave", "limit": 5}).json()
    assert set(body) == {"passages", "took_ms"}
    first = body["passages"][0]
    promised = {
        "document_id",
        "title",
        "url",
        "source",
        "author",
        "updated_at",
        "text",
        "highlights",
        "score",
    }
    assert promised <= set(first)
    assert first["document_id"] == LEAVE_ID and first["source"] == "handbook"
    for mark in first["highlights"]:
        assert 0 <= mark["start"] < mark["end"] <= len(first["text"])


def test_search_filters_narrow(tom: TestClient) -> None:
    for filters in ({"sources": ["none"]}, {"after": "2026-03-05"}, {"before": "2026-03-04T09:00:00Z"}):
        response = tom.post("/api/v1/search", json={"query": "leave", "filters": filters})
        assert response.status_code == 200 and response.json()["passages"] == []
    found = tom.post("/api/v1/search", json={"query": "leave", "filters": {"after": "2026-03-04"}})
    assert found.json()["passages"]


def test_ask_answers_in_the_promised_shape(tom: TestClient) -> None:
    body = tom.post("/api/v1/ask", json={"question": LEAVE}).json()
    assert {"query_id", "answer", "abstained", "citations", "route", "receipt"} <= set(body)
    assert "16 weeks" in body["answer"] and body["abstained"] is False
    assert set(body["citations"][0]) >= {"n", "document_id", "title", "url", "quote"}
    assert set(body["route"]) == {"difficulty", "tier", "reasons", "attempts", "steps"}
    receipt = body["receipt"]
    assert Decimal(receipt["price"]) == Decimal(receipt["price_nano"]) / 10**9 == Decimal("0.001")
    assert isinstance(receipt["price"], str) and isinstance(receipt["price_nano"], int)
    assert receipt["currency"] == "EUR"
    stored = tom.get(f"/api/v1/queries/{body['query_id']}").json()
    assert stored["answer"] == body["answer"] and stored["receipt"] == receipt


def test_ask_streams_the_events_of_an_answer_as_json(tom: TestClient) -> None:
    with tom.stream("POST", "/api/v1/ask", json={"question": LEAVE, "stream": True}) as stream:
        text = "".join(stream.iter_text())
    events = re.findall(r"^event: (\w+)\ndata: (.+)$", text, re.M)
    names = [name for name, _ in events]
    assert names[:2] == ["passages", "route"] and names[-2:] == ["answer", "receipt"]
    words = "".join(json.loads(data)["text"] for name, data in events if name == "delta")
    assert words == json.loads(events[-2][1])["answer"]


def test_a_follow_up_and_a_named_rung(tom: TestClient) -> None:
    first = tom.post("/api/v1/ask", json={"question": LEAVE}).json()
    body = {"question": "And after that?", "conversation_id": first["conversation_id"], "tier": "premium"}
    second = tom.post("/api/v1/ask", json=body).json()
    assert second["conversation_id"] == first["conversation_id"]
    assert second["route"]["tier"] == "premium"


def test_escalating_and_feedback(tom: TestClient, mei: TestClient) -> None:
    query_id = tom.post("/api/v1/ask", json={"question": LEAVE}).json()["query_id"]
    better = tom.post(f"/api/v1/queries/{query_id}/escalate").json()
    assert better["route"]["tier"] == "premium" and better["query_id"] != query_id
    top = tom.post(f"/api/v1/queries/{better['query_id']}/escalate")
    assert top.status_code == 409 and top.json()["code"] == "no_better_tier"
    assert tom.get(f"/api/v1/queries/{query_id}").json()["feedback"] is None
    assert tom.post(f"/api/v1/queries/{query_id}/feedback", json={"good": False}).status_code == 204
    kept = tom.get(f"/api/v1/queries/{query_id}").json()["feedback"]
    assert kept == {"good": False, "code": None, "reason": ""}
    both = tom.post(f"/api/v1/queries/{query_id}/feedback", json={"good": True, "code": "wrong"})
    assert (both.status_code, both.json()["code"]) == (422, "code_with_good")
    for method, path in (("POST", "escalate"), ("POST", "feedback")):
        response = mei.request(
            method, f"/api/v1/queries/{query_id}/{path}", json={"good": True} if path == "feedback" else None
        )
        assert response.status_code == 404 and response.json()["code"] == "no_such_query"
    assert mei.get(f"/api/v1/queries/{query_id}").json()["code"] == "no_such_query"


def test_route_tells_the_rung_without_asking(tom: TestClient, house: House) -> None:
    body = tom.post("/api/v1/route", json={"question": LEAVE}).json()
    assert 0 <= body["difficulty"] <= 1 and body["tier"] in ("reader", "premium") and body["passages"]
    assert house.reader.asked == []


UNUSABLE = (
    ("", "empty_question"),
    ("  \n ", "empty_question"),
    ("x" * 20_000, "question_too_long"),
    ("a\x07b", "control_characters"),
)


@pytest.mark.parametrize(("path", "name"), [("ask", "question"), ("search", "query"), ("route", "question")])
def test_a_question_that_cannot_be_used_has_a_stable_code(tom: TestClient, path: str, name: str) -> None:
    for text, code in UNUSABLE:
        response = tom.post(f"/api/v1/{path}", json={name: text})
        assert response.status_code == 422
        assert response.headers["content-type"] == "application/problem+json"
        body = response.json()
        assert set(body) == {"type", "title", "status", "detail", "code"}
        assert body["code"] == code and body["status"] == 422


def test_fields_that_are_wrong_are_named_one_by_one(tom: TestClient) -> None:
    body = tom.post("/api/v1/search", json={"query": 7, "limit": "many"}).json()
    assert set(body["errors"]) == {"query", "limit"}
    broken = tom.post("/api/v1/search", content=b"{", headers={"Content-Type": "application/json"}).json()
    assert broken["code"] == "invalid_input" and "errors" not in broken


def test_another_script_is_no_error(tom: TestClient) -> None:
    assert tom.post("/api/v1/ask", json={"question": "スペインの育児休暇は？"}).status_code == 200


MALFORMED: tuple[tuple[dict[str, object], str], ...] = (
    ({}, "invalid_input"),
    ({"question": "x", "surprise": 1}, "invalid_input"),
    ({"question": 5}, "invalid_input"),
    ({"question": "x", "tier": "golden"}, "no_such_tier"),
    ({"question": "x", "filters": {"after": "soon"}}, "invalid_input"),
)


def test_a_malformed_request_says_what_is_wrong(tom: TestClient) -> None:
    for body, code in MALFORMED:
        response = tom.post("/api/v1/ask", json=body)
        assert response.status_code == 422 and response.json()["code"] == code and response.json()["detail"]


def test_a_rung_that_cannot_be_used_says_why(tom: TestClient, house: House) -> None:
    house.premium.unavailable = "No premium model is set up; set RUNG_PREMIUM_MODEL."
    response = tom.post("/api/v1/ask", json={"question": "x", "tier": "premium"})
    assert response.status_code == 422 and response.json()["code"] == "tier_unavailable"


def test_a_used_up_budget_is_402(sqlite_database, settings) -> None:  # type: ignore[no-untyped-def]
    from tests.web.house import make_house
    from web.application import create_app

    house = make_house(sqlite_database, settings, budget_nano=1)
    _, key = house.services.sign_ins.make_key("tom@example.com", "laptop")
    browser = TestClient(create_app(house.services), headers={"Authorization": f"Bearer {key}"})
    response = browser.post("/api/v1/ask", json={"question": LEAVE})
    assert response.status_code == 402 and response.json()["code"] == "budget_exceeded"
    house.services.asks.close()


def test_without_a_sign_in_or_with_a_bad_key_nothing_is_answered(anonymous: TestClient) -> None:
    response = anonymous.post("/api/v1/search", json={"query": "leave"})
    assert response.status_code == 401 and response.json()["code"] == "not_signed_in"
    bad = anonymous.get("/api/v1/usage", headers={"Authorization": "Bearer rung_no"})
    assert bad.status_code == 401 and bad.json()["code"] == "key_not_valid"


def test_the_restricted_document_reaches_its_reader_alone(tom: TestClient, mei: TestClient) -> None:
    ask = {"question": "When is the merger with Aquatrace planned?"}
    assert BOARD_ID in mei.post("/api/v1/search", json={"query": ask["question"]}).text
    assert BOARD_ID in mei.post("/api/v1/ask", json=ask).text
    for path, body in (("search", {"query": ask["question"]}), ("ask", ask), ("route", ask)):
        text = tom.post(f"/api/v1/{path}", json=body).text
        assert BOARD_ID not in text and "planned for June" not in text


def test_usage_and_sources(tom: TestClient, ana: TestClient) -> None:
    tom.post("/api/v1/ask", json={"question": LEAVE})
    mine = tom.get("/api/v1/usage").json()
    assert mine["questions"] == 1 and mine["spent_nano"] == 1_000_000 and mine["spent"] == "0.001"
    assert ana.get("/api/v1/usage").json()["questions"] == 0
    assert ana.get("/api/v1/usage?scope=workspace").json()["questions"] == 1
    assert tom.get("/api/v1/usage?scope=workspace").json()["code"] == "admin_only"
    assert tom.get("/api/v1/usage?month=november").json()["code"] == "invalid_input"
    assert tom.get("/api/v1/sources").json()["code"] == "admin_only"
    sources = ana.get("/api/v1/sources").json()["sources"]
    assert [(s["name"], s["documents"], s["last_run"]["wording"]) for s in sources] == [
        ("handbook", 3, "complete with 1 failure")
    ]


def test_health(anonymous: TestClient, house: House) -> None:
    assert anonymous.get("/healthz").json() == {"status": "ok"}
    assert anonymous.get("/readyz").status_code == 200
    house.health[1] = HealthCheck("index", False, "The engine does not answer.")
    response = anonymous.get("/readyz")
    assert (
        response.status_code == 503
        and response.json()["checks"][1]["detail"] == "The engine does not answer."
    )


def test_metrics_are_for_this_machine_or_an_admins_key(app, anonymous: TestClient, house: House) -> None:  # type: ignore[no-untyped-def]
    assert anonymous.get("/metrics").status_code == 403
    local = TestClient(app, client=("127.0.0.1", 1))
    local.get("/healthz")
    assert 'route="/healthz"' in local.get("/metrics").text
    assert local.get("/metrics", headers={"X-Forwarded-For": "10.0.0.9"}).status_code == 403
    _, key = house.services.sign_ins.make_key("ana@example.com", "prometheus")
    assert anonymous.get("/metrics", headers={"Authorization": f"Bearer {key}"}).status_code == 200


def test_the_description_of_the_api_names_every_shape(anonymous: TestClient) -> None:
    spec = anonymous.get("/api/v1/openapi.json").json()
    for path in ("/api/v1/search", "/api/v1/ask", "/api/v1/queries/{query_id}", "/api/v1/usage", "/readyz"):
        assert path in spec["paths"]
    ask = spec["paths"]["/api/v1/ask"]["post"]["responses"]
    assert ask["200"]["content"]["application/json"]["schema"]["$ref"].endswith("AskOut")
    assert ask["422"]["content"]["application/json"]["schema"]["$ref"].endswith("Problem")
    assert not [
        path for path in spec["paths"] if not path.startswith(("/api/", "/healthz", "/readyz", "/metrics"))
    ]
