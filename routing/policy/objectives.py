"""What a person may ask of the ladder: a quality, a price for an avoided mistake, or a share of premium."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from app.core.errors import InputError
from routing.tier import TierLimits

ObjectiveKind = Literal["quality", "price", "share"]

LEAST_QUALITY, MOST_QUALITY = 0.5, 0.995
LEAST_CONFIDENCE, MOST_CONFIDENCE = 0.5, 0.99
MOST_VALUE_NANO = 1_000_000_000_000_000
LONGEST_WINDOW_DAYS = 92
MOST_STEPS = 20
LEAST_TOKENS, MOST_TOKENS = 1_000, 10_000_000


@dataclass(frozen=True, slots=True)
class Quality:
    """At least as good as premium on this share of the answered questions, with this confidence."""

    share: float = 0.95
    confidence: float = 0.90
    kind: Literal["quality"] = "quality"


@dataclass(frozen=True, slots=True)
class Price:
    """What one avoided wrong answer is worth, in nano-units of the plan's currency."""

    value_nano: int
    kind: Literal["price"] = "price"


@dataclass(frozen=True, slots=True)
class Share:
    """At most this share of the questions goes to premium, over a rolling window of days."""

    premium: float
    window_days: int = 30
    kind: Literal["share"] = "share"


Objective = Quality | Price | Share

DEFAULT = Quality()


def check(objective: Objective, shadow_share: float | None = None) -> None:
    """Refuses what cannot be meant.

    Raises:
        InputError: `invalid_quality`, `invalid_confidence`, `invalid_value`, `invalid_share`,
            `invalid_window` or `invalid_shadow_share`.
    """
    match objective:
        case Quality():
            _within(objective.share, LEAST_QUALITY, MOST_QUALITY, "The quality", "invalid_quality")
            confidence = objective.confidence
            _within(confidence, LEAST_CONFIDENCE, MOST_CONFIDENCE, "The confidence", "invalid_confidence")
        case Price():
            if not 0 <= objective.value_nano <= MOST_VALUE_NANO:
                raise InputError(
                    "The worth of an avoided wrong answer must be from 0 to 1,000,000.", code="invalid_value"
                )
        case Share():
            _within(objective.premium, 0.0, 1.0, "The share of premium", "invalid_share")
            if not 1 <= objective.window_days <= LONGEST_WINDOW_DAYS:
                raise InputError(
                    f"The window must be from 1 to {LONGEST_WINDOW_DAYS} days.", code="invalid_window"
                )
    if shadow_share is not None:
        _within(shadow_share, 0.0, 1.0, "The share of shadow samples", "invalid_shadow_share")


def check_limits(limits: TierLimits) -> None:
    """Refuses limits of a question under which nothing could be answered, or that limit nothing.

    Raises:
        InputError: `invalid_steps`, `invalid_tokens` or `invalid_cost`.
    """
    if limits.steps is not None and not 1 <= limits.steps <= MOST_STEPS:
        raise InputError(f"A question may take from 1 to {MOST_STEPS} steps.", code="invalid_steps")
    if limits.tokens is not None and not LEAST_TOKENS <= limits.tokens <= MOST_TOKENS:
        raise InputError(
            f"A question may use from {LEAST_TOKENS:,} to {MOST_TOKENS:,} tokens.", code="invalid_tokens"
        )
    if limits.cost_nano is not None and not 0 < limits.cost_nano <= MOST_VALUE_NANO:
        raise InputError(
            "What a question may cost must be more than 0, at most 1,000,000.", code="invalid_cost"
        )


def limits_to_json(limits: TierLimits) -> dict[str, int | None]:
    """As they are stored and told in the API."""
    return {"steps": limits.steps, "tokens": limits.tokens, "cost_nano": limits.cost_nano}


def limits_from_json(stored: Mapping[str, int | None]) -> TierLimits:
    """Back from what `limits_to_json` gave."""
    return TierLimits(
        steps=stored.get("steps"), tokens=stored.get("tokens"), cost_nano=stored.get("cost_nano")
    )


def to_json(objective: Objective) -> dict[str, object]:
    """As it is stored and told in the API."""
    match objective:
        case Quality():
            return {"kind": "quality", "share": objective.share, "confidence": objective.confidence}
        case Price():
            return {"kind": "price", "value_nano": objective.value_nano}
        case Share():
            return {"kind": "share", "premium": objective.premium, "window_days": objective.window_days}


def from_json(stored: dict[str, object]) -> Objective:
    """Back from what `to_json` gave.

    Raises:
        InputError: `invalid_objective` where it is none.
    """
    given = {key: value for key, value in stored.items() if key != "kind"}
    kinds: dict[object, type[Quality] | type[Price] | type[Share]] = {
        "quality": Quality, "price": Price, "share": Share,
    }  # fmt: skip
    made = kinds.get(stored.get("kind"))
    wrong = InputError("An objective is quality, price or share with its number.", code="invalid_objective")
    if made is None:
        raise wrong
    try:
        return made(**given)  # type: ignore[arg-type]
    except TypeError as error:
        raise wrong from error


def _within(value: float, low: float, high: float, what: str, code: str) -> None:
    # Also refuses what is no number: every comparison with it is false.
    if not low <= value <= high:
        raise InputError(f"{what} must be from {low:.1%} to {high:.1%}.", code=code)
