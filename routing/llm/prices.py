"""What the tokens of a chat model cost us, per million, in the plan's currency. Never guessed.

A dated entry that somebody made counts before everything else. Without one, either both
RUNG_PREMIUM_INPUT_PRICE and RUNG_PREMIUM_OUTPUT_PRICE are set, or the model is at its provider's own address,
LiteLLM's bundled list knows it, and the plan is in dollars like that list. Otherwise there is no price, and a
rung without a price is not used. The list is read as a file, so asking for a price does not load LiteLLM.
The local model's price is what its owner reckons for the hardware: nothing, unless it is set.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

from app.core.config import PremiumFallback, Settings
from app.core.errors import ConfigurationError

ANY_MODEL = "*"
"""In a dated entry: whatever the deployment serves."""

_NANO = Decimal(10**9)
_MILLION = Decimal(10**6)
_LIST_CURRENCY = "USD"
_SET_PRICES = "Set RUNG_PREMIUM_INPUT_PRICE and RUNG_PREMIUM_OUTPUT_PRICE, per million tokens in {currency}."


@dataclass(frozen=True, slots=True)
class ModelPrices:
    """Prices per million tokens. `source` says where they come from, `since` from when they hold, where that
    is known."""

    input: Decimal
    output: Decimal
    cached_input: Decimal
    source: str
    since: datetime | None = None

    @property
    def problem(self) -> None:
        """There is a price."""
        return

    def cost_nano(self, input_tokens: int, output_tokens: int, cached_tokens: int = 0) -> int:
        """Cost of a call in nano-units, rounded once, half up. `cached_tokens` are part of the input."""
        cached = min(cached_tokens, input_tokens)
        per_million = (
            self.input * (input_tokens - cached) + self.cached_input * cached + self.output * output_tokens
        )
        return int((per_million * _NANO / _MILLION).to_integral_value(ROUND_HALF_UP))


class Prices(Protocol):
    """What a call costs, at the prices of the moment."""

    @property
    def problem(self) -> str | None:
        """Why there is no price, and what to do; nothing where there is one."""
        ...

    def cost_nano(self, input_tokens: int, output_tokens: int, cached_tokens: int = 0) -> int: ...


class DatedPrices(Protocol):
    """The prices that people entered: `routing.catalogue.prices.ModelPriceBook`."""

    def in_force(self, deployment: str, model: str, currency: str) -> ModelPrices | None:
        """The newest entry whose time has come, for this model or for whatever the deployment serves."""
        ...


class LivePrices:
    """Looks for the price anew at each call, so that a dated entry takes effect when its time comes."""

    def __init__(self, find: Callable[[], ModelPrices]) -> None:
        self._find = find

    @property
    def problem(self) -> str | None:
        try:
            self._find()
        except ConfigurationError as error:
            return error.message
        return None

    def cost_nano(self, input_tokens: int, output_tokens: int, cached_tokens: int = 0) -> int:
        """Raises ConfigurationError `unpriced_model`, where `problem` says why."""
        return self._find().cost_nano(input_tokens, output_tokens, cached_tokens)


def find_prices(settings: Settings, currency: str, dated: DatedPrices | None = None) -> ModelPrices:
    """The prices of the premium model at this moment.

    Raises:
        ConfigurationError: `unpriced_model`, says which settings to make.
    """
    entered = dated.in_force("premium", settings.premium_model or "", currency) if dated else None
    if entered is not None:
        return entered
    hint = _SET_PRICES.format(currency=currency)
    given = (settings.premium_input_price, settings.premium_output_price)
    if given[0] is not None and given[1] is not None:
        # Cached input is counted at the full price: our cost is then never understated.
        return ModelPrices(given[0], given[1], given[0], "settings")
    if any(price is not None for price in given):
        raise ConfigurationError(f"Only one price of the premium model is set. {hint}", code="unpriced_model")
    model = settings.premium_model or ""
    listed = _listed(model) if settings.premium_base_url is None else None
    if listed is None:
        raise ConfigurationError(f"No price is known for {model}. {hint}", code="unpriced_model")
    if currency != _LIST_CURRENCY:
        raise ConfigurationError(
            f"The known price of {model} is in {_LIST_CURRENCY}, the plan in {currency}. {hint}",
            code="unpriced_model",
        )
    return listed


def fallback_prices(other: PremiumFallback, currency: str, dated: DatedPrices | None = None) -> ModelPrices:
    """The prices of another deployment of the premium model: the dated entry's, else those set beside it."""
    entered = dated.in_force("premium", other.model, currency) if dated else None
    return entered or ModelPrices(other.input_price, other.output_price, other.input_price, "settings")


def local_prices(settings: Settings, currency: str = "", dated: DatedPrices | None = None) -> ModelPrices:
    """What the local model costs us as its owner reckons it; nothing where no price is set."""
    entered = dated.in_force("local", ANY_MODEL, currency) if dated else None
    if entered is not None:
        return entered
    read, written = settings.local_input_price, settings.local_output_price
    return ModelPrices(read, written, read, "settings")


def _listed(model: str) -> ModelPrices | None:
    provider, _, bare = model.partition("/")
    entries = _price_list()
    entry = entries.get(model)
    if entry is None and bare in entries and entries[bare].get("litellm_provider") == provider:
        entry = entries[bare]
    if entry is None:
        return None
    read, written = entry.get("input_cost_per_token"), entry.get("output_cost_per_token")
    if not isinstance(read, Decimal) or not isinstance(written, Decimal):
        return None
    cached = entry.get("cache_read_input_token_cost")
    cached_price = cached if isinstance(cached, Decimal) else read
    return ModelPrices(read * _MILLION, written * _MILLION, cached_price * _MILLION, "LiteLLM's list")


@lru_cache(maxsize=1)
def _price_list() -> Mapping[str, Mapping[str, object]]:
    spec = find_spec("litellm")
    if spec is None or spec.origin is None:
        raise ConfigurationError("LiteLLM is not installed; run `make install`.", code="missing_package")
    path = Path(spec.origin).with_name("model_prices_and_context_window_backup.json")
    entries: dict[str, dict[str, object]] = json.loads(
        path.read_text(encoding="utf-8"), parse_float=Decimal, parse_int=Decimal
    )
    return entries
