"""Dated prices of models: a new price is a new entry, and what was paid before stays as it was."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from functools import partial

from sqlmodel import col, select

from app.core.clock import Clock, new_id, utc_now
from app.core.config import Settings
from app.core.db import Database
from app.core.errors import ConfigurationError, InputError
from app.core.identity import Caller
from routing.catalogue.choice import require_admin, who
from routing.catalogue.tables import ModelPriceRow
from routing.llm.prices import ANY_MODEL, ModelPrices, fallback_prices, find_prices, local_prices

DEPLOYMENTS = ("local", "premium")

_FRESH_SECONDS = 1.0
"""An entry made in another process counts here after so long at most."""

_DEAREST = Decimal(1_000_000)
_DECIMALS = 9
_LATE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class NewPrice:
    """A price as somebody enters it, a million tokens.

    `cached_price` of nothing is the input's price; `since` of nothing is now; `source` says where the price
    is from, such as a provider's page.
    """

    deployment: str
    model: str
    input_price: str
    output_price: str
    cached_price: str | None = None
    since: datetime | None = None
    source: str = ""


@dataclass(frozen=True, slots=True)
class PriceEntry:
    """A price from a moment on, in the currency's units a million tokens. `model` is `*` for whatever the
    deployment serves."""

    id: str
    deployment: str
    model: str
    currency: str
    input_price: Decimal
    output_price: Decimal
    cached_price: Decimal
    since: datetime
    source: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class PricedModel:
    """What a model costs us now, and from when on it will cost something else. `problem` says why there is no
    price; `since` is nothing where the price is not a dated entry's."""

    deployment: str
    model: str
    currency: str
    prices: ModelPrices | None
    problem: str | None
    upcoming: PriceEntry | None


class ModelPriceBook:
    """The dated prices of an installation. Implements `routing.llm.prices.DatedPrices`.

    Args:
        currency: the plan's; entries in another one do not count while this plan is in use.
    """

    def __init__(self, database: Database, currency: str, clock: Clock = utc_now) -> None:
        self._database = database
        self._currency = currency
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: tuple[float, tuple[PriceEntry, ...]] | None = None

    @property
    def currency(self) -> str:
        return self._currency

    def list(self) -> tuple[PriceEntry, ...]:
        """Every entry, the one that takes effect last first."""
        with self._database.read() as session:
            order = (col(ModelPriceRow.since).desc(), col(ModelPriceRow.id).desc())
            return tuple(_entry(row) for row in session.exec(select(ModelPriceRow).order_by(*order)).all())

    def entry_in_force(self, deployment: str, model: str) -> PriceEntry | None:
        """The newest entry whose time has come; a local model is entered as `*`."""
        now = self._clock()
        for entry in self._entries():
            fits = (entry.deployment, entry.model, entry.currency) == (deployment, model, self._currency)
            if fits and entry.since <= now:
                return entry
        return None

    def in_force(self, deployment: str, model: str, currency: str) -> ModelPrices | None:
        if currency != self._currency:
            return None
        entry = self.entry_in_force(deployment, model)
        if entry is None:
            return None
        said = f"entered by {entry.by}" + (f": {entry.source}" if entry.source else "")
        return ModelPrices(entry.input_price, entry.output_price, entry.cached_price, said, entry.since)

    def now(self, settings: Settings) -> tuple[PricedModel, ...]:
        """The price of each model that the settings name: the local, the premium and its fallbacks."""
        found = []
        if settings.local_url is not None:
            found.append(
                self._priced("local", ANY_MODEL, partial(local_prices, settings, self._currency, self))
            )
        if settings.premium_model is not None:
            find = partial(find_prices, settings, self._currency, self)
            found.append(self._priced("premium", settings.premium_model, find))
        for other in settings.premium_fallbacks:
            find = partial(fallback_prices, other, self._currency, self)
            found.append(self._priced("premium", other.model, find))
        return tuple(found)

    def _priced(self, deployment: str, model: str, find: Callable[[], ModelPrices]) -> PricedModel:
        now, prices, problem = self._clock(), None, None
        try:
            prices = find()
        except ConfigurationError as error:
            problem = error.message
        later = [
            entry
            for entry in self._entries()
            if (entry.deployment, entry.model, entry.currency) == (deployment, model, self._currency)
            and entry.since > now
        ]
        return PricedModel(deployment, model, self._currency, prices, problem, later[-1] if later else None)

    def set(self, caller: Caller, new: NewPrice) -> PriceEntry:
        """Adds an entry; those there are stay as they are.

        Raises:
            ForbiddenError: `admin_only`.
            InputError: `bad_price`, `bad_deployment`, `no_model`, or `price_in_the_past`.
        """
        require_admin(caller, "enter prices")
        row = self._checked(caller, new)
        with self._database.write() as session:
            session.add(row)
        with self._lock:
            self._kept = None
        return _entry(row)

    def _checked(self, caller: Caller, new: NewPrice) -> ModelPriceRow:
        model = new.model.strip()
        if new.deployment not in DEPLOYMENTS:
            raise InputError(f"Choose a deployment: {' or '.join(DEPLOYMENTS)}.", code="bad_deployment")
        if not model or len(model) > 200 or not model.isprintable():
            raise InputError("Name the model as receipts do.", code="no_model")
        if (new.deployment == "local") != (model == ANY_MODEL):
            raise InputError(
                f"The local deployment has one price for all it serves, entered as {ANY_MODEL}; a premium "
                "model is entered by its name.",
                code="no_model",
            )
        now = self._clock()
        since = now if new.since is None else new.since.astimezone(UTC)
        if since < now - _LATE:
            raise InputError(
                "A price counts from now on or from a later moment: what was paid stays as it was.",
                code="price_in_the_past",
            )
        read = parse_price(new.input_price, "input")
        cached = parse_price(new.cached_price, "cached input") if new.cached_price else read
        return ModelPriceRow(
            id=new_id(),
            deployment=new.deployment,
            model=model,
            currency=self._currency,
            input_price=str(read),
            output_price=str(parse_price(new.output_price, "output")),
            cached_price=str(cached),
            since=since,
            source=" ".join(new.source.split())[:300],
            by=who(caller),
            at=now,
        )

    def _entries(self) -> Sequence[PriceEntry]:
        with self._lock:
            if self._kept is None or time.monotonic() - self._kept[0] > _FRESH_SECONDS:
                self._kept = (time.monotonic(), self.list())
            return self._kept[1]


def parse_price(text: str, name: str) -> Decimal:
    """A price a million tokens as people write it.

    Raises:
        InputError: `bad_price`.
    """
    try:
        price = Decimal(text.strip())
    except InvalidOperation:
        price = Decimal("NaN")
    exponent = price.as_tuple().exponent
    if not price.is_finite() or not 0 <= price <= _DEAREST or int(exponent) < -_DECIMALS:
        raise InputError(
            f"The {name} price is an amount a million tokens, such as 1.25, from 0 to {_DEAREST:f}, with at "
            f"most {_DECIMALS} decimals.",
            code="bad_price",
        )
    return price


def _entry(row: ModelPriceRow) -> PriceEntry:
    return PriceEntry(
        id=row.id,
        deployment=row.deployment,
        model=row.model,
        currency=row.currency,
        input_price=Decimal(row.input_price),
        output_price=Decimal(row.output_price),
        cached_price=Decimal(row.cached_price),
        since=row.since,
        source=row.source,
        by=row.by,
        at=row.at,
    )
