"""The quality of the last days as its page shows it."""

from collections.abc import Sequence
from datetime import datetime

from billing.money import format_money
from routing.policy.reports import DayCount, DayQuality, DriftAlert, QualityEstimate, QualityReport
from web.present.admin.quality_views import AlarmView, FailureView, IntervalView, QualityView
from web.present.asking.answers import tier_height, tier_label
from web.present.charts import WIDTH, BarsView, Ranged, RangesView, Series, ranges, stacked_bars
from web.present.views import when

_ALARMS = {"quality": "The answers got worse", "questions": "Other questions are asked"}
_COLOURS = 4
"""How many rungs have a colour of their own; higher ones share the last."""


def percent(share: float) -> str:
    """A share in per cent, with as many digits as it has, four at most."""
    return f"{share * 100:.4g}"


def quality_view(report: QualityReport, now: datetime) -> QualityView:
    def money(nano: int) -> str:
        return format_money(nano, report.currency)

    share = report.local_share
    return QualityView(
        asked=sum(sum(day.by_tier.values()) + day.abstained + day.failed for day in report.days),
        answered=report.answered,
        local_share="none answered yet" if share is None else f"{share * 100:.0f} %",
        quality=_interval(report.quality),
        quality_how=report.quality.how,
        charged=money(report.price_nano),
        all_premium=money(report.all_premium_nano),
        saved=money(report.saved_nano),
        percent_of_premium=_percent_of(report.price_nano, report.all_premium_nano),
        cost=money(report.cost_nano),
        shadow_cost=money(report.shadow_cost_nano) if report.shadow_cost_nano else None,
        by_day=_by_day(report.days),
        local_by_day=_local_by_day(report.days),
        quality_by_day=_quality_by_day(report.quality_by_day),
        alarms=tuple(_alarm(alert, now) for alert in report.drift),
        failures=tuple(
            FailureView(found.code, found.count, when(found.last, now)) for found in report.failures
        ),
        calibration=report.calibration,
        calibrated=when(report.calibrated_at, now),
    )


def _percent_of(part: int, whole: int) -> int | None:
    return round(100 * part / whole) if whole else None


def _interval(found: QualityEstimate) -> IntervalView | None:
    if found.estimate is None or found.low is None or found.high is None:
        return None
    return IntervalView(
        estimate=f"{found.estimate * 100:.0f}",
        low=f"{found.low * 100:.0f}",
        high=f"{found.high * 100:.0f}",
        from_x=round(found.low * WIDTH, 1),
        to_x=round(found.high * WIDTH, 1),
        at_x=round(found.estimate * WIDTH, 1),
    )


def _alarm(alert: DriftAlert, now: datetime) -> AlarmView:
    return AlarmView(_ALARMS.get(alert.kind, alert.kind), alert.says, when(alert.since, now))


def _tiers(days: Sequence[DayCount]) -> list[str]:
    """The rungs that answered, lowest first; those that the ladder no longer has come first."""
    found = {name for day in days for name in day.by_tier}
    return sorted(found, key=lambda name: (tier_height(name)[0], name))


def _by_day(days: Sequence[DayCount]) -> BarsView:
    series = [
        Series(
            label=tier_label(name),
            tone=f"rung-{min(tier_height(name)[0], _COLOURS)}",
            values=tuple(day.by_tier.get(name, 0) for day in days),
        )
        for name in _tiers(days)
    ]
    for label, tone, values in (
        ("Not in the documents", "unanswered", tuple(day.abstained for day in days)),
        ("Failed", "failed", tuple(day.failed for day in days)),
    ):
        if any(values):
            series.append(Series(label, tone, values))
    return stacked_bars("Questions a day, by the rung that answered", _names(days), series)


def _local_by_day(days: Sequence[DayCount]) -> BarsView | None:
    """The share that stayed below the top rung, in whole per cent; nothing where none was answered."""
    _, rungs = tier_height("")
    shares: list[int | None] = []
    for day in days:
        answered = sum(day.by_tier.values())
        local = sum(count for name, count in day.by_tier.items() if tier_height(name)[0] < rungs)
        shares.append(round(100 * local / answered) if answered else None)
    if not any(sum(day.by_tier.values()) for day in days):
        return None
    series = (Series("Answered below the top rung, %", "rung-1", tuple(shares)),)
    return stacked_bars("Share answered below the top rung a day", _names(days), series)


def _quality_by_day(days: Sequence[DayQuality]) -> RangesView | None:
    """The share of right answers a day, in whole per cent; nothing where none was judged."""
    if not any(day.n for day in days):
        return None
    heads = ("Right, %", "95% interval, %", "Answers judged")
    return ranges("Share of right answers a day", _names(days), heads, [_ranged(day) for day in days])


def _ranged(day: DayQuality) -> Ranged | None:
    if day.estimate is None or day.low is None or day.high is None:
        return None
    cells = (f"{day.estimate * 100:.0f}", f"{day.low * 100:.0f} to {day.high * 100:.0f}", str(day.n))
    return Ranged(day.estimate, day.low, day.high, cells)


def _names(days: Sequence[DayCount | DayQuality]) -> list[str]:
    return [f"{count.day.day} {count.day:%b}" for count in days]
