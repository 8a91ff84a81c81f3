"""The same for programs: `/api/v1/quality` and `/api/v1/policy`."""

import pytest

from routing.policy.objectives import Price, Quality, Share
from routing.tier import TierLimits
from tests.fakes.policy import CENT, ScriptedDesk, busy_desk
from tests.web.browser import TestClient
from tests.web.house import House


@pytest.fixture
def busy(house: House) -> ScriptedDesk:
    return busy_desk(house.policies)


def test_quality_in_numbers(ana: TestClient, busy: ScriptedDesk) -> None:
    found = ana.get("/api/v1/quality?days=90").json()
    assert busy.asked_days == [90] and len(found["days"]) == 30
    assert (found["price"], found["price_nano"], found["saved"]) == ("4.12", 412 * CENT, "12.18")
    assert found["quality"] == {
        "estimate": 0.93,
        "low": 0.86,
        "high": 0.97,
        "n": 84,
        "how": busy.report.quality.how,
    }
    assert found["quality_by_day"][-1] == {
        "day": "2026-11-23", "right": 3, "n": 4, "estimate": 0.75, "low": 0.3, "high": 0.95,
    }  # fmt: skip
    assert found["failures"][0]["code"] == "provider_error" and found["drift"][0]["kind"] == "quality"


def test_the_policy_with_its_history(ana: TestClient, busy: ScriptedDesk) -> None:
    found = ana.get("/api/v1/policy").json()
    assert found["objective"] == {"kind": "quality", "share": 0.95, "confidence": 0.9}
    assert (found["state"], found["labels"]["needed"], found["by"]) == ("careful", 60, "Ana Ferreira")
    assert [choice["objective"]["kind"] for choice in found["history"]] == ["quality", "price"]


@pytest.mark.parametrize(
    ("goal", "objective"),
    [
        ({"kind": "quality"}, Quality()),
        ({"kind": "price", "value_nano": 5}, Price(5)),
        ({"kind": "share", "premium": 0.1, "window_days": 7}, Share(0.1, 7)),
    ],
)
def test_choosing(ana: TestClient, busy: ScriptedDesk, goal: dict[str, object], objective: object) -> None:
    chosen = ana.put("/api/v1/policy", json={"objective": goal, "shadow_share": 0.1})
    assert chosen.status_code == 200 and chosen.json()["objective"] == {**chosen.json()["objective"], **goal}
    assert (busy.choices[-1].objective, busy.choices[-1].shadow_share) == (objective, 0.1)
    ana.put("/api/v1/policy", json={"objective": goal, "limits": {"steps": 2}})
    assert (busy.choices[-1].shadow_share, busy.choices[-1].limits) == (0.1, TierLimits(steps=2))
    kept = ana.put("/api/v1/policy", json={"objective": goal}).json()
    assert kept["limits"] == {"steps": 2, "tokens": None, "cost_nano": None}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"objective": {"kind": "quality", "share": 0.1}}, "invalid_quality"),
        ({"objective": {"kind": "share", "premium": 2}}, "invalid_share"),
        ({"objective": {"kind": "price", "value_nano": -1}}, "invalid_value"),
        ({"objective": {"kind": "price", "value_nano": 1, "share": 1}}, "invalid_input"),
        ({"objective": {"kind": "luck"}}, "invalid_input"),
        ({"objective": {"kind": "quality"}, "shadow_share": 2}, "invalid_shadow_share"),
        ({"objective": {"kind": "quality"}, "limits": {"steps": 0}}, "invalid_steps"),
        ({"objective": {"kind": "quality"}, "limits": {"tokens": 1}}, "invalid_tokens"),
        ({"objective": {"kind": "quality"}, "limits": {"cost_nano": 0}}, "invalid_cost"),
        ({}, "invalid_input"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    ana: TestClient, busy: ScriptedDesk, body: dict[str, object], code: str
) -> None:
    before = list(busy.choices)
    refused = ana.put("/api/v1/policy", json=body)
    assert (refused.status_code, refused.json()["code"]) == (422, code) and busy.choices == before


def test_calibrating_and_the_curve(ana: TestClient, busy: ScriptedDesk) -> None:
    made = ana.post("/api/v1/policy/calibrate").json()
    assert (made["changed"], made["state"]) == (True, "careful") and busy.calibrated == ["Ana Ferreira"]
    curve = ana.get("/api/v1/policy/curve").json()
    assert len(curve["points"]) == 41 and curve["today"]["local_share"] == 0.75
    assert curve["points"][0]["cost"] == "8.4" and curve["questions"] == 412


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/v1/quality"),
        ("GET", "/api/v1/policy"),
        ("PUT", "/api/v1/policy"),
        ("POST", "/api/v1/policy/calibrate"),
        ("GET", "/api/v1/policy/curve"),
    ],
)
def test_only_admins(
    tom: TestClient, anonymous: TestClient, busy: ScriptedDesk, method: str, path: str
) -> None:
    before = list(busy.choices)
    body = {"objective": {"kind": "quality"}} if method == "PUT" else None
    refused = tom.request(method, path, json=body)
    assert (refused.status_code, refused.json()["code"]) == (403, "admin_only")
    assert anonymous.request(method, path, json=body).json()["code"] == "not_signed_in"
    assert busy.choices == before and busy.calibrated == []
