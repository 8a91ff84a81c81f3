"""Builds the ladder: each kind of rung is one file here and one branch in `build_ladder`."""

from collections.abc import Sequence

from app.core.config import Settings
from app.core.errors import ConfigurationError
from retrieval.embedder import Embedder
from routing.tier import ChatSettings, Ladder, Tier, TierSpec, load_specs


def build_ladder(
    settings: Settings, embedder: Embedder, currency: str, *, specs: Sequence[TierSpec] | None = None
) -> Ladder:
    """The rungs of `tiers.toml` with what this installation's settings give them.

    Args:
        currency: the plan's, in which costs are counted.

    Raises:
        ConfigurationError: the file cannot be used. A premium rung that is not set up or has no price is no
        error:
            it stands in the ladder and says why it is unavailable.
    """
    return Ladder([_build(spec, settings, embedder, currency) for spec in specs or load_specs()])


def _build(spec: TierSpec, settings: Settings, embedder: Embedder, currency: str) -> Tier:
    if spec.reader is not None:
        from routing.tiers.reader import ReaderTier

        return ReaderTier(spec.name, spec.label, spec.reader, embedder)
    if spec.chat is not None:
        return _chat(spec, spec.chat, settings, currency)
    raise ConfigurationError(f"Rung {spec.name} has no settings.", code="bad_ladder")


def _chat(spec: TierSpec, chat: ChatSettings, settings: Settings, currency: str) -> Tier:
    from routing.llm import ChatModel
    from routing.llm.prices import find_prices
    from routing.llm.prompt import load_prompt
    from routing.tiers.premium import ChatBackend, ChatTier

    load_prompt(chat.prompt)
    backend: ChatBackend | str
    try:
        model = ChatModel(settings, longest_answer_seconds=chat.longest_answer_seconds)
        backend = ChatBackend(model, find_prices(settings, currency))
    except ConfigurationError as error:
        backend = error.message
    return ChatTier(spec.name, spec.label, chat, backend, currency)
