"""A policy desk in memory: it says what a test put into it, and keeps what is chosen."""

from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta

from app.core.errors import RungError
from app.core.identity import Caller
from routing.policy.objectives import DEFAULT, Objective, Price, Quality, check, check_limits
from routing.policy.reports import (
    CalibrationReport,
    Choice,
    Curve,
    CurvePoint,
    DayCount,
    DayQuality,
    DriftAlert,
    FailureCount,
    LabelCounts,
    PolicyView,
    QualityEstimate,
    QualityReport,
    Threshold,
)
from routing.policy.service import PolicyDesk
from routing.tier import TierLimits

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
SINCE = datetime(2026, 10, 25, tzinfo=UTC)
CENT = 10_000_000
TOO_FEW = "There are too few labels to prove this quality, so the careful default holds."

NOTHING_ASKED = QualityReport(
    days=tuple(DayCount(date(2026, 10, 25) + timedelta(days=n), {}, 0, 0) for n in range(30)),
    answered=0,
    local_share=None,
    quality=QualityEstimate(None, None, None, 0, "No answer was judged yet."),
    quality_by_day=tuple(
        DayQuality(date(2026, 10, 25) + timedelta(days=n), 0, 0, None, None, None) for n in range(30)
    ),
    price_nano=0,
    cost_nano=0,
    shadow_cost_nano=0,
    all_premium_nano=0,
    currency="EUR",
    drift=(),
    failures=(),
    calibration="The thresholds are the careful default: nothing was calibrated yet.",
    since=SINCE,
)
FEW_LABELS = LabelCounts(shadow=12, feedback=3, wrong=2, needed=60)
NO_CURVE = Curve((), None, 0, 0, "EUR", SINCE, "")


def busy_report() -> QualityReport:
    """A month of a company that asks a lot, whose local answers got worse."""
    days = tuple(
        DayCount(
            date(2026, 10, 25) + timedelta(days=n),
            {"reader": 20 + 7 * n % 31, "local": n % 5, "premium": 5 + n % 9} if n % 7 else {},
            abstained=n % 4,
            failed=2 if n == 12 else 0,
        )
        for n in range(30)
    )
    answered = sum(sum(day.by_tier.values()) for day in days)
    return replace(
        NOTHING_ASKED,
        days=days,
        answered=answered,
        local_share=0.78,
        quality=QualityEstimate(0.93, 0.86, 0.97, 84, "84 answers that somebody judged, Wilson interval."),
        quality_by_day=(
            *NOTHING_ASKED.quality_by_day[:28],
            DayQuality(date(2026, 11, 22), 9, 10, 0.9, 0.6, 0.98),
            DayQuality(date(2026, 11, 23), 3, 4, 0.75, 0.3, 0.95),
        ),
        price_nano=412 * CENT,
        cost_nano=350 * CENT,
        shadow_cost_nano=12 * CENT,
        all_premium_nano=1630 * CENT,
        drift=(
            DriftAlert(
                kind="quality",
                says="12 of 60 local answers were wrong, against 5 of 90 when it was calibrated.",
                before=0.056,
                now=0.2,
                n_before=90,
                n_now=60,
                since=datetime(2026, 11, 20, tzinfo=UTC),
                p_value=0.004,
            ),
        ),
        failures=(
            FailureCount("provider_error", 2, datetime(2026, 11, 6, 9, 30, tzinfo=UTC)),
            FailureCount("budget_exceeded", 1, datetime(2026, 11, 6, 8, tzinfo=UTC)),
        ),
        calibration="The quality is guaranteed from 61 shadow samples; last calibrated on 2 November.",
    )


def busy_curve(points: int = 41) -> Curve:
    """Cheaper and more often wrong, the more is answered locally. Today's is at 75 %."""
    made = tuple(
        CurvePoint(
            threshold=n / (points - 1),
            local_share=n / (points - 1),
            cost_nano=round((1 - n / (points - 1)) ** 1.5 * 800 * CENT) + 40 * CENT,
            expected_wrong=2 + 60 * (n / (points - 1)) ** 2,
        )
        for n in range(points)
    )
    return Curve(
        points=made,
        today=made[3 * (points - 1) // 4],
        questions=412,
        modelled=330,
        currency="EUR",
        since=SINCE,
        note="Prices of the premium rung are modelled for 330 of them.",
    )


@dataclass
class ScriptedDesk(PolicyDesk):
    """What `choose` was given is in force; the rest is what the test says."""

    report: QualityReport = NOTHING_ASKED
    points: Curve = NO_CURVE
    labels: LabelCounts = FEW_LABELS
    choices: list[Choice] = field(default_factory=list)
    calibrated: list[str] = field(default_factory=list)
    changes: bool = True
    error: RungError | None = None
    asked_days: list[int] = field(default_factory=list)

    def view(self, workspace_id: str) -> PolicyView:
        newest = self.choices[-1] if self.choices else Choice("", DEFAULT, 0.0, None, "")
        careful = isinstance(newest.objective, Quality)
        return PolicyView(
            objective=newest.objective,
            thresholds=(Threshold("reader", 0.5, 0.8), Threshold("chat", 0.5, 1.1)),
            statement=TOO_FEW if careful else "It needs no proof.",
            state="careful" if careful else "set",
            since=newest.since,
            by=newest.by,
            shadow_share=newest.shadow_share,
            labels=self.labels,
            calibrated_at=None,
            history=tuple(reversed(self.choices)),
            currency="EUR",
            limits=newest.limits,
        )

    def choose(
        self,
        caller: Caller,
        objective: Objective,
        *,
        shadow_share: float | None = None,
        limits: TierLimits | None = None,
    ) -> PolicyView:
        check(objective, shadow_share)
        check_limits(limits or TierLimits())
        if self.error is not None:
            raise self.error
        share = self.view("").shadow_share if shadow_share is None else shadow_share
        self.choices.append(
            Choice(
                str(len(self.choices)),
                objective,
                share,
                NOW,
                caller.name,
                caller.user_id,
                self.view("").limits if limits is None else limits,
            )
        )
        return self.view("")

    def curve(self, workspace_id: str, days: int = 30) -> Curve:
        return self.points

    def quality(self, workspace_id: str, days: int = 30) -> QualityReport:
        self.asked_days.append(days)
        return self.report

    def calibrate(self, workspace_id: str, *, by: str = "") -> CalibrationReport:
        self.calibrated.append(by)
        view = self.view(workspace_id)
        return CalibrationReport("1", NOW, by, view.state, view.statement, (), self.changes, view.objective)


def busy_desk(desk: ScriptedDesk) -> ScriptedDesk:
    """The same desk, at a company that has used it for a while."""
    desk.report, desk.points = busy_report(), busy_curve()
    desk.choices = [
        Choice("0", Price(50 * CENT), 0.0, SINCE, "Ana Ferreira"),
        Choice("1", Quality(), 0.02, datetime(2026, 11, 2, 15, tzinfo=UTC), "Ana Ferreira"),
    ]
    desk.labels = LabelCounts(feedback=31, escalation=9, shadow=44, wrong=11, needed=60)
    return desk
