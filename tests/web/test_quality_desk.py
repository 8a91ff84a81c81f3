"""The pages of quality and policy with the real desk behind them."""

import re
from dataclasses import replace

import pytest

from app.core.config import Settings
from routing.policy.service import PolicyDesk
from tests.web.browser import TestClient
from tests.web.house import House
from web.application import create_app

LEAVE = "How many weeks of parental leave does each parent take in Spain?"


@pytest.fixture
def ana(house: House, settings: Settings) -> TestClient:
    desk = PolicyDesk(
        house.database,
        ladder=lambda: house.services.asks.answerer.ladder,
        charges=house.services.usage.charges,
        currency=house.services.usage.plan.currency,
    )
    services = replace(house.services, policies=desk)
    browser = TestClient(create_app(services), follow_redirects=False)
    browser.get(f"/sign-in/link/{services.sign_ins.make_link('ana@example.com')}")
    return browser


def test_an_installation_without_questions_has_both_pages(ana: TestClient) -> None:
    assert "Nothing was asked in these days." in ana.get("/quality").text
    page = ana.get("/quality/policy").text
    assert "No questions to learn from yet." in page and "the default; nobody has chosen yet" in page
    assert re.search(r"Too few labels: 0 of [1-9]\d* needed\.", page)
    assert ana.get("/api/v1/quality").json()["quality"]["estimate"] is None
    assert ana.get("/api/v1/policy/curve").json()["points"] == []


def test_questions_make_the_chart_the_curve_and_the_counts(ana: TestClient, house: House) -> None:
    ana.post("/ask", data={"question": LEAVE})
    house.reader.error = RuntimeError("broken")
    ana.post("/ask", data={"question": LEAVE})
    page = ana.get("/quality").text
    assert "internal_error" in page and LEAVE not in page
    assert page.count('<rect class="rung-1"') == 2 and page.count('<rect class="failed"') == 1
    policy = ana.get("/quality/policy").text
    assert "From 1 past question since" in policy and "As today: 100 %" in policy


def test_a_choice_is_kept_with_who_made_it(ana: TestClient) -> None:
    form = {"kind": "share", "premium_percent": "10", "window_days": "7", "shadow_percent": "1"}
    assert ana.post("/quality/policy", data=form).headers["location"] == "/quality/policy?done=chosen"
    page = ana.get("/quality/policy").text
    assert "At most 10 % premium over 7 days." in page and "by Ana Ferreira" in page
    assert "Shadow samples 1 %" in page
    ana.put("/api/v1/policy", json={"objective": {"kind": "price", "value_nano": 250_000_000}})
    found = ana.get("/api/v1/policy").json()
    assert found["objective"] == {"kind": "price", "value_nano": 250_000_000}
    assert found["shadow_share"] == 0.01
    assert ana.post("/quality/policy/calibrate").status_code == 303
    assert ana.post("/api/v1/policy/calibrate").json()["changed"] is False
