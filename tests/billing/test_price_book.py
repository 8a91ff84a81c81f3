from pathlib import Path

import pytest

from app.core.errors import ConfigurationError
from billing.price_book import CostPlus, PerQuestion, PriceBook

GOOD = 'title = "T"\ncurrency = "EUR"\n[price.reader]\nper_question = "0.001"\n'


def load(folder: Path, text: str, name: str = "test.2026-01") -> PriceBook:
    (folder / f"{name}.toml").write_text(text)
    return PriceBook.load(folder)


def test_the_plans_of_the_project_are_read() -> None:
    plan = PriceBook.load().plan("standard.2026-11")
    assert plan.currency == "EUR"
    assert plan.prices["cached"] == PerQuestion(0)
    assert plan.prices["reader"] == PerQuestion(1_000_000)
    assert plan.prices["local"] == PerQuestion(2_000_000)
    assert plan.prices["premium"] == CostPlus(percent=20, minimum_nano=4_000_000)  # type: ignore[arg-type]


def test_every_edit_of_a_plan_changes_its_hash(tmp_path: Path) -> None:
    before = load(tmp_path, GOOD).plan("test.2026-01")
    after = load(tmp_path, GOOD + "# a comment\n").plan("test.2026-01")
    assert before.sha256 != after.sha256
    assert before.prices == after.prices


def test_an_unknown_plan_says_which_there_are(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"test\.2026-01") as refused:
        load(tmp_path, GOOD).plan("gold.2026-01")
    assert refused.value.code == "unknown_plan"


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("currency = \n", "line 1"),
        (GOOD.replace('"0.001"', "0.001"), "price.reader.per_question"),
        (GOOD.replace('"0.001"', '"-0.001"'), "price.reader.per_question"),
        (GOOD.replace('"0.001"', '"a cent"'), "price.reader.per_question"),
        (GOOD.replace('"EUR"', '"euro"'), "currency"),
        (GOOD.replace("per_question", "per_answer"), "price.reader"),
        (GOOD + 'minimum_per_question = "1"\n', "minimum_per_question"),
        (GOOD + 'cost_plus_percent = "20"\n', "price.reader"),
        (GOOD.replace("per_question = \"0.001\"", 'cost_plus_percent = "-1"'), "cost_plus_percent"),
        (GOOD + "discount = 1\n", "discount"),
        ('title = "T"\ncurrency = "EUR"\n[price]\n', "price"),
        ('currency = "EUR"\n[price.reader]\nper_question = "1"\n', "title"),
    ],
)  # fmt: skip
def test_a_bad_plan_names_its_file_and_key(tmp_path: Path, text: str, key: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        load(tmp_path, text)
    assert refused.value.code == "bad_plan"
    assert "test.2026-01.toml" in refused.value.message
    assert key in refused.value.message


@pytest.mark.parametrize("name", ["standard", "standard.2026-13", "Standard.2026-01", "a.b.2026-01"])
def test_a_plan_file_needs_a_name_with_its_month(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigurationError, match="yyyy-mm"):
        load(tmp_path, GOOD, name)


def test_a_plan_that_is_not_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "test.2026-01.toml").write_bytes(b'title = "\xff"')
    with pytest.raises(ConfigurationError):
        PriceBook.load(tmp_path)
