from decimal import Decimal
from pathlib import Path

import pytest
from pydantic import SecretStr

from app.core.config import Settings
from app.core.errors import ConfigurationError, InputError
from routing.llm.prices import ModelPrices, find_prices
from routing.tier import LADDER_FILE, load_specs
from routing.tiers import build_ladder
from tests.fakes.reader import WordReader

GOOD = LADDER_FILE.read_text(encoding="utf-8")


def test_the_shipped_ladder_begins_with_the_reader_and_ends_with_premium() -> None:
    assert [spec.name for spec in load_specs()] == ["reader", "local", "premium"]


@pytest.mark.parametrize(
    ("before", "after", "named"),
    [
        ('kind = "reader"', 'kind = "oracle"', "tier.0.kind"),
        ("passages = 8\nabstain", "passages = 0\nabstain", "tier.0.reader.passages"),
        ("passages = 8\nabstain", 'passages = "six"\nabstain', "tier.0.reader.passages"),
        ("abstain_below", "guess = true\nabstain_below", "tier.0.reader.guess"),
        ('input_price = "1.25"', 'input_price = "-1"', "reference.input_price"),
        ('deployment = "premium"', 'deployment = "local"', "no other has it"),
        ('deployment = "local"', 'deployment = "premium"', "tier.1.chat"),
        ('name = "premium"', 'name = "reader"', "names must differ"),
        ('name = "premium"', 'name = "auto"', "names must differ"),
        ("[tier.chat]", "[tier.reader]", "tier.1.reader.abstain_below"),
        (GOOD, "", "tier"),
        (GOOD, "tier = [", "cannot be read"),
    ],
)
def test_a_bad_ladder_names_the_key(tmp_path: Path, before: str, after: str, named: str) -> None:
    path = tmp_path / "tiers.toml"
    path.write_text(GOOD.replace(before, after), encoding="utf-8")
    with pytest.raises(ConfigurationError) as refused:
        load_specs(path)
    assert refused.value.code == "bad_ladder"
    assert named in refused.value.message and str(path) in refused.value.message


def test_a_missing_ladder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as refused:
        load_specs(tmp_path / "none.toml")
    assert "none.toml" in refused.value.message


def test_without_a_premium_model_the_rung_says_what_to_set(settings: Settings) -> None:
    ladder = build_ladder(settings, WordReader(), "EUR")
    assert "RUNG_PREMIUM_MODEL" in (ladder.get("premium").unavailable or "")
    assert [tier.name for tier in ladder.available()] == ["reader"]
    assert ladder.above("reader") is ladder.top
    assert ladder.above("premium") is None


def test_an_unknown_rung_lists_those_there_are(settings: Settings) -> None:
    with pytest.raises(InputError) as refused:
        build_ladder(settings, WordReader(), "EUR").get("oracle")
    assert refused.value.code == "no_such_tier"
    assert "auto, reader, local, premium" in refused.value.message


def priced(settings: Settings, **changes: object) -> Settings:
    return settings.model_copy(
        update={"premium_model": "openai/gpt-4o-mini", "premium_api_key": SecretStr("k"), **changes}
    )


def test_an_unpriced_model_is_not_used_and_says_so(settings: Settings) -> None:
    unpriced = priced(settings, premium_base_url="http://127.0.0.1:1/v1")
    reason = build_ladder(unpriced, WordReader(), "EUR").get("premium").unavailable
    assert reason is not None and "RUNG_PREMIUM_INPUT_PRICE" in reason


@pytest.mark.parametrize(
    ("changes", "currency", "said"),
    [
        ({}, "EUR", "is in USD, the plan in EUR"),
        ({"premium_model": "openai/never-heard-of"}, "USD", "No price is known"),
        ({"premium_model": "azure/gpt-4o-mini-of-nobody"}, "USD", "No price is known"),
        ({"premium_base_url": "http://127.0.0.1:1/v1"}, "USD", "No price is known"),
        ({"premium_input_price": Decimal(1)}, "USD", "Only one price"),
    ],
)
def test_a_price_is_never_guessed(
    settings: Settings, changes: dict[str, object], currency: str, said: str
) -> None:
    with pytest.raises(ConfigurationError) as refused:
        find_prices(priced(settings, **changes), currency)
    assert refused.value.code == "unpriced_model"
    assert said in refused.value.message


def test_a_known_model_in_dollars_takes_the_listed_price_exactly(settings: Settings) -> None:
    prices = find_prices(priced(settings), "USD")
    assert (prices.input, prices.output) == (Decimal("0.15"), Decimal("0.6"))
    assert prices.cached_input < prices.input


def test_set_prices_come_before_the_list(settings: Settings) -> None:
    given = priced(settings, premium_input_price=Decimal(3), premium_output_price=Decimal(0))
    assert find_prices(given, "EUR") == ModelPrices(Decimal(3), Decimal(0), Decimal(3), "settings")


def test_cost_is_rounded_once() -> None:
    prices = ModelPrices(Decimal("0.0001"), Decimal("0.0004"), Decimal("0.00001"), "test")
    # 3 x 0.1 + 2 x 0.4 = 1.1 nano, 4 of 4 cached: 0.04 nano
    assert prices.cost_nano(3, 2) == 1
    assert prices.cost_nano(4, 0, 4) == 0
    assert ModelPrices(Decimal(2), Decimal(10), Decimal(2), "test").cost_nano(1000, 100) == 3_000_000
