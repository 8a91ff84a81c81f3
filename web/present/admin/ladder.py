"""The ladder, the chat server and the reading adapter as the page of models shows them."""

from collections.abc import Mapping, Sequence
from datetime import timedelta

from app.core.errors import RungError
from billing.money import format_money
from billing.price_book import PerQuestion, Plan
from routing.adapters.adapter import Adapter, ServerState
from routing.history import Tally
from routing.tier import Tier, TierSpec, load_specs, resting
from web.deps import ReaderFacts, Services
from web.present.admin.views import ReaderView, RungView, ServerView
from web.present.views import Tone, file_size

COUNTED = timedelta(days=30)
"""How far back the page counts answers."""

_SCORES: Mapping[str, str] = {
    "sentence_right": "Answering sentence right",
    "baseline_sentence_right": "The same without the adapter",
    "span_f1": "Answering words, F1",
    "answerable_auroc": "Tells answerable questions apart, AUROC",
    "end_to_end_sentence_right": "Sentence right over a whole corpus",
}


def tally_of(services: Services, workspace_id: str) -> Tally:
    """The workspace's questions of the last thirty days."""
    return services.history.tally(workspace_id, services.clock() - COUNTED)


def rung_views(
    services: Services, server: ServerState, adapters: Sequence[Adapter], tally: Tally
) -> tuple[RungView, ...]:
    """Every rung of the ladder, cheapest first."""
    specs = {spec.name: spec for spec in load_specs()}
    tiers, reader = services.asks.answerer.ladder.tiers, reader_view(services)
    plan = services.usage.plan
    answered = sum(tally.by_tier.values())
    views = []
    for height, tier in enumerate(tiers, start=1):
        count = tally.by_tier.get(tier.name, 0)
        problem, rest = tier.unavailable, resting(tier)
        state, tone = _state(problem, rest)
        views.append(
            RungView(
                name=tier.name,
                label=tier.label,
                height=height,
                rungs=len(tiers),
                answers=answers_of(tier, specs, services, server, adapters, reader),
                state=state,
                tone=tone,
                problem=problem or rest,
                price=price_words(plan, tier.name),
                answered=count,
                share_percent=round(100 * count / answered) if answered else 0,
            )
        )
    return tuple(views)


def _state(problem: str | None, rest: str | None) -> tuple[str, Tone]:
    if problem is not None:
        return "not available", "quiet"
    return ("left out for some seconds", "warn") if rest is not None else ("available", "good")


def answers_of(
    tier: Tier,
    specs: Mapping[str, TierSpec],
    services: Services,
    server: ServerState,
    adapters: Sequence[Adapter],
    reader: ReaderView | None,
) -> str:
    """What answers on a rung: the model, and its adapters where it has any; empty where none is set up."""
    spec = specs.get(tier.name)
    if spec is None:
        return tier.name
    if spec.kind == "reader":
        return _reader_words(reader)
    if spec.chat is not None and spec.chat.deployment == "local":
        return _local_words(server, adapters)
    return services.settings.premium_model or ""


def _reader_words(reader: ReaderView | None) -> str:
    if reader is None:
        return "all-MiniLM-L6-v2, comparing sentences"
    if reader.problem is not None:
        return "all-MiniLM-L6-v2, whose reading adapter cannot be used"
    return f"{reader.base} with the adapter {reader.name}"


def _local_words(server: ServerState, adapters: Sequence[Adapter]) -> str:
    base = server.base_model
    if base is None:
        return "The base model is not known: its server does not answer" if server.url else ""
    serving = [found.in_service.served_name for found in adapters if found.in_service]
    return f"{base} with {', '.join(serving)}" if serving else f"{base} without adapters"


def price_words(plan: Plan, tier: str) -> str:
    """What the plan charges for an answer of this rung."""
    price = plan.prices.get(tier)
    if price is None:
        return "no price in the plan"
    if isinstance(price, PerQuestion):
        return f"{format_money(price.nano, plan.currency)} an answer"
    least = format_money(price.minimum_nano, plan.currency)
    return f"what it costs us plus {price.percent.normalize():f} %, at least {least}"


def unanswered_words(tally: Tally) -> str:
    """What became of the questions that no rung answered; empty where all were."""
    parts = []
    if tally.abstained:
        parts.append(f"{tally.abstained} got no answer from the documents")
    if tally.failed:
        parts.append(f"{tally.failed} failed")
    return " and ".join(parts)


def server_view(server: ServerState) -> ServerView:
    if server.url is None:
        return ServerView(None, "not set up", "quiet", None, (), server.problem or None)
    return ServerView(
        url=server.url,
        state="reachable" if server.reachable else "not reachable",
        tone=("warn" if server.problem else "good") if server.reachable else "bad",
        base_model=server.base_model,
        loaded=server.loaded,
        problem=server.problem or None,
    )


def reader_view(services: Services) -> ReaderView | None:
    """The card of the reading adapter; nothing where the reader has none."""
    try:
        card = services.reader_card()
    except RungError as error:
        return ReaderView(problem=error.message)
    if card is None:
        return None
    sets = ", ".join(f"{name} ({count:,} examples)" for name, count in card.trained_on.items())
    return ReaderView(
        name=card.name,
        base=_base_name(card),
        trained=f"{card.trained_at}, on {sets}" if sets else card.trained_at,
        size=file_size(card.size_bytes),
        sha256=card.sha256,
        scores=tuple((_score_name(name), f"{score:.3f}") for name, score in card.scores.items()),
    )


def _score_name(name: str) -> str:
    return _SCORES.get(name) or name.replace("_", " ").capitalize()


def _base_name(card: ReaderFacts) -> str:
    """The base model without the checksum of its weights."""
    return card.base.partition(" (")[0]
