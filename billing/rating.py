"""Rating: what a piece of work costs the customer under a plan. Pure functions of their arguments."""

from collections.abc import Sequence

from app.core.errors import ConfigurationError, InputError
from app.core.usage import BaselineMethod, Work
from billing.money import MAX_NANO, add_percent
from billing.price_book import CostPlus, Plan


def price_of(plan: Plan, work: Work) -> int:
    """Nano-units the customer pays for one attempt: only an answer has a price, everything else is 0.

    Raises:
        ConfigurationError: `unpriced_tier`, also for an attempt that would be free.
        InputError: `negative_quantity`.
    """
    price_nano = full_price_of(plan, work)
    return price_nano if work.outcome == "answered" else 0


def full_price_of(plan: Plan, work: Work) -> int:
    """Nano-units the customer would pay if this work answered the question, however it ended.

    An answer made in several steps is priced once, by what all its calls cost.

    Raises:
        ConfigurationError: `unpriced_tier`.
        InputError: `negative_quantity`, or `invalid_amount` beyond 64 bits.
    """
    quantities = (work.input_tokens, work.output_tokens, work.cost_nano, work.steps_cost_nano)
    if min(*quantities, work.duration_ms) < 0:
        raise InputError(f"Work at rung {work.tier} has a negative quantity.", code="negative_quantity")
    price = plan.prices.get(work.tier)
    if price is None:
        raise ConfigurationError(
            f"Price plan {plan.name} has no price for rung {work.tier!r}; choose a plan that has one.",
            code="unpriced_tier",
        )
    if not isinstance(price, CostPlus):
        return price.nano
    price_nano = max(price.minimum_nano, add_percent(work.cost_nano + work.steps_cost_nano, price.percent))
    if price_nano > MAX_NANO:
        raise InputError(f"Work at rung {work.tier} costs more than can be stored.", code="invalid_amount")
    return price_nano


def highest_price(plan: Plan, at_most: Sequence[Work]) -> int:
    """Nano-units to hold for a question: one attempt at most will answer it, so the dearest of them.

    Raises:
        InputError: `no_estimate` for none; ConfigurationError `unpriced_tier`.
    """
    if not at_most:
        raise InputError("A reservation needs at least one estimate.", code="no_estimate")
    return max(full_price_of(plan, work) for work in at_most)


def baseline_of(plan: Plan, attempts: Sequence[Work], baseline: Work) -> tuple[int, BaselineMethod]:
    """What the premium rung charges for this question, and how that is known.

    Observed where the baseline's rung did answer: then it is that answer's own price, so that nothing is
    saved and nothing lost. Otherwise it is modelled from the quantities of `baseline`, of several calls where
    these have steps. A question that got no
    answer has a baseline of nothing: no saving is claimed for it.

    Raises:
        ConfigurationError: `unpriced_tier`.
    """
    for work in attempts:
        if work.tier == baseline.tier and work.outcome == "answered":
            return full_price_of(plan, work), "observed"
    if not any(work.outcome == "answered" for work in attempts):
        return 0, "modelled"
    return full_price_of(plan, baseline), "modelled_steps" if baseline.steps_cost_nano else "modelled"
