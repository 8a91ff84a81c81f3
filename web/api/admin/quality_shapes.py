"""Quality and policy as the API gives and takes them."""

from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from routing.policy.objectives import Objective, Price, Quality, Share
from routing.policy.reports import CalibrationReport, Curve, CurvePoint, PolicyView, QualityReport
from routing.tier import TierLimits
from web.api.shapes import decimal_text


class _Objective(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class QualityGoal(_Objective):
    """At least as good as premium on this share of the answered questions, with this confidence."""

    kind: Literal["quality"]
    share: float = 0.95
    confidence: float = 0.90


class PriceGoal(_Objective):
    """What one avoided wrong answer is worth, in nano-units of the plan's currency."""

    kind: Literal["price"]
    value_nano: int


class ShareGoal(_Objective):
    """At most this share of the questions goes to the top rung, over a rolling window."""

    kind: Literal["share"]
    premium: float
    window_days: int = 30


Goal = Annotated[QualityGoal | PriceGoal | ShareGoal, Field(discriminator="kind")]


class QuestionLimits(_Objective):
    """What one question may use on a rung: calls of a model, tokens, cost to us. Nothing limits nothing."""

    steps: int | None = None
    tokens: int | None = None
    cost_nano: int | None = None


class PolicyIn(_Objective):
    """Without `shadow_share` or `limits`, those in force stay."""

    objective: Goal
    shadow_share: float | None = Field(None, description="Share of cheap answers also asked of premium.")
    limits: QuestionLimits | None = Field(None, description="What one question may use.")


class ThresholdOut(BaseModel):
    """Difficulties from which on an answer is not good enough, or the rung left out; above 1 means never."""

    kind: str
    climb_above: float
    skip_above: float


class LabelsOut(BaseModel):
    """Labels by how they came to be. The guarantee needs `needed` from shadow samples at the least."""

    feedback: int
    escalation: int
    shadow: int
    wrong: int
    needed: int


class ChoiceOut(BaseModel):
    """`since` is nothing for the default, which nobody chose."""

    objective: Goal
    shadow_share: float
    limits: QuestionLimits
    since: datetime | None
    by: str


class PolicyOut(BaseModel):
    """What is in force, and what can be said for it. `history` is newest first."""

    objective: Goal
    shadow_share: float
    limits: QuestionLimits
    since: datetime | None
    by: str
    state: str
    statement: str
    thresholds: list[ThresholdOut]
    labels: LabelsOut
    calibrated_at: datetime | None
    currency: str
    history: list[ChoiceOut]


class RungCalibrationOut(BaseModel):
    kind: str
    before: float
    after: float
    says: str


class CalibrationOut(BaseModel):
    """`changed` is false where the labels say nothing new."""

    at: datetime
    changed: bool
    state: str
    statement: str
    rungs: list[RungCalibrationOut]


class PointOut(BaseModel):
    threshold: float
    local_share: float
    cost: str
    cost_nano: int
    expected_wrong: float


class CurveOut(BaseModel):
    """What each threshold would have meant for the past questions; `today` is the one in force."""

    points: list[PointOut]
    today: PointOut | None
    questions: int
    modelled: int
    currency: str
    since: datetime
    note: str


class EstimateOut(BaseModel):
    """Share of right answers among those judged, with a 95 % interval."""

    estimate: float | None
    low: float | None
    high: float | None
    n: int
    how: str


class DayQualityOut(BaseModel):
    """The answers below the top rung that were judged on one day: `right` of `n`, with a 95% interval."""

    day: date
    right: int
    n: int
    estimate: float | None
    low: float | None
    high: float | None


class DayOut(BaseModel):
    day: date
    by_tier: dict[str, int]
    abstained: int
    failed: int


class DriftOut(BaseModel):
    kind: str
    says: str
    before: float | None
    now: float
    since: datetime


class FailureOut(BaseModel):
    code: str
    count: int
    last: datetime


class QualityOut(BaseModel):
    """The last days. `all_premium` is what the top rung alone would have charged for the same answers."""

    since: datetime
    days: list[DayOut]
    answered: int
    local_share: float | None
    quality: EstimateOut
    quality_by_day: list[DayQualityOut]
    price: str
    price_nano: int
    cost: str
    cost_nano: int
    all_premium: str
    all_premium_nano: int
    saved: str
    saved_nano: int
    currency: str
    drift: list[DriftOut]
    failures: list[FailureOut]
    calibration: str
    calibrated_at: datetime | None = Field(description="The last calibration; null before the first.")


def objective_of(goal: QualityGoal | PriceGoal | ShareGoal) -> Objective:
    match goal:
        case QualityGoal():
            return Quality(goal.share, goal.confidence)
        case PriceGoal():
            return Price(goal.value_nano)
        case ShareGoal():
            return Share(goal.premium, goal.window_days)


def _goal(objective: Objective) -> QualityGoal | PriceGoal | ShareGoal:
    match objective:
        case Quality():
            return QualityGoal(kind="quality", share=objective.share, confidence=objective.confidence)
        case Price():
            return PriceGoal(kind="price", value_nano=objective.value_nano)
        case Share():
            return ShareGoal(kind="share", premium=objective.premium, window_days=objective.window_days)


def limits_of(given: QuestionLimits | None) -> TierLimits | None:
    """What was given; nothing where nothing was."""
    if given is None:
        return None
    return TierLimits(steps=given.steps, tokens=given.tokens, cost_nano=given.cost_nano)


def _limits(limits: TierLimits) -> QuestionLimits:
    return QuestionLimits(steps=limits.steps, tokens=limits.tokens, cost_nano=limits.cost_nano)


def policy_out(view: PolicyView) -> PolicyOut:
    labels = view.labels
    return PolicyOut(
        objective=_goal(view.objective),
        shadow_share=view.shadow_share,
        limits=_limits(view.limits),
        since=view.since,
        by=view.by,
        state=view.state,
        statement=view.statement,
        thresholds=[
            ThresholdOut(kind=found.kind, climb_above=found.climb_above, skip_above=found.skip_above)
            for found in view.thresholds
        ],
        labels=LabelsOut(
            feedback=labels.feedback,
            escalation=labels.escalation,
            shadow=labels.shadow,
            wrong=labels.wrong,
            needed=labels.needed,
        ),
        calibrated_at=view.calibrated_at,
        currency=view.currency,
        history=[
            ChoiceOut(
                objective=_goal(found.objective),
                shadow_share=found.shadow_share,
                limits=_limits(found.limits),
                since=found.since,
                by=found.by,
            )
            for found in view.history
        ],
    )


def calibration_out(report: CalibrationReport) -> CalibrationOut:
    return CalibrationOut(
        at=report.at,
        changed=report.changed,
        state=report.state,
        statement=report.statement,
        rungs=[
            RungCalibrationOut(kind=rung.kind, before=rung.before, after=rung.after, says=rung.says)
            for rung in report.rungs
        ],
    )


def curve_out(curve: Curve) -> CurveOut:
    return CurveOut(
        points=[_point(point) for point in curve.points],
        today=_point(curve.today) if curve.today else None,
        questions=curve.questions,
        modelled=curve.modelled,
        currency=curve.currency,
        since=curve.since,
        note=curve.note,
    )


def _point(point: CurvePoint) -> PointOut:
    return PointOut(
        threshold=point.threshold,
        local_share=point.local_share,
        cost=decimal_text(point.cost_nano),
        cost_nano=point.cost_nano,
        expected_wrong=point.expected_wrong,
    )


def quality_out(report: QualityReport) -> QualityOut:
    found = report.quality
    return QualityOut(
        since=report.since,
        days=[
            DayOut(day=day.day, by_tier=dict(day.by_tier), abstained=day.abstained, failed=day.failed)
            for day in report.days
        ],
        answered=report.answered,
        local_share=report.local_share,
        quality=EstimateOut(
            estimate=found.estimate, low=found.low, high=found.high, n=found.n, how=found.how
        ),
        quality_by_day=[
            DayQualityOut(
                day=day.day, right=day.right, n=day.n, estimate=day.estimate, low=day.low, high=day.high
            )
            for day in report.quality_by_day
        ],
        price=decimal_text(report.price_nano),
        price_nano=report.price_nano,
        cost=decimal_text(report.cost_nano),
        cost_nano=report.cost_nano,
        all_premium=decimal_text(report.all_premium_nano),
        all_premium_nano=report.all_premium_nano,
        saved=decimal_text(report.saved_nano),
        saved_nano=report.saved_nano,
        currency=report.currency,
        drift=[
            DriftOut(kind=alert.kind, says=alert.says, before=alert.before, now=alert.now, since=alert.since)
            for alert in report.drift
        ],
        failures=[FailureOut(code=f.code, count=f.count, last=f.last) for f in report.failures],
        calibration=report.calibration,
        calibrated_at=report.calibrated_at,
    )
