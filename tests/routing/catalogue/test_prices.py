from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from app.core.config import Settings
from app.core.db import Database
from app.core.errors import ForbiddenError, InputError
from routing.catalogue.prices import NewPrice, parse_price
from tests.fakes.openai_server import OpenAiServer, Reply
from tests.routing.catalogue.conftest import ADMIN, Company, make_company
from tests.routing.world import ANA, receipt_of

ASKED = "How much annual leave does everyone have?"
MODEL = "openai/fake-large"


def costs(company: Company) -> int:
    return receipt_of(company.ask(ASKED)).receipt.cost_nano


def test_the_newest_entry_in_force_counts_and_the_past_never_changes(
    company: Company, provider: OpenAiServer
) -> None:
    provider.default = Reply("There are 28 days [1].", input_tokens=1000, output_tokens=100)
    assert costs(company) == 1000 * 2_000 + 100 * 10_000  # of the settings
    first = company.catalogue.prices.set(ADMIN, NewPrice("premium", MODEL, "3", "20"))
    updates = company.ask(ASKED)
    before = receipt_of(updates).receipt
    assert before.cost_nano == 1000 * 3_000 + 100 * 20_000
    later = company.clock() + timedelta(days=2)
    company.catalogue.prices.set(ADMIN, NewPrice("premium", MODEL, "4", "30", since=later))
    assert costs(company) == before.cost_nano
    company.clock.pass_days(2)
    assert costs(company) == 1000 * 4_000 + 100 * 30_000  # its time has come; nothing was restarted
    entries = company.catalogue.prices.list()
    assert [entry.input_price for entry in entries] == [Decimal(4), Decimal(3)]
    assert entries[1] == first and first.by == "ana@example.com"
    stored = company.world.meter.receipt(before.query_id)
    assert stored is not None and stored.cost_nano == before.cost_nano


def test_cached_input_has_its_own_price(small_company: Company, provider: OpenAiServer) -> None:
    provider.default = Reply("28 days [1].", input_tokens=1000, output_tokens=0, cached_tokens=400)
    small_company.catalogue.prices.set(ADMIN, NewPrice("premium", MODEL, "3", "20", "0.5"))
    output = receipt_of(small_company.ask(ASKED)).attempts[-1]
    assert output.cost_nano == 600 * 3_000 + 400 * 500 + output.output_tokens * 20_000


def test_an_entry_gives_a_price_to_a_model_that_had_none(
    sqlite_database: Database, settings: Settings, provider: OpenAiServer
) -> None:
    unpriced = settings.model_copy(
        update={
            "premium_model": MODEL,
            "premium_api_key": SecretStr("sk-of-the-tests"),
            "premium_base_url": provider.base_url,
        }
    )
    company = make_company(sqlite_database, unpriced)
    premium = company.world.ladder.get("premium")
    assert "No price is known" in (premium.unavailable or "")
    (now,) = company.catalogue.prices.now(unpriced)
    assert now.prices is None and "No price is known" in (now.problem or "")
    later = company.clock() + timedelta(days=1)
    company.catalogue.prices.set(ADMIN, NewPrice("premium", MODEL, "1", "2", since=later))
    assert "No price is known" in (premium.unavailable or "")
    (now,) = company.catalogue.prices.now(unpriced)
    assert now.upcoming is not None and now.upcoming.since == later
    company.clock.pass_days(1)
    assert not premium.unavailable
    (now,) = company.catalogue.prices.now(unpriced)
    assert now.prices is not None and now.prices.since == later and "ana@example.com" in now.prices.source


def test_the_local_price_is_entered_for_whatever_is_served(
    small_company: Company, settings: Settings
) -> None:
    book = small_company.catalogue.prices
    book.set(ADMIN, NewPrice("local", "*", "0.1", "0.4"))
    (now,) = book.now(settings.model_copy(update={"local_url": "http://127.0.0.1:9/v1"}))
    assert now.prices is not None
    assert (now.deployment, now.prices.input, now.prices.output) == ("local", Decimal("0.1"), Decimal("0.4"))


def test_an_entry_in_another_currency_does_not_count(small_company: Company) -> None:
    book = small_company.catalogue.prices
    book.set(ADMIN, NewPrice("premium", MODEL, "3", "20"))
    assert book.in_force("premium", MODEL, "USD") is None
    assert book.in_force("premium", "openai/other", "EUR") is None


@pytest.mark.parametrize(
    ("new", "code"),
    [
        (NewPrice("premium", MODEL, "cheap", "1"), "bad_price"),
        (NewPrice("premium", MODEL, "-1", "1"), "bad_price"),
        (NewPrice("premium", MODEL, "NaN", "1"), "bad_price"),
        (NewPrice("premium", MODEL, "1", "0.0000000001"), "bad_price"),
        (NewPrice("premium", " ", "1", "1"), "no_model"),
        (NewPrice("premium", "*", "1", "1"), "no_model"),
        (NewPrice("local", "qwen", "1", "1"), "no_model"),
        (NewPrice("elsewhere", MODEL, "1", "1"), "bad_deployment"),
        (NewPrice("premium", MODEL, "1", "1", since=datetime(2020, 1, 1, tzinfo=UTC)), "price_in_the_past"),
    ],
)
def test_what_is_no_price_is_refused(small_company: Company, new: NewPrice, code: str) -> None:
    with pytest.raises(InputError) as refused:
        small_company.catalogue.prices.set(ADMIN, new)
    assert refused.value.code == code
    assert small_company.catalogue.prices.list() == ()


def test_only_an_admin_enters_prices(small_company: Company) -> None:
    with pytest.raises(ForbiddenError):
        small_company.catalogue.prices.set(ANA, NewPrice("premium", MODEL, "1", "1"))


@given(st.text(max_size=30))
def test_any_text_is_a_price_or_refused(text: str) -> None:
    try:
        price = parse_price(text, "input")
    except InputError as error:
        assert error.code == "bad_price"
    else:
        assert 0 <= price <= 1_000_000
