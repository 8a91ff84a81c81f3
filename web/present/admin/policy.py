"""A workspace's policy as its page shows it: what is in force, the form, the curve, and who chose what."""

from collections.abc import Sequence
from datetime import datetime

from billing.money import format_money, to_decimal
from routing.policy.objectives import DEFAULT, Objective, Price, Quality, Share
from routing.policy.reports import Choice, Curve, CurvePoint, PolicyView, Threshold
from routing.tier import TierLimits
from web.present.admin.quality import percent
from web.present.admin.quality_views import (
    ChoiceView,
    CurveView,
    PointView,
    PolicyFormView,
    PolicyStateView,
    ThresholdView,
)
from web.present.charts import line_through, place
from web.present.views import Tone, when

_STATES: dict[str, tuple[str, Tone]] = {
    "careful": ("careful default", "warn"),
    "guaranteed": ("guaranteed", "good"),
    "set": ("set", "quiet"),
}
_KINDS = {"reader": "The reader", "chat": "A chat model"}

MOST_POINTS = 21
"""How many points of the curve are offered."""

_DEFAULT_PREMIUM, _DEFAULT_WINDOW_DAYS = 0.2, 30


def objective_words(objective: Objective, currency: str) -> str:
    match objective:
        case Quality():
            return (
                f"At least as good as premium on {percent(objective.share)} % of answered questions, "
                f"with {percent(objective.confidence)} % confidence"
            )
        case Price():
            return f"An avoided wrong answer is worth {format_money(objective.value_nano, currency)}"
        case Share():
            return f"At most {percent(objective.premium)} % premium over {objective.window_days} days"


def policy_state(view: PolicyView, now: datetime) -> PolicyStateView:
    state, tone = _STATES[view.state]
    labels = view.labels
    missing = None
    if view.state == "careful" and labels.drawn < labels.needed:
        missing = f"Too few labels: {labels.drawn} of {labels.needed} needed."
    return PolicyStateView(
        words=objective_words(view.objective, view.currency),
        since=when(view.since, now),
        by=view.by,
        state=state,
        tone=tone,
        statement=view.statement,
        missing=missing,
        labels=(
            ("From thumbs", labels.feedback),
            ("From asking the better model", labels.escalation),
            ("From shadow samples", labels.shadow),
            ("Wrong, of all of them", labels.wrong),
        ),
        thresholds=tuple(_threshold(found) for found in view.thresholds),
        calibrated=when(view.calibrated_at, now),
        history=tuple(_choice(found, view.currency, now) for found in view.history),
    )


def _threshold(found: Threshold) -> ThresholdView:
    def words(value: float) -> str:
        return "never" if value > 1 else f"from {value * 100:.0f} % on"

    return ThresholdView(_KINDS[found.kind], words(found.climb_above), words(found.skip_above))


def _choice(found: Choice, currency: str, now: datetime) -> ChoiceView:
    return ChoiceView(
        words=objective_words(found.objective, currency),
        shadow=f"{percent(found.shadow_share)} %",
        limits=_limits(found.limits, currency),
        since=when(found.since, now),
        by=found.by,
    )


def form_of(view: PolicyView, *, premium_percent: int | None = None) -> PolicyFormView:
    """The form as it stands now; with a share from the curve, that share is chosen in it."""
    now = view.objective
    quality = now if isinstance(now, Quality) else DEFAULT
    share = now if isinstance(now, Share) else Share(_DEFAULT_PREMIUM, _DEFAULT_WINDOW_DAYS)
    return PolicyFormView(
        kind=now.kind if premium_percent is None else "share",
        quality_percent=percent(quality.share),
        confidence_percent=percent(quality.confidence),
        value=_amount(now.value_nano) if isinstance(now, Price) else "",
        premium_percent=percent(share.premium) if premium_percent is None else str(premium_percent),
        window_days=str(share.window_days),
        shadow_percent=percent(view.shadow_share),
        steps=_number(view.limits.steps),
        tokens=_number(view.limits.tokens),
        question_cost=_amount(view.limits.cost_nano),
        currency=view.currency,
    )


