"""Choosing a policy, calibrating it, and what is reported of it."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.errors import ForbiddenError, InputError
from routing.policy.objectives import DEFAULT, Objective, Price, Quality, Share, from_json, to_json
from routing.policy.store import ShareGate
from routing.policy.tables import LabelRow
from routing.tier import TierLimits
from tests.routing.policy.conftest import ADMIN, Charged, Company, Rung, ladder


def shadow(company: Company, query_id: str, probability: float, *, wrong: bool, **columns: Any) -> None:
    company.asked(query_id, stage3=probability, **columns)
    with company.database.write() as session:
        session.add(
            LabelRow(
                query_id=query_id,
                how="shadow",
                workspace_id="default",
                tier="reader",
                kind="reader",
                wrong=wrong,
                judged_by="agreement",
                probability=probability,
                created_at=columns.get("at", company.now),
            )
        )


def forty_five_right(company: Company) -> None:
    for number in range(45):
        shadow(company, f"q{number:03}", number / 100, wrong=False)


def test_nobody_has_chosen_the_careful_default_holds_and_says_so(company_on_both: Company) -> None:
    view = company_on_both.desk.view("default")
    assert (view.objective, view.by, view.since, view.state) == (DEFAULT, "", None, "careful")
    assert [(t.kind, t.climb_above, t.skip_above) for t in view.thresholds] == [("reader", 0.5, 0.8)]
    assert "0 of 45" in view.statement and "Shadow samples are off" in view.statement
    policy = company_on_both.desk.of("default")
    assert policy.thresholds("reader").climb_above == 0.5 and policy.gate is None


def test_a_choice_is_dated_signed_never_overwritten_and_counts_at_once(company_on_both: Company) -> None:
    company = company_on_both
    assert company.desk.of("default").value_nano is None
    company.desk.choose(ADMIN, Price(2_000_000_000), shadow_share=0.1)
    policy = company.desk.of("default")
    assert (policy.value_nano, policy.shadow_share) == (2_000_000_000, 0.1)
    company.now += timedelta(hours=1)
    view = company.desk.choose(replace(ADMIN, name="Omar"), Share(0.2, 7))
    assert [(c.objective, c.by, c.shadow_share) for c in view.history] == [
        (Share(0.2, 7), "Omar", 0.1), (Price(2_000_000_000), "ida", 0.1),
    ]  # fmt: skip
    assert view.since == company.now and view.shadow_share == 0.1
    assert company.desk.of("default").gate is not None
    assert company.new_desk().of("default").value_nano is None


def test_what_one_question_may_use_is_part_of_the_choice_and_stays_until_it_is_chosen_anew(
    company_on_both: Company,
) -> None:
    desk = company_on_both.desk
    desk.choose(ADMIN, Quality(), limits=TierLimits(steps=2, cost_nano=5))
    assert desk.of("default").limits == TierLimits(steps=2, cost_nano=5)
    view = desk.choose(ADMIN, Price(1))
    assert view.limits == desk.of("default").limits == TierLimits(steps=2, cost_nano=5)
    with pytest.raises(InputError) as refused:
        desk.choose(ADMIN, Quality(), limits=TierLimits(steps=0))
    assert refused.value.code == "invalid_steps"


def test_only_an_admin_chooses_and_only_for_their_own_workspace(company: Company) -> None:
    with pytest.raises(ForbiddenError):
        company.desk.choose(replace(ADMIN, is_admin=False), Quality())
    company.desk.choose(replace(ADMIN, workspace_id="other"), Price(1))
    assert company.desk.view("default").objective == DEFAULT


@pytest.mark.parametrize(
    ("objective", "shadow_share", "code"),
    [
        (Quality(1.0), None, "invalid_quality"),
        (Quality(float("nan")), None, "invalid_quality"),
        (Quality(0.95, 1.0), None, "invalid_confidence"),
        (Price(-1), None, "invalid_value"),
        (Share(1.2), None, "invalid_share"),
        (Share(0.1, 0), None, "invalid_window"),
        (Quality(), 1.5, "invalid_shadow_share"),
    ],
    ids=str,
)
def test_what_cannot_be_meant_is_refused_and_nothing_is_written(
    company: Company, objective: Objective, shadow_share: float | None, code: str
) -> None:
    with pytest.raises(InputError) as refused:
        company.desk.choose(ADMIN, objective, shadow_share=shadow_share)
    assert refused.value.code == code
    assert company.desk.view("default").since is None


@given(
    st.one_of(
        st.builds(Quality, st.floats(0.5, 0.99), st.floats(0.5, 0.99)),
        st.builds(Price, st.integers(0, 10**15)),
        st.builds(Share, st.floats(0, 1), st.integers(1, 92)),
    )
)
def test_an_objective_comes_back_as_it_was_stored(objective: Objective) -> None:
    assert from_json(to_json(objective)) == objective


@pytest.mark.parametrize("stored", [{}, {"kind": "luck"}, {"kind": "price"}, {"kind": "share", "x": 1}])
def test_what_is_no_objective_is_refused(stored: dict[str, object]) -> None:
    with pytest.raises(InputError) as refused:
        from_json(stored)
    assert refused.value.code == "invalid_objective"


def test_enough_drawn_labels_prove_a_threshold_and_calibrating_again_changes_nothing(
    company_on_both: Company,
) -> None:
    company = company_on_both
    forty_five_right(company)
    report = company.desk.calibrate("default", by="ida")
    (rung,) = report.rungs
    assert (report.state, report.changed, report.by) == ("guaranteed", True, "ida")
    assert (rung.before, rung.after, rung.labels.shadow) == (0.5, 1.0, 45)
    assert "90% confidence" in report.statement and "95%" in report.statement
    assert company.desk.of("default").thresholds("reader").climb_above == 1.0
    company.now += timedelta(days=1)
    again = company.desk.calibrate("default")
    assert (again.changed, again.id, again.at) == (False, report.id, report.at)
    assert company.desk.view("default").state == "guaranteed"


def test_thanks_alone_prove_nothing_and_complaints_only_tighten(company: Company) -> None:
    for number in range(60):
        company.asked(f"good{number}", stage3=0.1, good=True)
    report = company.desk.calibrate("default")
    assert (report.state, report.rungs[0].after) == ("careful", 0.5)
    assert "0 of the 45" in report.rungs[0].says
    for number in range(40):
        company.asked(f"bad{number}", stage3=0.35, good=False)
    report = company.desk.calibrate("default")
    assert (report.state, report.changed) == ("careful", True)
    # .34 and below hold only right answers; the grid's next step would let the wrong ones in.
    assert report.rungs[0].after == 0.34
    assert company.desk.of("default").thresholds("reader").climb_above == 0.34


def test_a_persons_word_outranks_what_was_found_by_comparing(company: Company) -> None:
    for number in range(45):
        shadow(company, f"q{number:03}", 0.1, wrong=False, good=number >= 10)
    report = company.desk.calibrate("default")
    assert report.state == "careful" and report.rungs[0].labels.wrong == 10


def test_a_failed_or_half_answer_makes_no_label(company: Company) -> None:
    forty_five_right(company)
    before = company.desk.calibrate("default")
    company.asked("half", state="failed", problem_code="cut_connection", good=False)
    company.asked("stopped", state="failed", problem_code="interrupted", good=False)
    after = company.desk.calibrate("default")
    assert not after.changed and after.rungs[0].labels == before.rungs[0].labels


def test_labels_of_an_earlier_difficulty_model_prove_nothing_for_this_one(company: Company) -> None:
    forty_five_right(company)
    assert company.desk.calibrate("default").state == "guaranteed"
    shadow(company, "r", 0.1, wrong=False, difficulty_model="answer.reader.2")
    report = company.desk.calibrate("default")
    assert (report.state, report.rungs[0].labels.shadow, report.rungs[0].after) == ("careful", 1, 0.5)


def test_a_share_begins_at_the_hardest_questions(company: Company) -> None:
    for number in range(100):
        company.asked(f"q{number:03}", stage3=number / 100)
    company.desk.choose(ADMIN, Share(0.2))
    report = company.desk.calibrate("default")
    assert report.rungs[0].after == 0.8 and report.state == "set" and not report.changed
    company.desk.choose(ADMIN, Share(0.0))
    assert company.desk.of("default").thresholds("reader").climb_above > 1


def test_a_share_with_few_questions_keeps_the_careful_threshold(company: Company) -> None:
    view = company.desk.choose(ADMIN, Share(0.2))
    assert view.thresholds[0].climb_above == 0.5 and "0 of 50" in view.statement


def test_the_gate_keeps_its_share_over_a_rolling_window(company_on_both: Company) -> None:
    company = company_on_both
    gate = ShareGate(company.database, lambda: company.now, "default", 0.25, 7)
    admitted = 0
    for _ in range(40):
        gate.asked()
        admitted += gate.admit()
    assert admitted == 10 and gate.used() == (40, 10)
    assert not gate.looking().admit() and gate.used() == (40, 10)
    company.now += timedelta(days=6)
    gate.asked()
    assert not gate.admit()
    company.now += timedelta(days=1)
    for _ in range(3):
        gate.asked()
    assert gate.used() == (4, 0) and gate.admit() and not gate.admit()


def test_the_curve_rises_in_local_share_and_falls_in_cost(company: Company) -> None:
    for number in range(10):
        company.asked(f"q{number}", stage3=number / 10)
        company.charges[f"q{number}"] = Charged(1_000_000, 0, 5_000_000)
    company.asked("up", stage3=0.95, tier="premium")
    company.charges["up"] = Charged(6_000_000, 1, 6_000_000, observed=True)
    company.asked("free", stage3=0.1)
    curve = company.desk.curve("default")
    first, last = curve.points[0], curve.points[-1]
    assert (curve.questions, curve.modelled) == (11, 10)
    assert (first.local_share, first.cost_nano, first.expected_wrong) == (0.0, 56_000_000, 0.0)
    assert (last.local_share, last.cost_nano) == (1.0, 11_000_000)
    assert last.expected_wrong == pytest.approx(4.5 + 0.95)
    shares = [point.local_share for point in curve.points]
    assert shares == sorted(shares)
    assert curve.today is not None and curve.today.threshold == 0.5
    assert curve.today.cost_nano == 5 * 1_000_000 + 5 * 5_000_000 + 6_000_000


def test_no_questions_no_curve(company: Company) -> None:
    curve = company.desk.curve("default")
    assert (curve.points, curve.today, curve.questions) == ((), None, 0) and "nothing" in curve.note


@pytest.mark.parametrize("days", [0, 367, -1])
def test_a_stretch_of_days_has_limits(company: Company, days: int) -> None:
    for report in (company.desk.curve, company.desk.quality):
        with pytest.raises(InputError) as refused:
            report("default", days)
        assert refused.value.code == "invalid_days"


def test_the_report_counts_days_money_and_what_failed(company_on_both: Company) -> None:
    company = company_on_both
    company.asked("a", good=True)
    company.asked("b", tier="premium", stage3=0.9)
    company.asked("c", abstained=True)
    company.asked("d", state="failed", problem_code="provider_timeout")
    company.asked("old", at=company.now - timedelta(days=40))
    company.charges |= {
        "a": Charged(1, 2, 10),
        "b": Charged(10, 5, 10, observed=True),
        "shadow:a": Charged(0, 4, 0),
        "trial:b": Charged(0, 3, 0),
    }
    report = company.desk.quality("default", 3)
    assert [(day.by_tier, day.abstained, day.failed) for day in report.days] == [
        ({}, 0, 0), ({"reader": 1, "premium": 1}, 1, 1), ({}, 0, 0),
    ]  # fmt: skip
    assert (report.answered, report.local_share) == (2, 0.5)
    assert (report.price_nano, report.all_premium_nano, report.saved_nano) == (11, 20, 9)
    assert (report.cost_nano, report.shadow_cost_nano) == (14, 7)
    assert [(f.code, f.count) for f in report.failures] == [("provider_timeout", 1)]
    assert (report.quality.estimate, report.quality.n) == (1.0, 1)
    assert "not drawn at random" in report.quality.how
    assert report.drift == ()


def test_nothing_asked_is_a_report_too(company: Company) -> None:
    report = company.desk.quality("default")
    assert (report.answered, report.local_share, report.quality.estimate) == (0, None, None)
    assert len(report.days) == 30


def test_worse_answers_and_other_questions_raise_an_alarm(company_on_both: Company) -> None:
    company = company_on_both
    for number in range(60):
        shadow(company, f"old{number}", 0.1, wrong=number < 1, stage2=0.15)
    assert company.desk.quality("default").calibrated_at is None
    company.desk.calibrate("default")
    report = company.desk.quality("default")
    assert report.drift == () and report.calibrated_at == company.now
    company.now += timedelta(days=3)
    for number in range(60):
        shadow(company, f"new{number}", 0.1, wrong=number < 20, stage2=0.75)
    quality, questions = company.desk.quality("default").drift
    assert (quality.kind, quality.n_before, quality.n_now) == ("quality", 60, 60)
    assert quality.now == pytest.approx(1 / 3) and quality.p_value is not None and quality.p_value < 0.001
    assert (questions.kind, questions.n_before, questions.n_now) == ("questions", 60, 60)
    assert questions.now > 0.25


def test_a_slow_change_is_measured_from_the_choice_and_not_from_the_last_calibration(
    company: Company,
) -> None:
    company.desk.choose(ADMIN, Quality(0.9, 0.9))
    for number in range(60):
        shadow(company, f"first{number}", 0.1, wrong=number < 1, stage2=0.15)
    company.now += timedelta(hours=1)
    company.desk.calibrate("default")
    # A little worse each week, calibrated each week: no week differs from the one before.
    for week, wrong in enumerate((5, 10, 15), 1):
        company.now += timedelta(days=7)
        for number in range(60):
            at = company.now - timedelta(hours=1)
            query_id = f"week{week}-{number}"
            shadow(company, query_id, 0.1, wrong=number < wrong, stage2=0.15 + 0.2 * week, at=at)
        assert company.desk.calibrate("default").changed
    quality, questions = company.desk.quality("default").drift
    assert (quality.n_before, quality.n_now) == (60, 180) and quality.before == pytest.approx(1 / 60)
    assert questions.n_before == 60
    company.desk.choose(ADMIN, Quality(0.9, 0.9))
    assert company.desk.quality("default").drift == ()


def test_each_day_has_its_own_estimate_with_its_interval(company: Company) -> None:
    for number in range(6):
        shadow(company, f"a{number}", 0.1, wrong=number < 3, at=company.now - timedelta(days=2))
    for number in range(4):
        shadow(company, f"b{number}", 0.1, wrong=False, at=company.now)
    company.asked("said", good=False, at=company.now)
    report = company.desk.quality("default", 7)
    days = {day.day: day for day in report.quality_by_day}
    assert [day.day for day in report.days] == list(days)
    first, last = days[(company.now - timedelta(days=2)).date()], days[company.now.date()]
    assert (first.right, first.n, first.estimate) == (3, 6, 0.5)
    assert first.low is not None and first.high is not None and first.low < 0.5 < first.high
    # What somebody said of an answer that was not drawn does not count beside drawn ones.
    assert (last.right, last.n, last.estimate) == (4, 4, 1.0)
    assert sum(day.n for day in days.values()) == report.quality.n == 10
    empty = days[(company.now - timedelta(days=1)).date()]
    assert (empty.n, empty.estimate, empty.low, empty.high) == (0, None, None, None)


def test_a_rung_that_is_not_set_up_is_not_calibrated_and_each_kind_has_its_own_line(
    company: Company,
) -> None:
    off = Rung("local", unavailable="No vLLM is set up.")
    company.ladder = ladder(Rung("reader", "reader"), off, Rung("premium"))
    assert [rung.kind for rung in company.desk.calibrate("default").rungs] == ["reader"]
    off.unavailable = None
    rungs = company.desk.calibrate("default").rungs
    # Both have to hold together with 90%, so each is proved with 95%.
    assert [(rung.kind, rung.labels.needed) for rung in rungs] == [("reader", 59), ("chat", 59)]
