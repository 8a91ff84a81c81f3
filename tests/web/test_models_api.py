"""The same for programs: `/api/v1/models`, `/api/v1/adapters/…`, `/api/v1/assignments`."""

import pytest

from app.core.errors import UnavailableError
from tests.web.adapters import ScriptedAdapters, busy_adapters
from tests.web.browser import TestClient
from tests.web.house import House


@pytest.fixture
def busy(house: House) -> ScriptedAdapters:
    full = busy_adapters()
    for name in ("versions", "given", "events", "counts", "state"):
        setattr(house.adapters, name, getattr(full, name))
    return house.adapters


def test_the_ladder_the_server_and_the_adapters(ana: TestClient, busy: ScriptedAdapters) -> None:
    found = ana.get("/api/v1/models").json()
    assert [rung["name"] for rung in found["rungs"]] == ["reader", "local", "premium"]
    assert found["rungs"][0]["unavailable"] is None and found["rungs"][0]["answered"] == 0
    assert found["server"]["loaded"] == ["support.v1", "support.v2"] and found["reader"] is None
    support = found["adapters"][-1]
    assert (support["name"], support["in_service"], support["candidate"]) == ("support", 2, 3)
    assert support["versions"][0]["judgement"]["better"] is True
    assert ana.get("/api/v1/adapters/support").json() == support


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/v1/models"),
        ("GET", "/api/v1/adapters/support"),
        ("POST", "/api/v1/adapters/support/publish"),
        ("POST", "/api/v1/adapters/support/rollback"),
        ("POST", "/api/v1/adapters/support/retire"),
        ("GET", "/api/v1/assignments"),
        ("POST", "/api/v1/assignments"),
        ("DELETE", "/api/v1/assignments/a1"),
    ],
)
def test_only_admins(
    tom: TestClient, anonymous: TestClient, busy: ScriptedAdapters, method: str, path: str
) -> None:
    body = {"scope": "workspace", "adapter": "support"} if path.endswith("assignments") else None
    refused = tom.request(method, path, json=body if method == "POST" else None)
    assert (refused.status_code, refused.json()["code"]) == (403, "admin_only")
    assert anonymous.request(method, path).json()["code"] == "not_signed_in"
    assert busy.given == busy_adapters().given and busy.versions == busy_adapters().versions


def test_publish_roll_back_and_retire(ana: TestClient, busy: ScriptedAdapters) -> None:
    published = ana.post("/api/v1/adapters/support/publish").json()
    assert (published["version"], published["state"]) == (3, "in_service")
    assert ana.post("/api/v1/adapters/support/rollback").json()["version"] == 2
    refused = ana.post("/api/v1/adapters/support/retire", json={"version": 2})
    assert (refused.status_code, refused.json()["code"]) == (409, "in_service")
    retired = ana.post("/api/v1/adapters/support/retire", json={"version": 2, "in_service": True})
    assert retired.json()["state"] == "retired"


def test_problems_have_a_stable_code(ana: TestClient, busy: ScriptedAdapters) -> None:
    for path, body, status, code in (
        ("finance/publish", None, 409, "not_better"),
        ("support/publish", {"version": 9}, 404, "no_such_version"),
        ("support/publish", {"version": 0}, 422, "invalid_input"),
        ("support/publish", {"versoin": 3}, 422, "invalid_input"),
        ("gone/retire", None, 404, "no_such_adapter"),
        ("legal/rollback", None, 409, "no_previous"),
    ):
        response = ana.post(f"/api/v1/adapters/{path}", json=body)
        assert (response.status_code, response.json()["code"]) == (status, code), path
        assert response.headers["content-type"] == "application/problem+json"
    busy.error = UnavailableError("The chat server does not answer.", code="local_server_unreachable")
    assert ana.post("/api/v1/adapters/support/publish").json()["code"] == "local_server_unreachable"


def test_assignments(ana: TestClient, busy: ScriptedAdapters) -> None:
    made = ana.post(
        "/api/v1/assignments", json={"scope": "team", "value": "sales", "adapter": "support"}
    ).json()
    assert made | {"id": ""} == {"id": "", "scope": "team", "value": "sales", "adapter": "support"}
    assert made in ana.get("/api/v1/assignments").json()["assignments"]
    assert ana.delete(f"/api/v1/assignments/{made['id']}").status_code == 204
    assert ana.delete(f"/api/v1/assignments/{made['id']}").json()["code"] == "no_such_assignment"
    bad = ana.post("/api/v1/assignments", json={"scope": "planet", "adapter": "support"})
    assert (bad.status_code, bad.json()["code"]) == (422, "invalid_input")


def test_the_description_for_programs_names_what_can_go_wrong(ana: TestClient) -> None:
    paths = ana.get("/api/v1/openapi.json").json()["paths"]
    assert "409" in paths["/api/v1/adapters/{name}/publish"]["post"]["responses"]
    assert set(paths["/api/v1/assignments"]) == {"get", "post"}
