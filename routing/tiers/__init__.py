"""Builds the ladder: each kind of rung is a file here and a branch in `_build`."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from app.core.config import Settings
from app.core.errors import ConfigurationError
from routing.adapters.adapter import AdapterChooser, NoAdapters
from routing.catalogue.choice import PromptChooser
from routing.llm.prices import DatedPrices, LivePrices
from routing.reading.reading import PassageReader
from routing.tier import ChatSettings, Ladder, Tier, TierSpec, load_specs

if TYPE_CHECKING:
    from routing.llm.deployments import Deployments


def build_ladder(
    settings: Settings,
    reader: PassageReader,
    currency: str,
    *,
    specs: Sequence[TierSpec] | None = None,
    adapters: AdapterChooser | None = None,
    prompts: PromptChooser | None = None,
    prices: DatedPrices | None = None,
) -> Ladder:
    """The rungs of `tiers.toml` with what this installation's settings give them.

    Args:
        reader: what the reading rung reads with.
        currency: the plan's, in which costs are counted.
        adapters: chooses among the local model's adapters; its base model alone without.
        prompts: chooses the prompt of each question; each rung's own without.
        prices: the dated prices that people entered, which count before those of the settings.

    Raises:
        ConfigurationError: the file cannot be used. A rung that is not set up or has no price is no error:
            it stands in the ladder and says why it is unavailable.
    """
    around = _Around(settings, currency, adapters or NoAdapters(), prompts, prices)
    return Ladder([_build(spec, reader, around) for spec in specs or load_specs()])


@dataclass(frozen=True, slots=True)
class _Around:
    """What the rungs that ask a chat model are given."""

    settings: Settings
    currency: str
    adapters: AdapterChooser
    prompts: PromptChooser | None
    prices: DatedPrices | None


def _build(spec: TierSpec, reader: PassageReader, around: _Around) -> Tier:
    if spec.reader is not None:
        from routing.tiers.reader import ReaderTier

        return ReaderTier(spec.name, spec.label, spec.reader, reader)
    if spec.chat is not None:
        from routing.llm.prompt import load_prompt

        load_prompt(spec.chat.prompt)
        if spec.chat.deployment == "local":
            return _local(spec, spec.chat, around)
        return _premium(spec, spec.chat, around)
    raise ConfigurationError(f"Rung {spec.name} has no settings.", code="bad_ladder")


def _local(spec: TierSpec, chat: ChatSettings, around: _Around) -> Tier:
    from routing.llm.prices import local_prices
    from routing.llm.vllm import VllmModel
    from routing.tiers.local import LocalTier

    settings, currency = around.settings, around.currency
    model: VllmModel | str
    try:
        model = VllmModel(settings, longest_answer_seconds=chat.longest_answer_seconds)
    except ConfigurationError as error:
        model = error.message
    prices = LivePrices(lambda: local_prices(settings, currency, around.prices))
    return LocalTier(spec.name, spec.label, chat, model, prices, currency, around.adapters, around.prompts)


def _premium(spec: TierSpec, chat: ChatSettings, around: _Around) -> Tier:
    from routing.tiers.premium import PremiumTier

    deployments: Deployments | str
    try:
        deployments = _deployments(chat, around)
    except ConfigurationError as error:
        deployments = error.message
    return PremiumTier(spec.name, spec.label, chat, deployments, around.currency, around.prompts)


def _deployments(chat: ChatSettings, around: _Around) -> "Deployments":
    """The model of the settings first, then its fallbacks. Raises ConfigurationError where there is none."""
    from routing.llm.chat import LiteLlmModel
    from routing.llm.deployments import Breaker, Deployment, Deployments, deployment_name
    from routing.llm.prices import fallback_prices, find_prices

    settings, currency = around.settings, around.currency
    first = LiteLlmModel.of(settings, longest_answer_seconds=chat.longest_answer_seconds)
    prices = LivePrices(lambda: find_prices(settings, currency, around.prices))
    found = [Deployment(first, prices, Breaker(deployment_name(first.name, first.base_url)))]
    for other in settings.premium_fallbacks:
        model = LiteLlmModel(
            other.model,
            api_key=other.api_key.get_secret_value() if other.api_key else None,
            base_url=other.base_url,
            timeout_seconds=settings.premium_timeout_seconds,
            longest_answer_seconds=chat.longest_answer_seconds,
        )
        priced = LivePrices(partial(fallback_prices, other, currency, around.prices))
        found.append(Deployment(model, priced, Breaker(deployment_name(other.model, other.base_url))))
    return Deployments(found)
