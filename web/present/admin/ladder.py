"""The ladder, the chat server and the reading adapter as the page of models shows them."""

from collections.abc import Mapping, Sequence
from datetime import timedelta

from billing.money import format_money
from billing.price_book import PerQuestion, Plan
from routing.adapters.adapter import Adapter, ServerState
from routing.history import Tally
from routing.tier import Tier, TierSpec, load_specs
from web.deps import ReaderFacts, Services
from web.present.admin.views import ReaderView, RungView, ServerView
from web.present.views import file_size

COUNTED = timedelta(days=30)
"""How far back the page counts answers."""

_SCORES = {
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
    tiers, card = services.asks.answerer.ladder.tiers, services.reader_card()
    plan = services.usage.plan
    answered = sum(tally.by_tier.values())
    views = []
    for height, tier in enumerate(tiers, start=1):
        count = tally.by_tier.get(tier.name, 0)
        problem = tier.unavailable
        views.append(
            RungView(
                name=tier.name,
                label=tier.label,
                height=height,
                rungs=len(tiers),
                answers=answers_of(tier, specs, services, server, adapters, card),
                state="available" if problem is None else "not available",
                tone="good" if problem is None else "quiet",
                problem=problem,
                price=price_words(plan, tier.name),
                answered=count,
                share_percent=round(100 * count / answered) if answered else 0,
            )
        )
    return tuple(views)


def answers_of(
    tier: Tier,
    specs: Mapping[str, TierSpec],
    services: Services,
    server: ServerState,
    adapters: Sequence[Adapter],
    card: ReaderFacts | None,
) -> str:
    """What answers on a rung: the model, and its adapters where it has any."""
    spec = specs.get(tier.name)
    if spec is None:
        return tier.name
    if spec.kind == "reader":
        return (
            f"{card.base} with the adapter {card.name}" if card else "all-MiniLM-L6-v2, comparing sentences"
        )
    if tier.name == "local":
        return _local_words(server, adapters)
    return services.settings.premium_model or "No model is set up"


def _local_words(server: ServerState, adapters: Sequence[Adapter]) -> str:
    base = server.base_model
    if base is None:
        return "No model is known" if server.url else "No model is set up"
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


def reader_view(card: ReaderFacts | None) -> ReaderView | None:
    if card is None:
        return None
    trained = (card.trained_on,) if isinstance(card.trained_on, str) else tuple(card.trained_on)
    return ReaderView(
        name=card.name,
        base=card.base,
        trained_on=trained,
        size=file_size(card.size_bytes),
        sha256=card.sha256,
        scores=tuple((_SCORES.get(name, name), f"{score:.3f}") for name, score in card.scores.items()),
    )
