"""Price plans for tests."""

from collections.abc import Mapping

from billing.money import to_decimal
from billing.price_book import PerQuestion, Plan, PriceBook


def flat_plan(prices_nano: Mapping[str, int], name: str = "flat.2026-01", currency: str = "EUR") -> Plan:
    """A plan with one price a question at each rung."""
    prices = {tier: PerQuestion(nano) for tier, nano in prices_nano.items()}
    written = ", ".join(f"{tier}={to_decimal(nano)}" for tier, nano in prices_nano.items())
    return Plan(name, "Flat", currency, prices, sha256=f"of {currency} {written}")


def flat_book(prices_nano: Mapping[str, int]) -> PriceBook:
    plan = flat_plan(prices_nano)
    return PriceBook({plan.name: plan})
