"""Which past answers become labels, and which never do."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from sqlmodel import select

from routing.policy.evidence.agreement import agreement
from routing.policy.evidence.labels import collect, load
from routing.policy.tables import LabelRow
from routing.tables import FeedbackRow
from tests.routing.policy.conftest import ADMIN, Company

KINDS = {"reader": "reader", "local": "chat"}


def labels(company: Company) -> dict[str, tuple[str, bool]]:
    with company.database.write() as session:
        collect(session, "default", KINDS)  # type: ignore[arg-type]
    with company.database.read() as session:
        return {label.query_id: (label.how, label.wrong) for label in load(session, "default")}


def test_thumbs_become_labels_and_follow_a_change_of_mind(company_on_both: Company) -> None:
    company = company_on_both
    company.asked("a", good=True)
    company.asked("b", good=False, reason="wrong: it is 30")
    company.asked("c")
    assert labels(company) == {"a": ("feedback", False), "b": ("feedback", True)}
    with company.database.write() as session:
        said = session.exec(select(FeedbackRow).where(FeedbackRow.query_id == "a")).one()
        said.good = False
        session.add(said)
        session.delete(session.exec(select(FeedbackRow).where(FeedbackRow.query_id == "b")).one())
    assert labels(company) == {"a": ("feedback", True)}
    assert labels(company) == {"a": ("feedback", True)}


@pytest.mark.parametrize(
    "columns",
    [
        {"state": "failed", "problem_code": "cut_connection"},
        {"state": "running"},
        {"abstained": True},
        {"tier": "premium"},
        {"stage3": None},
        {"asked_tier": "reader"},
        {"tier": "a-rung-of-last-year"},
        {"reason": "outdated: the page is from 2019"},
        {"reason": "wrong_source: that is the old handbook"},
    ],
    ids=str,
)
def test_what_says_nothing_of_a_judged_answer_is_no_label(company: Company, columns: dict[str, Any]) -> None:
    company.asked("a", good=False, **columns)
    assert labels(company) == {}


def test_another_workspace_is_not_looked_at(company: Company) -> None:
    company.asked("a", good=False, who=replace(ADMIN, workspace_id="other"))
    assert labels(company) == {}


def test_a_click_counts_only_where_the_better_answer_differs(company_on_both: Company) -> None:
    company = company_on_both
    for query_id, text in (("a", "28 days a year."), ("b", "28 days a year."), ("c", "28 days a year.")):
        company.asked(query_id, answer_text=text)
    asked: dict[str, Any] = {"asked_tier": "premium", "tier": "premium", "stage3": None}
    company.asked("a2", escalated_from="a", answer_text="There are 30 days a year.", **asked)
    company.asked("b2", escalated_from="b", answer_text="There are 28 days a year.", **asked)
    company.asked("c2", escalated_from="c", answer_text="30 days", **(asked | {"state": "failed"}))
    assert labels(company) == {"a": ("escalation", True)}


def test_shadow_labels_are_left_alone(company: Company) -> None:
    company.asked("a")
    with company.database.write() as session:
        session.add(
            LabelRow(
                query_id="a",
                how="shadow",
                workspace_id="default",
                tier="reader",
                kind="reader",
                wrong=True,
                judged_by="judge.v1",
                probability=0.2,
                created_at=company.now,
            )
        )
    assert labels(company) == {"a": ("shadow", True)}


@pytest.mark.parametrize(
    ("first", "second", "found"),
    [
        ("28 days of annual leave [1].", "Everyone has 28 days of annual leave a year [1][2].", "same"),
        ("28 days of annual leave.", "30 days of annual leave.", "different"),
        ("The office is in Lisbon.", "It moved to Porto last spring.", "different"),
        ("You may not fly business class.", "You may fly business class.", "unsure"),
        ("Ask your lead.", "The travel desk books it.", "unsure"),
        ("140 euros a night.", "Hotels are limited.", "unsure"),
        ("", "28 days.", "unsure"),
    ],
)
def test_agreement_is_claimed_only_where_it_shows(first: str, second: str, found: str) -> None:
    assert agreement(first, second) == found
    assert agreement(second, first) == found


def test_many_who_collect_at_once_do_not_stumble(company_on_both: Company) -> None:
    company = company_on_both
    for number in range(20):
        company.asked(f"q{number}", good=bool(number % 2))
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: labels(company), range(16)))
    assert all(len(one) == 20 for one in found)
