"""The form that chooses a policy, as people write it, with what is wrong with each field."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation

from app.core.errors import InputError
from billing.money import parse_amount
from routing.policy.objectives import Objective, Price, Quality, Share
from routing.tier import TierLimits
from web.present.admin.quality_views import PolicyFormView

_FIELDS: Mapping[str, str] = {
    "invalid_quality": "quality_percent",
    "invalid_confidence": "confidence_percent",
    "invalid_value": "value",
    "invalid_share": "premium_percent",
    "invalid_window": "window_days",
    "invalid_shadow_share": "shadow_percent",
    "invalid_steps": "steps",
    "invalid_tokens": "tokens",
    "invalid_cost": "question_cost",
}


@dataclass(frozen=True, slots=True)
class ReadFields:
    """What the fields mean, with an error for each that means nothing. `shadow_share` empty: as it is now;
    an empty limit: none."""

    objective: Objective | None
    shadow_share: float | None
    limits: TierLimits
    errors: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class PolicyFields:
    """The fields as they were written."""

    kind: str
    quality_percent: str = ""
    confidence_percent: str = ""
    value: str = ""
    premium_percent: str = ""
    window_days: str = ""
    shadow_percent: str = ""
    steps: str = ""
    tokens: str = ""
    question_cost: str = ""

    def field_of(self, code: str) -> str:
        """The field that an error of the desk is about."""
        return _FIELDS.get(code, "kind")

    def shown(self, currency: str, errors: Mapping[str, str]) -> PolicyFormView:
        """The form again, with the errors beside the fields."""
        return PolicyFormView(
            kind=self.kind,
            quality_percent=self.quality_percent,
            confidence_percent=self.confidence_percent,
            value=self.value,
            premium_percent=self.premium_percent,
            window_days=self.window_days,
            shadow_percent=self.shadow_percent,
            steps=self.steps,
            tokens=self.tokens,
            question_cost=self.question_cost,
            currency=currency,
            errors=errors,
        )


@dataclass(slots=True)
class _Reading:
    errors: dict[str, str] = field(default_factory=dict)

    def share(self, name: str, text: str) -> float:
        try:
            number = Decimal(_plain(text))
        except InvalidOperation:
            number = Decimal("NaN")
        if not number.is_finite() or not 0 <= number <= 100:
            self.errors[name] = "Write a number from 0 to 100."
            return 0.0
        return float(number / 100)

    def amount_nano(self, name: str, text: str) -> int:
        try:
            return parse_amount(_plain(text))
        except InputError as error:
            self.errors[name] = "Write an amount, such as 0.50." if not text.strip() else error.message
            return 0

    def days(self, name: str, text: str) -> int:
        return self.count(name, text, "Write a whole number of days.", digits=4)

    def count(self, name: str, text: str, says: str, *, digits: int) -> int:
        # Longer ones are refused before they are made a number: int() takes its time with them.
        written = text.strip()
        if written.isascii() and written.isdigit() and len(written) <= digits:
            return int(written)
        self.errors[name] = says
        return 1

    def limits(self, fields: PolicyFields) -> TierLimits:
        """Empty fields set no limit."""
        steps = tokens = cost_nano = None
        if fields.steps.strip():
            steps = self.count("steps", fields.steps, "Write a whole number of steps.", digits=4)
        if fields.tokens.strip():
            tokens = self.count("tokens", fields.tokens, "Write a whole number of tokens.", digits=9)
        if fields.question_cost.strip():
            cost_nano = self.amount_nano("question_cost", fields.question_cost)
        return TierLimits(steps=steps, tokens=tokens, cost_nano=cost_nano)


def read_fields(fields: PolicyFields) -> ReadFields:
    """The objective that is chosen; the fields of the others are not looked at."""
    reading = _Reading()
    objective: Objective | None = None
    match fields.kind:
        case "quality":
            objective = Quality(
                share=reading.share("quality_percent", fields.quality_percent),
                confidence=reading.share("confidence_percent", fields.confidence_percent),
            )
        case "price":
            objective = Price(reading.amount_nano("value", fields.value))
        case "share":
            objective = Share(
                premium=reading.share("premium_percent", fields.premium_percent),
                window_days=reading.days("window_days", fields.window_days),
            )
        case _:
            reading.errors["kind"] = "Choose a quality, a price or a share."
    shadow = None
    if fields.shadow_percent.strip():
        shadow = reading.share("shadow_percent", fields.shadow_percent)
    return ReadFields(objective, shadow, reading.limits(fields), reading.errors)


def _plain(text: str) -> str:
    """A number as Python reads it: people write a comma for the dot, and a per cent sign or spaces."""
    return text.strip().removesuffix("%").strip().replace(",", ".")
