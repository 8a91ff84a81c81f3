from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.errors import InputError
from billing.money import (
    MAX_NANO,
    NANO,
    add_percent,
    format_money,
    from_decimal,
    multiply,
    parse_amount,
    parse_rate,
    round_half_away,
    to_decimal,
)

amounts = st.integers(-MAX_NANO, MAX_NANO)
rates = st.decimals(0, 10_000, places=6)


@pytest.mark.parametrize(
    ("text", "nano"),
    [
        ("0.0015", 1_500_000),
        ("0", 0),
        ("-2.5", -2_500_000_000),
        ("0.000000001", 1),
        ("9223372036.854775807", MAX_NANO),
        ("12", 12 * NANO),
    ],
)
def test_an_amount_is_read_exactly(text: str, nano: int) -> None:
    assert parse_amount(text) == nano


@pytest.mark.parametrize(
    "text",
    ["", "1,5", "1.", ".5", "+1", "1e3", "€1", " 1", "1\n", "NaN", "Infinity", "0.0000000001", "1.0000000000",
     "9223372036.854775808", "9" * 5000, "١", "--1"],
)  # fmt: skip
def test_what_is_not_an_amount_is_refused(text: str) -> None:
    with pytest.raises(InputError) as refused:
        parse_amount(text)
    assert refused.value.code == "invalid_amount"


@pytest.mark.parametrize("text", ["NaN", "sNaN", "Infinity", "1E+999999", "1E-999999", "1E-10"])
def test_a_decimal_that_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        from_decimal(Decimal(text))


@pytest.mark.parametrize("text", ["", "-1", "1e3", "NaN", "1." + "0" * 19, "1" * 13])
def test_what_is_not_a_rate_is_refused(text: str) -> None:
    with pytest.raises(InputError) as refused:
        parse_rate(text)
    assert refused.value.code == "invalid_rate"


@given(amounts)
def test_an_amount_survives_its_text_and_its_decimal(nano: int) -> None:
    assert from_decimal(to_decimal(nano)) == nano
    assert parse_amount(f"{to_decimal(nano):f}") == nano


@given(amounts, st.integers(0, 9))
def test_rounding_is_near_symmetric_and_final(nano: int, decimals: int) -> None:
    rounded = round_half_away(nano, decimals)
    step = 10 ** (9 - decimals)
    assert 2 * abs(rounded - nano) <= step
    assert rounded % step == 0
    assert round_half_away(-nano, decimals) == -rounded
    assert round_half_away(rounded, decimals) == rounded
    if 2 * abs(rounded - nano) == step:
        assert abs(rounded) > abs(nano)


def test_rounding_needs_decimals_that_exist() -> None:
    with pytest.raises(ValueError, match="0 to 9"):
        round_half_away(1, 10)


@given(st.integers(0, 10**9), rates)
def test_a_charge_is_exact_to_half_a_nano_unit_and_never_negative(quantity: int, rate: Decimal) -> None:
    charge = multiply(quantity, rate)
    assert charge >= 0
    assert 2 * abs(Decimal(charge) - quantity * rate * 1000) <= 1
    assert multiply(-quantity, rate) == -charge


@given(st.integers(0, 10**9), st.integers(0, 10**9), st.decimals(0, 10_000, places=3))
def test_charges_add_up_where_the_rate_has_three_decimals(one: int, other: int, rate: Decimal) -> None:
    assert multiply(one, rate) + multiply(other, rate) == multiply(one + other, rate)


@given(st.integers(0, 10**9), st.integers(0, 10**9), rates)
def test_charges_never_fall_with_the_quantity(one: int, more: int, rate: Decimal) -> None:
    assert multiply(one, rate) <= multiply(one + more, rate)


@given(amounts, rates)
def test_a_percentage_on_top_is_exact_to_half_a_nano_unit(nano: int, percent: Decimal) -> None:
    raised = add_percent(nano, percent)
    assert 2 * abs(raised - Fraction(nano) * (100 + Fraction(percent)) / 100) <= 1
    assert add_percent(-nano, percent) == -raised
    assert add_percent(nano, Decimal(0)) == nano


@pytest.mark.parametrize(
    ("nano", "currency", "shown"),
    [
        (0, "EUR", "€0.00"),
        (1_000_000, "EUR", "0.10 ct"),
        (1_500_000, "EUR", "0.15 ct"),
        (123_456, "EUR", "0.012 ct"),
        (1, "EUR", "0.0000001 ct"),
        (-4_200_000, "EUR", "-0.42 ct"),
        (40_000_000, "USD", "4.00 ¢"),
        (1_230_000_000, "EUR", "€1.23"),
        (1_235_000_000, "EUR", "€1.24"),
        (-2 * NANO, "EUR", "-€2.00"),
        (1_000_000, "CHF", "CHF 0.0010"),
        (12_345 * NANO, "CHF", "CHF 12345.00"),
    ],
)
def test_an_amount_is_shown_for_people(nano: int, currency: str, shown: str) -> None:
    assert format_money(nano, currency) == shown


def test_decimals_can_be_fixed() -> None:
    assert format_money(1_000_000, "EUR", places=4) == "€0.0010"
    assert format_money(1_500_000_000, "EUR", places=0) == "€2"
    assert format_money(-1, "EUR", places=2) == "€0.00"


@given(amounts.filter(bool), st.sampled_from(["EUR", "USD", "GBP", "CHF", "SEK"]))
def test_what_is_not_zero_never_shows_as_zero_and_keeps_its_sign(nano: int, currency: str) -> None:
    shown = format_money(nano, currency)
    assert set(shown) & set("123456789")
    assert shown.startswith("-") == (nano < 0)
    assert shown.removeprefix("-") == format_money(abs(nano), currency)


@given(amounts)
def test_an_amount_with_nine_places_is_exact(nano: int) -> None:
    assert parse_amount(format_money(nano, "EUR", places=9).replace("€", "")) == nano
