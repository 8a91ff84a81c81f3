from dataclasses import replace
from decimal import Decimal
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.errors import ConfigurationError, InputError
from app.core.usage import Outcome, Work
from billing.money import MAX_NANO
from billing.price_book import CostPlus, PerQuestion, Plan, PriceBook
from billing.rating import baseline_of, full_price_of, highest_price, price_of

PLAN = PriceBook.load().plan("standard.2026-11")
READER = Work("reader", "minilm", "answered")
PREMIUM = Work("premium", "gpt", "answered", 900, 100, cost_nano=10_000_000)

quantities = st.integers(0, 10**9)
works = st.builds(
    Work,
    tier=st.sampled_from(sorted(PLAN.prices)),
    model=st.just("m"),
    outcome=st.sampled_from(get_args(Outcome)),
    input_tokens=quantities,
    output_tokens=quantities,
    cost_nano=st.integers(0, 10**15),
    duration_ms=quantities,
)


def test_a_flat_price_is_that_of_the_plan_whatever_it_cost_us() -> None:
    assert price_of(PLAN, READER) == 1_000_000
    assert price_of(PLAN, replace(READER, cost_nano=77, input_tokens=9)) == 1_000_000
    assert price_of(PLAN, replace(READER, tier="cached")) == 0


def test_premium_is_cost_and_a_fifth_with_a_minimum() -> None:
    assert price_of(PLAN, PREMIUM) == 12_000_000
    assert price_of(PLAN, replace(PREMIUM, cost_nano=100)) == 4_000_000
    assert price_of(PLAN, replace(PREMIUM, cost_nano=10_000_003)) == 12_000_004


def test_half_a_nano_unit_rounds_away_from_zero_once() -> None:
    plan = Plan("p.2026-01", "P", "EUR", {"premium": CostPlus(Decimal("50"), 0)}, "")
    assert price_of(plan, replace(PREMIUM, cost_nano=1)) == 2
    assert price_of(plan, replace(PREMIUM, cost_nano=3)) == 5


@given(works)
def test_only_an_answer_has_a_price_and_none_is_negative(work: Work) -> None:
    price = price_of(PLAN, work)
    assert price == (full_price_of(PLAN, work) if work.outcome == "answered" else 0)
    assert price >= 0


@given(st.integers(0, 10**15), st.integers(0, 10**15))
def test_premium_never_falls_with_cost_and_never_undercuts_it(cost: int, more: int) -> None:
    cheap, dear = (price_of(PLAN, replace(PREMIUM, cost_nano=nano)) for nano in (cost, cost + more))
    assert cost <= cheap <= dear
    assert cheap >= 4_000_000


@given(st.lists(works, min_size=1))
def test_a_hold_covers_whichever_attempt_answers(at_most: list[Work]) -> None:
    held = highest_price(PLAN, at_most)
    assert all(price_of(PLAN, replace(work, outcome="answered")) <= held for work in at_most)
    assert any(full_price_of(PLAN, work) == held for work in at_most)


@given(st.lists(works, min_size=1), works)
def test_a_baseline_is_observed_only_where_its_rung_answered(attempts: list[Work], baseline: Work) -> None:
    nano, method = baseline_of(PLAN, attempts, baseline)
    same = [work for work in attempts if work.tier == baseline.tier and work.outcome == "answered"]
    got_one = any(work.outcome == "answered" for work in attempts)
    modelled = "modelled_steps" if baseline.steps_cost_nano and got_one else "modelled"
    assert method == ("observed" if same else modelled)
    if any(work.outcome == "answered" for work in attempts):
        assert nano == full_price_of(PLAN, same[0] if same else baseline)
    else:
        assert nano == 0


@pytest.mark.parametrize("outcome", get_args(Outcome))
def test_a_rung_without_a_price_is_refused_even_where_it_would_be_free(outcome: Outcome) -> None:
    with pytest.raises(ConfigurationError, match=r"standard\.2026-11.*'oracle'") as refused:
        price_of(PLAN, Work("oracle", "m", outcome))
    assert refused.value.code == "unpriced_tier"


@pytest.mark.parametrize("field", ["input_tokens", "output_tokens", "cost_nano", "duration_ms"])
def test_a_negative_quantity_is_refused(field: str) -> None:
    with pytest.raises(InputError) as refused:
        price_of(PLAN, replace(READER, **{field: -1}))  # type: ignore[arg-type]
    assert refused.value.code == "negative_quantity"


def test_a_price_beyond_64_bits_is_refused() -> None:
    with pytest.raises(InputError):
        price_of(PLAN, replace(PREMIUM, cost_nano=MAX_NANO))


def test_a_plan_may_price_a_rung_per_question_that_another_marks_up() -> None:
    plan = Plan("p.2026-01", "P", "EUR", {"premium": PerQuestion(7)}, "")
    assert price_of(plan, PREMIUM) == 7


def test_an_answer_in_steps_is_priced_once_by_what_all_its_calls_cost() -> None:
    step = Work("premium", "m", "step", cost_nano=30_000_000)
    answered = Work("premium", "m", "answered", cost_nano=20_000_000, steps_cost_nano=30_000_000)
    assert price_of(PLAN, step) == 0
    assert price_of(PLAN, answered) == price_of(PLAN, replace(PREMIUM, cost_nano=50_000_000)) == 60_000_000
