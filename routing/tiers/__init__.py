"""Builds the ladder: each kind of rung is a file here and a branch in `_build`."""

from collections.abc import Sequence

from app.core.config import Settings
from app.core.errors import ConfigurationError
from routing.adapters.adapter import AdapterChooser, NoAdapters
from routing.reading.reading import PassageReader
from routing.tier import ChatSettings, Ladder, Tier, TierSpec, load_specs


def build_ladder(
    settings: Settings,
    reader: PassageReader,
    currency: str,
    *,
    specs: Sequence[TierSpec] | None = None,
    adapters: AdapterChooser | None = None,
) -> Ladder:
    """The rungs of `tiers.toml` with what this installation's settings give them.

    Args:
        reader: what the reading rung reads with.
        currency: the plan's, in which costs are counted.
        adapters: chooses among the local model's adapters; its base model alone without.

    Raises:
        ConfigurationError: the file cannot be used. A rung that is not set up or has no price is no error:
            it stands in the ladder and says why it is unavailable.
    """
    chooser = adapters or NoAdapters()
    return Ladder([_build(spec, settings, reader, currency, chooser) for spec in specs or load_specs()])


def _build(
    spec: TierSpec, settings: Settings, reader: PassageReader, currency: str, adapters: AdapterChooser
) -> Tier:
    if spec.reader is not None:
        from routing.tiers.reader import ReaderTier

        return ReaderTier(spec.name, spec.label, spec.reader, reader)
    if spec.chat is not None:
        from routing.llm.prompt import load_prompt

        load_prompt(spec.chat.prompt)
        if spec.chat.deployment == "local":
            return _local(spec, spec.chat, settings, currency, adapters)
        return _premium(spec, spec.chat, settings, currency)
    raise ConfigurationError(f"Rung {spec.name} has no settings.", code="bad_ladder")


def _local(
    spec: TierSpec, chat: ChatSettings, settings: Settings, currency: str, adapters: AdapterChooser
) -> Tier:
    from routing.llm.prices import local_prices
    from routing.llm.vllm import VllmModel
    from routing.tiers.local import LocalTier

    model: VllmModel | str
    try:
        model = VllmModel(settings, longest_answer_seconds=chat.longest_answer_seconds)
    except ConfigurationError as error:
        model = error.message
    return LocalTier(spec.name, spec.label, chat, model, local_prices(settings), currency, adapters)


def _premium(spec: TierSpec, chat: ChatSettings, settings: Settings, currency: str) -> Tier:
    from routing.llm.chat import LiteLlmModel
    from routing.llm.prices import find_prices
    from routing.tiers.chat import ChatBackend, ChatTier

    backend: ChatBackend | str
    try:
        model = LiteLlmModel(settings, longest_answer_seconds=chat.longest_answer_seconds)
        backend = ChatBackend(model, find_prices(settings, currency))
    except ConfigurationError as error:
        backend = error.message
    return ChatTier(spec.name, spec.label, chat, backend, currency)