def _limits(limits: TierLimits, currency: str) -> str:
    """What one question may use, as a phrase; empty where nothing is limited."""
    parts = []
    if limits.steps is not None:
        parts.append(f"{limits.steps} {'step' if limits.steps == 1 else 'steps'}")
    if limits.tokens is not None:
        parts.append(f"{limits.tokens:,} tokens")
    if limits.cost_nano is not None:
        parts.append(format_money(limits.cost_nano, currency))
    return f"a question at most {', '.join(parts)}" if parts else ""


def _number(number: int | None) -> str:
    return "" if number is None else str(number)


def _amount(nano: int | None) -> str:
    return "" if nano is None else f"{to_decimal(nano).normalize():f}"


def curve_view(curve: Curve, objective: Objective, local: int | None) -> CurveView | None:
    """The curve with one point selected: the one asked for, else the share that is in force, else today's."""
    if not curve.points or not curve.questions:
        return None
    offered = _thin(curve.points, curve.today)
    if local is None and isinstance(objective, Share):
        local = round(100 * (1 - objective.premium))
    if local is None and curve.today is not None:
        local = _local(curve.today)
    wanted = local if local is not None else 100
    at = min(range(len(offered)), key=lambda index: abs(_local(offered[index]) - wanted))
    most = max(point.cost_nano for point in offered)
    today = None if curve.today is None else _local(curve.today)
    points = tuple(
        _point(curve, point, most, is_today=_local(point) == today, selected=index == at)
        for index, point in enumerate(offered)
    )
    asked = f"{curve.questions:,} past {'question' if curve.questions == 1 else 'questions'}"
    return CurveView(
        points=points,
        line=line_through([point.spot for point in points]),
        top=format_money(most, curve.currency),
        today=next((point for point in points if point.is_today), None),
        selected=points[at],
        at=at,
        summary=f"From {asked} since {curve.since.day} {curve.since:%b %Y}.",
        note=curve.note,
    )


def _local(point: CurvePoint) -> int:
    return round(point.local_share * 100)


def _thin(points: Sequence[CurvePoint], today: CurvePoint | None) -> list[CurvePoint]:
    """One point a whole per cent, evenly spread and few enough to look through; today's always among them."""
    by_share: dict[int, CurvePoint] = {}
    for point in points:
        known = by_share.get(_local(point))
        if known is None or point.cost_nano < known.cost_nano:
            by_share[_local(point)] = point
    if today is not None:
        by_share[_local(today)] = today
    shares = sorted(by_share)
    if len(shares) > MOST_POINTS:
        last = len(shares) - 1
        kept = {shares[round(step * last / (MOST_POINTS - 1))] for step in range(MOST_POINTS)}
        shares = sorted(kept | ({_local(today)} if today is not None else set()))
    return [by_share[share] for share in shares]


def _point(curve: Curve, point: CurvePoint, most: int, *, is_today: bool, selected: bool) -> PointView:
    local = _local(point)
    return PointView(
        local=local,
        spot=place(point.local_share, point.cost_nano / most if most else 0.0),
        share=f"{local} %",
        cost=format_money(point.cost_nano, curve.currency),
        wrong=f"{point.expected_wrong:.1f}",
        says=_says(curve, point, is_today),
        premium=100 - local,
        take_href=f"/quality/policy?local={local}&take=true#choose",
        is_today=is_today,
        selected=selected,
    )


def _says(curve: Curve, point: CurvePoint, is_today: bool) -> str:
    cost = format_money(point.cost_nano, curve.currency)
    wrong = f"about {point.expected_wrong:.1f} answers would probably have been wrong"
    said = f"{_local(point)} % answered below the top rung, for {cost} together; {wrong}."
    if is_today:
        return f"As today: {said}"
    if curve.today is None:
        return said
    more = point.cost_nano - curve.today.cost_nano
    if not more:
        return f"{said} That is as much as today."
    amount = format_money(abs(more), curve.currency)
    return f"{said} That is {amount} {'more' if more > 0 else 'less'} than today."
