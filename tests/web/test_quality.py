"""The pages of quality and policy."""

import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from app.core.errors import InputError
from routing.policy.objectives import Price, Quality, Share
from routing.policy.reports import LabelCounts
from routing.tier import TierLimits
from tests.fakes.policy import CENT, TOO_FEW, ScriptedDesk, busy_curve, busy_desk
from tests.web.browser import TestClient
from tests.web.house import House

FORM = {
    "kind": "quality",
    "quality_percent": "95",
    "confidence_percent": "90",
    "value": "",
    "premium_percent": "20",
    "window_days": "30",
    "shadow_percent": "",
    "steps": "",
    "tokens": "",
    "question_cost": "",
}


def main_of(page: str) -> str:
    return page[page.index("<main") : page.index("</main>")]


@pytest.fixture
def desk(house: House) -> ScriptedDesk:
    return house.policies


@pytest.fixture
def busy(desk: ScriptedDesk) -> ScriptedDesk:
    return busy_desk(desk)


def test_for_anyone_but_an_admin_the_pages_are_not_there(tom: TestClient, busy: ScriptedDesk) -> None:
    missing, chosen = tom.get("/no-such-page"), list(busy.choices)
    for path in ("/quality", "/quality/policy"):
        page = tom.get(path)
        assert page.status_code == 404 and main_of(page.text) == main_of(missing.text)
    assert tom.post("/quality/policy", data=FORM).status_code == 404
    assert tom.post("/quality/policy/calibrate").status_code == 404
    assert busy.choices == chosen and busy.calibrated == []
    assert 'href="/quality' not in tom.get("/").text


def test_without_questions_the_page_says_so_and_what_to_do(ana: TestClient, desk: ScriptedDesk) -> None:
    page = main_of(ana.get("/quality").text)
    assert "Nothing was asked in these days." in page and "<svg" not in page
    assert desk.report.calibration in page
    policy = main_of(ana.get("/quality/policy").text)
    assert "No questions to learn from yet." in policy and "the default; nobody has chosen yet" in policy
    assert 'action="/quality/policy"' in policy


def test_the_page_tells_shares_quality_cost_drift_and_failures(ana: TestClient, busy: ScriptedDesk) -> None:
    page = main_of(ana.get("/quality").text)
    for words in (
        "78 %",
        "93 %",
        "between 86 % and 97 %",
        busy.report.quality.how,
        "€12.18",
        "€4.12 of €16.30",
        "The answers got worse.",
        "12 of 60 local answers were wrong",
        busy.report.calibration,
        "provider_error",
    ):
        assert words in page, words
    rows = re.findall(r'<th scope="row" class="nowrap">(\d+ Nov)</th>((?:<td[^>]*>[^<]*</td>)+)', page)
    told = {day: re.findall(r">([^<]*)</td>", cells) for day, cells in rows if "to" in cells}
    assert told == {"22 Nov": ["90", "60 to 98", "10"], "23 Nov": ["75", "30 to 95", "4"]}
    assert page.count('class="whisker"') == 2
    assert re.search(r"<code>budget_exceeded</code></th><td[^>]*>1</td>", page)


def test_drift_is_told_also_where_there_is_none(ana: TestClient, busy: ScriptedDesk) -> None:
    assert "None is shown" not in ana.get("/quality").text
    busy.report = replace(busy.report, drift=())
    assert "Nothing to compare with yet" in ana.get("/quality").text
    busy.report = replace(busy.report, calibrated_at=datetime(2026, 11, 2, 9, tzinfo=UTC))
    assert "None is shown: local answers are as often right" in ana.get("/quality").text


def test_every_bar_of_the_chart_stands_in_the_table_behind_it(ana: TestClient, busy: ScriptedDesk) -> None:
    page = main_of(ana.get("/quality").text)
    section = page[page.index('id="by-day"') : page.index('id="local"')]
    rows = re.findall(r'<tr><th scope="row" class="nowrap">(\d+ \w+)</th>(.*?)</tr>', section)
    told = {day: [int(n) for n in re.findall(r">(\d+)</td>", cells)] for day, cells in rows}
    assert len(told) == 30
    for day in busy.report.days:
        counts = [day.by_tier.get(tier, 0) for tier in ("reader", "local", "premium")]
        assert told[f"{day.day.day} {day.day:%b}"] == [*counts, day.abstained, day.failed]
    bars = sum(1 for numbers in told.values() for number in numbers if number)
    assert section.count("<rect") == bars


