"""The price book: every version of every price plan, read from `billing/plans/<plan>.<yyyy-mm>.toml`.

A plan is frozen once used: the ledger stores the SHA-256 of its file at first use and refuses an edited one.
"""

import hashlib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator
from sqlalchemy import Connection, String, bindparam, text

from app.core.db import UtcDateTime
from app.core.errors import ConfigurationError, InputError, IntegrityError
from billing.money import Rate, parse_amount, parse_rate
from billing.tables import PlanUseRow

PLANS_DIR = Path(__file__).parent / "plans"

_NAME = re.compile(r"[a-z][a-z0-9-]*\.[0-9]{4}-(0[1-9]|1[0-2])")
_USED = text("SELECT sha256, first_used_at FROM price_plan_use WHERE name = :name").columns(
    sha256=String, first_used_at=UtcDateTime
)
_FIRST_USE = text(
    "INSERT INTO price_plan_use (name, sha256, first_used_at) VALUES (:name, :sha256, :first_used_at)"
    " ON CONFLICT DO NOTHING"
).bindparams(bindparam("first_used_at", type_=UtcDateTime))


@dataclass(frozen=True, slots=True)
class PerQuestion:
    """One price for each answered question."""

    nano: int


@dataclass(frozen=True, slots=True)
class CostPlus:
    """What the answer cost us and so many per cent more, but at least the minimum."""

    percent: Rate
    minimum_nano: int


TierPrice = PerQuestion | CostPlus


@dataclass(frozen=True, slots=True)
class Plan:
    """One frozen price plan.

    `sha256` is that of the file's bytes, so that any edit shows.
    """

    name: str
    title: str
    currency: str
    prices: Mapping[str, TierPrice]
    sha256: str


def _amount_text(text: str) -> str:
    try:
        amount_nano = parse_amount(text)
    except InputError as error:
        raise ValueError(error.message) from error
    if amount_nano < 0:
        raise ValueError("a price cannot be negative")
    return text


def _rate_text(text: str) -> str:
    try:
        parse_rate(text)
    except InputError as error:
        raise ValueError(error.message) from error
    return text


class _TierPriceFile(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    per_question: Annotated[str, AfterValidator(_amount_text)] | None = None
    cost_plus_percent: Annotated[str, AfterValidator(_rate_text)] | None = None
    minimum_per_question: Annotated[str, AfterValidator(_amount_text)] | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> "_TierPriceFile":
        if (self.per_question is None) == (self.cost_plus_percent is None):
            raise ValueError("give either per_question or cost_plus_percent")
        if self.per_question is not None and self.minimum_per_question is not None:
            raise ValueError("minimum_per_question belongs to cost_plus_percent")
        return self

    def price(self) -> TierPrice:
        if self.cost_plus_percent is None:
            return PerQuestion(parse_amount(self.per_question or ""))
        return CostPlus(parse_rate(self.cost_plus_percent), parse_amount(self.minimum_per_question or "0"))


class _PlanFile(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    title: str = Field(min_length=1)
    currency: str = Field(pattern=r"^[A-Z]{3}$")
    price: dict[str, _TierPriceFile] = Field(min_length=1)


class PriceBook:
    """All plan versions of this installation."""

    def __init__(self, plans: Mapping[str, Plan]) -> None:
        self._plans = dict(plans)

    @classmethod
    def load(cls, folder: Path = PLANS_DIR) -> "PriceBook":
        """Reads every plan in a folder.

        Raises:
            ConfigurationError: `bad_plan`, with the file and the key that cannot be used.
        """
        plans = (_read_plan(path) for path in sorted(folder.glob("*.toml")))
        return cls({plan.name: plan for plan in plans})

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(sorted(self._plans))

    def plan(self, name: str) -> Plan:
        """Raises ConfigurationError `unknown_plan`, with the plans there are."""
        if name not in self._plans:
            there_are = ", ".join(self.names) or "none"
            raise ConfigurationError(
                f"There is no price plan {name!r}; set RUNG_PRICE_PLAN to one of: {there_are}.",
                code="unknown_plan",
            )
        return self._plans[name]


def refuse_edited(connection: Connection, plan: Plan, now: datetime) -> None:
    """Records the plan at its first use, and refuses it once its file is no longer what it was then.

    Raises:
        IntegrityError: `plan_edited`.
    """
    used = connection.execute(_USED, {"name": plan.name}).first()
    if used is None:
        values = {"name": plan.name, "sha256": plan.sha256, "first_used_at": now}
        connection.execute(_FIRST_USE, values)
        used = connection.execute(_USED, {"name": plan.name}).one()
    refuse_changed(PlanUseRow(name=plan.name, sha256=used.sha256, first_used_at=used.first_used_at), plan)


def refuse_changed(used: PlanUseRow, plan: Plan) -> None:
    """Raises IntegrityError `plan_edited` when the plan is not what it was at its first use."""
    if used.sha256 != plan.sha256:
        raise IntegrityError(
            f"Price plan {plan.name} was edited after its first use on {used.first_used_at:%Y-%m-%d}."
            " Restore its file, and write new prices into a new plan with a later month.",
            code="plan_edited",
        )


def _read_plan(path: Path) -> Plan:
    name = path.name.removesuffix(".toml")
    if not _NAME.fullmatch(name):
        raise _bad(path, "the file's name must be <plan>.<yyyy-mm>.toml")
    content = path.read_bytes()
    try:
        values = tomllib.loads(content.decode())
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise _bad(path, str(error)) from error
    try:
        read = _PlanFile.model_validate(values)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise _bad(path, problems) from error
    return Plan(
        name=name,
        title=read.title,
        currency=read.currency,
        prices=MappingProxyType({tier: price.price() for tier, price in read.price.items()}),
        sha256=hashlib.sha256(content).hexdigest(),
    )


def _bad(path: Path, problem: str) -> ConfigurationError:
    return ConfigurationError(f"Price plan {path} cannot be used: {problem}", code="bad_plan")
