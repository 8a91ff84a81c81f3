"""Money as 64-bit integers of nano-units (10⁻⁹ of the currency). No function here takes or gives a float.

Rates are Decimals made from text. Where a quantity meets a rate the result is rounded once, half away from
zero, so that a charge and its reversal always cancel.
"""

import re
from decimal import Decimal
from fractions import Fraction

from app.core.errors import InputError

NANO = 1_000_000_000
"""Nano-units in one unit of a currency."""

DECIMALS = 9
MAX_NANO = 2**63 - 1

Rate = Decimal
"""A price per million pieces, or a percentage, in exact decimals; made by `parse_rate`."""

_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")
_SIGNS = {"EUR": "€", "USD": "$", "GBP": "£"}
_MINOR_UNITS = {"EUR": "ct", "USD": "¢", "GBP": "p"}
_SMALL_NANO = NANO // 10
_MINOR_NANO = NANO // 100


def parse_amount(text: str) -> int:
    """Nano-units of an amount written in units, such as `0.0015`; exact.

    Raises:
        InputError: `invalid_amount` for anything but digits with at most one dot and nine decimals.
    """
    if not _NUMBER.fullmatch(text):
        raise InputError(
            f"{text!r} is not an amount; write it as 12.50, without currency.", code="invalid_amount"
        )
    if len(text.partition(".")[2]) > DECIMALS:
        raise InputError(f"{text!r} has more than nine decimals.", code="invalid_amount")
    return from_decimal(Decimal(text))


def from_decimal(amount: Decimal) -> int:
    """Nano-units of an amount in units; exact.

    Raises:
        InputError: `invalid_amount` when it is not finite, finer than a nano-unit or beyond 64 bits.
    """
    exponent = amount.as_tuple().exponent
    # Bounded before it is expanded: 1E+999999999 would become an integer of a billion digits.
    if not isinstance(exponent, int) or exponent < -50 or amount.adjusted() > DECIMALS + 1:
        raise InputError(f"{amount} is not an amount that can be stored.", code="invalid_amount")
    nano = Fraction(amount) * NANO
    if nano.denominator != 1:
        raise InputError(f"{amount} has more than nine decimals.", code="invalid_amount")
    if abs(nano) > MAX_NANO:
        raise InputError(f"{amount} is larger than an amount can be.", code="invalid_amount")
    return int(nano)


def to_decimal(nano: int) -> Decimal:
    """The amount in units; exact, and `from_decimal` gives the same nano-units back."""
    digits = tuple(int(digit) for digit in str(abs(nano)))
    return Decimal((int(nano < 0), digits, -DECIMALS))


def parse_rate(text: str) -> Rate:
    """A rate from its text.

    Raises:
        InputError: `invalid_rate` for anything but a decimal number of at least 0 with at most 18 decimals.
    """
    whole, _, decimals = text.partition(".")
    if not _NUMBER.fullmatch(text) or text.startswith("-") or len(decimals) > 18 or len(whole) > 12:
        raise InputError(f"{text!r} is not a rate; write a number such as 2.50.", code="invalid_rate")
    return Decimal(text)


def multiply(quantity: int, rate_per_million: Rate) -> int:
    """Nano-units for a quantity at a rate in units per million, rounded once, half away from zero."""
    return _rounded(Fraction(quantity) * Fraction(rate_per_million) * (NANO // 1_000_000))


def add_percent(nano: int, percent: Rate) -> int:
    """The amount and so many per cent more, rounded once, half away from zero."""
    return _rounded(Fraction(nano) * (100 + Fraction(percent)) / 100)


def round_half_away(nano: int, decimals: int) -> int:
    """The amount, still in nano-units, rounded to so many decimals of the unit, half away from zero.

    Raises:
        ValueError: when decimals are not from 0 to 9.
    """
    if not 0 <= decimals <= DECIMALS:
        raise ValueError("an amount has 0 to 9 decimals")
    step: int = 10 ** (DECIMALS - decimals)
    return _rounded(Fraction(nano, step)) * step


def format_money(nano: int, currency: str, *, places: int | None = None) -> str:
    """An amount for people, the same in every language: `€1.23`, `0.10 ct`, `-€2.00`, `CHF 0.0010`.

    Args:
        places: decimals of the unit. By default two, and below a tenth of the unit as many decimals as show
            two digits, in cents where the currency's cents are known. What is not zero never shows as zero.
    """
    if places is None and 0 < abs(nano) < _SMALL_NANO:
        unit = _MINOR_UNITS.get(currency)
        if unit is not None:
            return f"{_fixed(nano, _MINOR_NANO, _places_for(nano, _MINOR_NANO))} {unit}"
        places = _places_for(nano, NANO)
    number = _fixed(abs(nano), NANO, 2 if places is None else places)
    minus = "-" if nano < 0 and number.strip("0.") else ""
    sign = _SIGNS.get(currency)
    return f"{minus}{sign}{number}" if sign else f"{minus}{currency} {number}"


def _places_for(nano: int, unit_nano: int) -> int:
    """Decimals that show two digits of an amount: at least two, at most what the unit has."""
    most = len(str(unit_nano)) - 1
    leading = len(str(unit_nano)) - len(str(abs(nano)))
    return min(max(2, leading + 1), most)


def _fixed(nano: int, unit_nano: int, places: int) -> str:
    scaled = _rounded(Fraction(nano * 10**places, unit_nano))
    digits = str(abs(scaled)).rjust(places + 1, "0")
    whole, decimals = digits[: len(digits) - places], digits[len(digits) - places :]
    return ("-" if scaled < 0 else "") + whole + (f".{decimals}" if places else "")


def _rounded(value: Fraction) -> int:
    half_up: int = (2 * abs(value.numerator) + value.denominator) // (2 * value.denominator)
    return half_up if value >= 0 else -half_up