def test_a_day_without_answers_has_no_share(ana: TestClient, busy: ScriptedDesk) -> None:
    page = main_of(ana.get("/quality").text)
    section = page[page.index('id="local"') : page.index('id="right"')]
    quiet = sum(1 for day in busy.report.days if not day.by_tier)
    assert quiet and section.count(">none<") == quiet
    assert section.count("<rect") == 30 - quiet


def test_an_answer_that_nobody_judged_has_no_quality(ana: TestClient, busy: ScriptedDesk) -> None:
    unknown = replace(busy.report.quality, estimate=None, low=None, high=None, n=0, how="No label yet.")
    busy.report = replace(busy.report, quality=unknown)
    page = main_of(ana.get("/quality").text)
    assert "not known yet" in page and "No label yet." in page and "between" not in page


def test_the_days_are_in_the_address(ana: TestClient, busy: ScriptedDesk) -> None:
    assert re.search(r'href="/quality\?days=7" aria-current="page"', ana.get("/quality?days=7").text)
    assert busy.asked_days == [7]
    assert ana.get("/quality?days=0").status_code == 422


def test_too_few_labels_are_counted(ana: TestClient, busy: ScriptedDesk) -> None:
    page = main_of(ana.get("/quality/policy").text)
    assert TOO_FEW in page and "Too few labels: 44 of 60 needed." in page and "careful default" in page
    busy.labels = LabelCounts(shadow=60, needed=60)
    assert "Too few labels" not in ana.get("/quality/policy").text


@pytest.mark.parametrize(
    ("fields", "objective", "shadow"),
    [
        ({}, Quality(0.95, 0.9), 0.02),
        ({"quality_percent": "97,5 %", "confidence_percent": "80"}, Quality(0.975, 0.8), 0.02),
        ({"kind": "price", "value": "0.25", "shadow_percent": "5"}, Price(25 * CENT), 0.05),
        ({"kind": "share", "premium_percent": "0"}, Share(0.0, 30), 0.02),
        ({"kind": "share", "quality_percent": "nonsense", "shadow_percent": "0"}, Share(0.2, 30), 0.0),
    ],
)
def test_a_policy_is_chosen(
    ana: TestClient, busy: ScriptedDesk, fields: dict[str, str], objective: object, shadow: float
) -> None:
    response = ana.post("/quality/policy", data=FORM | fields)
    assert (response.status_code, response.headers["location"]) == (303, "/quality/policy?done=chosen")
    newest = busy.choices[-1]
    assert (newest.objective, newest.shadow_share, newest.by) == (objective, shadow, "Ana Ferreira")
    assert "The policy is chosen." in ana.get("/quality/policy?done=chosen").text


def test_what_one_question_may_use_is_chosen_and_shown(ana: TestClient, busy: ScriptedDesk) -> None:
    limits = {"steps": "3", "tokens": "20000", "question_cost": "0,05"}
    assert ana.post("/quality/policy", data=FORM | limits).status_code == 303
    assert busy.choices[-1].limits == TierLimits(steps=3, tokens=20_000, cost_nano=5 * CENT)
    page = ana.get("/quality/policy").text
    assert "a question at most 3 steps, 20,000 tokens, 5.00 ct" in page
    for name, value in (("steps", "3"), ("tokens", "20000"), ("question_cost", "0.05")):
        assert f'name="{name}" value="{value}"' in page
    ana.post("/quality/policy", data=FORM)
    assert busy.choices[-1].limits == TierLimits()


