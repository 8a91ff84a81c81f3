"""Figures, prices and deployments in words."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from billing.money import format_money
from routing.catalogue.figures import ModelFigures, Quality
from routing.catalogue.prices import PricedModel, PriceEntry
from routing.llm.deployments import DeploymentState, HasDeployments
from routing.llm.prices import ANY_MODEL
from web.deps import Services
from web.present.admin.catalogue.views import (
    DayView,
    DeploymentView,
    FiguresView,
    PriceEntryView,
    PriceView,
    SparkView,
)
from web.present.views import Tone, when

_WIDTH, _HEIGHT, _EDGE = 120, 28, 2
_MANY_ERRORS = 0.05

_BREAKER: dict[str, tuple[str, Tone]] = {
    "closed": ("takes calls", "good"),
    "open": ("left out", "bad"),
    "half-open": ("tried again", "warn"),
}


def figures_views(found: Sequence[ModelFigures], currency: str) -> tuple[FiguresView, ...]:
    return tuple(_figures(figures, currency) for figures in found)


def _figures(found: ModelFigures, currency: str) -> FiguresView:
    tone: Tone = "warn" if found.error_rate > _MANY_ERRORS else "quiet"
    return FiguresView(
        tier=found.tier,
        model=found.model,
        calls=found.calls,
        tokens=f"{_thousands(found.input_tokens)} read, {_thousands(found.output_tokens)} written",
        cost=format_money(found.cost_nano, currency),
        p50=ms_words(found.p50_ms),
        p95=ms_words(found.p95_ms),
        errors=f"{100 * found.error_rate:.1f} %",
        tone=tone,
        quality=quality_words(found.quality),
        interval=interval_words(found.quality),
        spark=spark([day.calls for day in found.days], f"Calls of {found.model} by day"),
        days=tuple(
            DayView(
                f"{day.day:%Y-%m-%d}",
                _thousands(day.calls),
                _thousands(day.tokens),
                format_money(day.cost_nano, currency),
            )
            for day in reversed(found.days)
        ),
    )


def spark(numbers: Sequence[int], label: str) -> SparkView:
    """The numbers as a line from left to right; the highest reaches the top."""
    most = max(numbers, default=0)
    step = (_WIDTH - 2 * _EDGE) / max(1, len(numbers) - 1)
    reach = _HEIGHT - 2 * _EDGE
    points = (
        f"{_EDGE + step * n:.1f},{_HEIGHT - _EDGE - (reach * number / most if most else 0):.1f}"
        for n, number in enumerate(numbers)
    )
    return SparkView(" ".join(points), f"{label}: at most {_thousands(most)}")


def quality_words(quality: Quality | None) -> str:
    return "not judged yet" if quality is None else f"{round(100 * quality.share)} % right"


def interval_words(quality: Quality | None) -> str:
    if quality is None:
        return ""
    low, high = round(100 * quality.low), round(100 * quality.high)
    return f"{low} to {high} %, over {quality.judged} judged"


def ms_words(duration_ms: int | None) -> str:
    """A duration as people read it: `340 ms`, `2.1 s`."""
    if duration_ms is None:
        return "none yet"
    return f"{duration_ms} ms" if duration_ms < 1000 else f"{duration_ms / 1000:.1f} s"


def price_views(services: Services, now: datetime) -> tuple[PriceView, ...]:
    """The price of each model that is set up."""
    return tuple(_price(priced, now) for priced in services.catalogue.prices.now(services.settings))


def _price(priced: PricedModel, now: datetime) -> PriceView:
    prices, later = priced.prices, priced.upcoming
    upcoming = ""
    if later is not None:
        amounts = f"{later.input_price:f} read and {later.output_price:f} written"
        upcoming = f"{amounts} from {_day(later.since)} on"
    return PriceView(
        deployment=priced.deployment,
        model=model_words(priced.model),
        read=_amount(prices.input if prices else None, priced.currency),
        cached=_amount(prices.cached_input if prices else None, priced.currency),
        written=_amount(prices.output if prices else None, priced.currency),
        source=prices.source if prices else "",
        since=when(prices.since, now) if prices else None,
        upcoming=upcoming,
        problem=priced.problem,
    )


def entry_views(entries: Sequence[PriceEntry], now: datetime) -> tuple[PriceEntryView, ...]:
    """Every dated entry: in force, still to come, or replaced by a later one."""
    seen: set[tuple[str, str, str]] = set()
    views = []
    for entry in entries:
        key = (entry.deployment, entry.model, entry.currency)
        state: tuple[str, Tone] = ("replaced", "quiet")
        if entry.since > now:
            state = ("to come", "warn")
        elif key not in seen:
            seen.add(key)
            state = ("in force", "good")
        views.append(_entry(entry, *state))
    return tuple(views)


def _entry(entry: PriceEntry, state: str, tone: Tone) -> PriceEntryView:
    return PriceEntryView(
        deployment=entry.deployment,
        model=model_words(entry.model),
        read=_amount(entry.input_price, entry.currency),
        cached=_amount(entry.cached_price, entry.currency),
        written=_amount(entry.output_price, entry.currency),
        since=_day(entry.since),
        state=state,
        tone=tone,
        by=entry.by,
        source=entry.source,
    )


def model_words(model: str) -> str:
    return "whatever the local server serves" if model == ANY_MODEL else model


def deployment_views(services: Services, now: datetime) -> tuple[DeploymentView, ...]:
    """How each deployment does, of the rungs that have several."""
    return tuple(
        _deployment(state, now)
        for tier in services.asks.answerer.ladder.tiers
        if isinstance(tier, HasDeployments)
        for state in tier.deployments()
    )


def _deployment(found: DeploymentState, now: datetime) -> DeploymentView:
    words, tone = _BREAKER[found.state]
    return DeploymentView(
        name=found.name,
        state=words,
        tone=tone,
        since=when(found.since, now),
        calls=f"{found.failures} of {found.calls} calls failed in the last {found.minutes} minutes",
        last_error=found.last_error,
    )


def _amount(price: Decimal | None, currency: str) -> str:
    return "" if price is None else f"{price.normalize():f} {currency}"


def _day(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def _thousands(number: int) -> str:
    return f"{number:,}".replace(",", "\u202f")
