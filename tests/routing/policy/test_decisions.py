"""What a policy does with one question, at any number of rungs."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.usage import Work
from routing.policy.decisions import (
    NOT_SURE,
    SILENT,
    TOO_HARD_PRICE,
    TOO_HARD_SHARE,
    TOO_HARD_UNAVAILABLE,
    Decision,
    Policy,
    Room,
    Thresholds,
)
from routing.policy.shown.explain import explain
from routing.tier import Ladder, Signals, TierAnswer
from tests.routing.policy.conftest import Rung, hard, passage

READER, LOCAL, PREMIUM = Rung("reader", "reader"), Rung("local", immediate=False), Rung("premium")
THREE = Ladder([READER, LOCAL, PREMIUM])
PRICES = {"reader": 0, "local": 1_000_000, "premium": 6_000_000}
NEAR = (passage(),)


def answered(*, abstained: bool = False) -> TierAnswer:
    return TierAnswer("28 days [1].", (), abstained, Signals(), Work("reader", "m", "answered"))


def judge(policy: Policy, probability: float, tier: Rung = READER, *, ladder: Ladder = THREE) -> Decision:
    room = Room(ladder.tiers)
    return policy.judge(
        hard(probability), answered(), tier, NEAR, room, ladder, lambda tier: PRICES[tier.name]
    )


@dataclass
class Door:
    """A gate that admits so many."""

    left: int
    questions: int = 0

    def asked(self) -> None:
        self.questions += 1

    def admit(self) -> bool:
        self.left -= 1
        return self.left >= 0

    def looking(self) -> "Door":
        return Door(self.left)


def test_each_kind_of_rung_has_its_own_threshold_and_climbs_to_the_next() -> None:
    policy = Policy(by_kind={"reader": Thresholds(0.3, 0.9), "chat": Thresholds(0.6, 0.9)})
    assert judge(policy, 0.29).action == "answer"
    climbed = judge(policy, 0.3)
    assert (climbed.action, climbed.tier.name) == ("escalate", "local")
    assert judge(policy, 0.59, LOCAL).action == "answer"
    assert judge(policy, 0.6, LOCAL).tier.name == "premium"
    assert judge(policy, 0.99, PREMIUM).action == "answer"


@given(st.floats(0, 1), st.integers(0, 10**9), st.integers(0, 10**9))
def test_a_price_climbs_exactly_where_the_expected_gain_is_more_than_the_extra_price(
    probability: float, value_nano: int, extra_nano: int
) -> None:
    two = Ladder([READER, PREMIUM])
    policy = Policy(value_nano=value_nano, withhold_above=2.0)
    decision = policy.judge(
        hard(probability), answered(), READER, NEAR, Room(two.tiers), two,
        lambda tier: extra_nano if tier is PREMIUM else 0,
    )  # fmt: skip
    assert (decision.action == "escalate") == (probability * value_nano > extra_nano)


def test_what_is_not_worth_its_price_is_kept_or_withheld_and_says_so() -> None:
    policy = Policy(value_nano=1_000_000, withhold_above=0.5)
    assert judge(policy, 0.4).action == "answer"
    withheld = judge(policy, 0.9)
    assert (withheld.action, withheld.text) == ("abstain", TOO_HARD_PRICE)
    # Streamed already, and its citations checked: it stands with a warning.
    assert judge(policy, 0.9, LOCAL).reason == NOT_SURE


@pytest.mark.parametrize(
    ("probability", "action", "reason"),
    [(0.49, "answer", ""), (0.5, "answer", NOT_SURE), (0.59, "answer", NOT_SURE), (0.6, "abstain", "")],
)
def test_what_cannot_be_bettered_is_withheld_only_where_it_is_probably_wrong(
    probability: float, action: str, reason: str
) -> None:
    room = Room((READER,))
    decision = Policy().judge(hard(probability), answered(), READER, NEAR, room, THREE)
    assert (decision.action, decision.reason) == (action, reason)
    strict = Policy(by_kind={"reader": Thresholds(0.7, 0.9)})
    assert strict.judge(hard(0.69), answered(), READER, NEAR, room, THREE) == Decision("answer", READER)
    assert strict.judge(hard(0.7), answered(), READER, NEAR, room, THREE).action == "abstain"


@given(st.floats(0, 1))
def test_silence_always_climbs_where_a_passage_is_near(probability: float) -> None:
    silent = answered(abstained=True)
    climbed = Policy().judge(hard(probability), silent, READER, NEAR, Room(THREE.tiers), THREE)
    assert (climbed.action, climbed.tier, climbed.reason) == ("escalate", LOCAL, SILENT)
    alone = Policy().judge(hard(probability), silent, READER, NEAR, Room((READER,)), THREE)
    assert alone.action == "abstain" and alone.text == silent.text


def test_price_also_keeps_the_first_rung_from_being_skipped_for_too_much() -> None:
    room = Room(THREE.tiers)
    cheap, dear = Policy(value_nano=1_000_000), Policy(value_nano=10_000_000)
    for policy, started in ((cheap, "reader"), (dear, "local")):
        decision = policy.start(hard(0.95), NEAR, room, THREE, lambda tier: PRICES[tier.name])
        assert decision.tier.name == started


def test_the_share_of_the_top_rung_ends_at_the_gate_and_middle_rungs_do_not_count() -> None:
    door = Door(1)
    policy = Policy(gate=door, withhold_above=0.5)
    assert judge(policy, 0.9).tier.name == "local" and door.left == 1
    assert judge(policy, 0.9, LOCAL).tier.name == "premium"
    two = Ladder([READER, PREMIUM])
    refused = judge(policy, 0.9, ladder=two)
    assert (refused.action, refused.text) == ("abstain", TOO_HARD_SHARE)
    policy.start(hard(0.1), NEAR, Room(THREE.tiers), THREE)
    assert door.questions == 1


def test_looking_counts_nothing() -> None:
    door = Door(1)
    looking = Policy(gate=door).looking()
    judge(looking, 0.9, LOCAL)
    looking.start(hard(0.1), NEAR, Room(THREE.tiers), THREE)
    assert (door.left, door.questions) == (1, 0)


@pytest.mark.parametrize("value_nano", [None, 10**9])
def test_an_answer_that_found_nothing_climbs_where_it_may_and_else_stays(value_nano: int | None) -> None:
    policy = Policy(value_nano=value_nano)
    found_nothing = answered(abstained=True)
    up = policy.judge(hard(0.99), found_nothing, READER, NEAR, Room(THREE.tiers), THREE, lambda tier: 0)
    assert up.action == "escalate"
    alone = policy.judge(hard(0.99), found_nothing, READER, NEAR, Room((READER,)), THREE, lambda tier: 0)
    assert (alone.action, alone.text) == ("abstain", found_nothing.text)


def test_nothing_better_is_said_as_before() -> None:
    decision = Policy().judge(hard(0.9), answered(), READER, NEAR, Room((READER,)), THREE)
    assert decision.text == TOO_HARD_UNAVAILABLE


def test_a_plan_names_every_rung_its_price_and_where_it_climbs() -> None:
    plan = explain(Policy(objective="quality: 95%"), THREE, THREE.tiers, lambda tier: PRICES[tier.name])
    assert [(rung.tier, rung.price_nano, rung.climb_above, rung.skip_above) for rung in plan.rungs] == [
        ("reader", 0, 0.5, 0.8), ("local", 1_000_000, 0.5, None), ("premium", 6_000_000, None, None),
    ]  # fmt: skip
    assert plan.rungs[0].says == "climbs to Local from a difficulty of 0.50 on"


def test_a_plan_by_price_works_the_threshold_out_for_this_question() -> None:
    policy = Policy(value_nano=4_000_000)
    plan = explain(policy, THREE, THREE.tiers, lambda tier: PRICES[tier.name])
    assert plan.rungs[0].climb_above == 0.25 and "0.001 that it costs more" in plan.rungs[0].says
    assert "not worth its price" in plan.rungs[1].says


def test_a_plan_without_a_better_rung_says_why() -> None:
    gone = Ladder([READER, Rung("premium", unavailable="No premium model is set up.")])
    plan = explain(Policy(gate=Door(0)), gone, (READER,), lambda tier: 0)
    assert "no better rung" in plan.rungs[0].says
    assert plan.rungs[1].says == "No premium model is set up."