@pytest.mark.parametrize(
    ("fields", "field", "words"),
    [
        ({"quality_percent": "many"}, "quality_percent", "Write a number from 0 to 100."),
        ({"quality_percent": "10"}, "quality_percent", "The quality must be from"),
        ({"confidence_percent": "NaN"}, "confidence_percent", "Write a number"),
        ({"kind": "price"}, "value", "Write an amount, such as 0.50."),
        ({"kind": "price", "value": "<b>"}, "value", "&lt;b&gt;"),
        ({"kind": "price", "value": "-1"}, "value", "must be from 0"),
        ({"kind": "share", "premium_percent": "101"}, "premium_percent", "from 0 to 100"),
        ({"kind": "share", "window_days": "1.5"}, "window_days", "whole number of days"),
        ({"kind": "share", "window_days": "9" * 30}, "window_days", "whole number of days"),
        ({"kind": "share", "window_days": "400"}, "window_days", "from 1 to 92 days"),
        ({"shadow_percent": "1e9"}, "shadow_percent", "Write a number"),
        ({"steps": "two"}, "steps", "whole number of steps"),
        ({"steps": "21"}, "steps", "from 1 to 20 steps"),
        ({"tokens": "10"}, "tokens", "from 1,000 to"),
        ({"question_cost": "0"}, "question_cost", "more than 0"),
        ({"question_cost": "dear"}, "question_cost", "dear"),
    ],
)
def test_what_is_wrong_stands_beside_its_field(
    ana: TestClient, busy: ScriptedDesk, fields: dict[str, str], field: str, words: str
) -> None:
    before = list(busy.choices)
    page = ana.post("/quality/policy", data=FORM | fields)
    assert page.status_code == 422 and busy.choices == before
    error = re.search(rf'id="{field}-error">(.*?)</p>', page.text)
    assert error and words in error[1]
    written = re.search(rf'name="{field}" value="([^"]*)"[^>]*aria-invalid="true"', page.text)
    sent = (FORM | fields)[field]
    assert written and written[1].replace("&lt;", "<").replace("&gt;", ">") == sent


def test_a_choice_of_nothing_and_an_unknown_refusal_stand_in_the_form(
    ana: TestClient, busy: ScriptedDesk
) -> None:
    assert "Choose a quality, a price or a share." in ana.post("/quality/policy", data={}).text
    busy.error = InputError("Not today.", code="not_today")
    assert "Not today." in ana.post("/quality/policy", data=FORM).text


def test_who_chose_what_is_kept(ana: TestClient, busy: ScriptedDesk) -> None:
    page = main_of(ana.get("/quality/policy").text)
    history = page[page.index('id="history"') :]
    assert "An avoided wrong answer is worth €0.50" in history
    assert history.index("95 % of answered questions") < history.index("An avoided wrong answer")
    assert history.count("by Ana Ferreira") == 2


def test_calibrating_again_says_what_came_of_it(ana: TestClient, busy: ScriptedDesk) -> None:
    for changes, done in ((True, "calibrated"), (False, "unchanged")):
        busy.changes = changes
        response = ana.post("/quality/policy/calibrate")
        assert response.headers["location"] == f"/quality/policy?done={done}"
        assert "Calibrated: " in ana.get(response.headers["location"]).text
    assert busy.calibrated == ["Ana Ferreira"] * 2


def selected(page: str) -> str:
    found = re.findall(r'name="local" value="(\d+)" checked', page)
    assert len(found) == 1
    return str(found[0])


def test_the_curve_marks_today_and_the_setting_looked_at(ana: TestClient, busy: ScriptedDesk) -> None:
    page = main_of(ana.get("/quality/policy").text)
    assert selected(page) == "75" and "As today: 75 % answered below the top rung" in page
    assert page.count('class="tag">today<') == 1 and busy.points.note in page
    looked = main_of(ana.get("/quality/policy?local=50").text)
    assert selected(looked) == "50"
    cost = busy_curve().points[20].cost_nano - busy_curve().points[30].cost_nano
    assert f"That is €{cost / 10**9:.2f} more than today." in looked
    assert looked.count('name="local"') <= 22


def test_a_share_from_the_curve_is_put_into_the_form(ana: TestClient, busy: ScriptedDesk) -> None:
    page = main_of(ana.get("/quality/policy?local=60&take=true").text)
    assert re.search(r'value="share" checked', page)
    assert re.search(r'name="premium_percent" value="40"', page)
    ana.post("/quality/policy", data=FORM | {"kind": "share", "premium_percent": "40"})
    assert selected(ana.get("/quality/policy").text) == "60"


def test_a_curve_of_one_point_without_any_cost_is_drawn(ana: TestClient, busy: ScriptedDesk) -> None:
    only = replace(busy_curve().points[0], cost_nano=0, local_share=1.0)
    busy.points = replace(busy_curve(), points=(only,), today=None, questions=1)
    page = main_of(ana.get("/quality/policy").text)
    assert selected(page) == "100" and "From 1 past question since" in page
