"""Reading what a person writes as a budget."""

from app.core.errors import InputError, TooLargeError
from billing.money import NANO, format_money, parse_amount

MAX_CAP_NANO = 1_000_000_000 * NANO
"""A thousand million units a month: far above any bill, and far below what 64 bits hold."""


def parse_cap(text: str, currency: str) -> int:
    """Nano-units of a budget such as `50.00` or `50.00 EUR`.

    Args:
        currency: the price plan's; a budget in any other is refused.

    Raises:
        InputError: `no_amount`, `invalid_amount`, `negative_amount` or `other_currency`.
        TooLargeError: `amount_too_large`.
    """
    number, _, given = text.strip().partition(" ")
    if not number:
        raise InputError("Write an amount, such as 50.00.", code="no_amount")
    given = given.strip()
    if given and given.isalpha() and given.upper() != currency:
        raise other_currency(given.upper(), currency)
    if given and given.upper() != currency:
        raise InputError(f"{text.strip()[:40]!r} is not an amount; write it as 12.50.", code="invalid_amount")
    if len(number) > 40:
        raise TooLargeError(_too_large(currency), code="amount_too_large")
    # What looks like an amount but is one of too many digits is too large, not malformed.
    if number.isascii() and number.isdigit() and len(number) > 10:
        raise TooLargeError(_too_large(currency), code="amount_too_large")
    nano = parse_amount(number)
    if nano < 0:
        raise InputError(
            "A budget cannot be negative; 0 leaves only what costs nothing.", code="negative_amount"
        )
    if nano > MAX_CAP_NANO:
        raise TooLargeError(_too_large(currency), code="amount_too_large")
    return nano


def other_currency(given: str, currency: str) -> InputError:
    return InputError(
        f"Budgets are in {currency}, the currency of the price plan, not in {given[:12]}.",
        code="other_currency",
    )


def _too_large(currency: str) -> str:
    return f"A budget is at most {format_money(MAX_CAP_NANO, currency)} a month."
