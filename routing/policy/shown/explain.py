"""What a policy would do with a question at each stage, without answering it."""

from dataclasses import dataclass

from routing.policy.decisions import Policy, PriceOf
from routing.policy.shown.words import amount
from routing.tier import Ladder, RungKind, Tier


@dataclass(frozen=True, slots=True)
class RungPlan:
    """One rung for one question.

    price_nano: what its answer to this question would probably be charged. climb_above: the difficulty from
    which its answer would not be kept; nothing for the top rung, whose answer stands. skip_above: the
    difficulty from which it would not be asked; nothing for all but the cheapest. `says` puts it in words.
    """

    tier: str
    label: str
    kind: RungKind
    price_nano: int
    climb_above: float | None
    skip_above: float | None
    unavailable: str | None
    says: str


@dataclass(frozen=True, slots=True)
class RoutePlan:
    """The objective in words, and what it comes to at each rung, cheapest first."""

    objective: str
    rungs: tuple[RungPlan, ...]


def explain(policy: Policy, ladder: Ladder, usable: tuple[Tier, ...], price_of: PriceOf) -> RoutePlan:
    """The plan for one question. `usable` are the rungs that can be used now."""
    rungs = []
    for tier in ladder.tiers:
        price_nano, better = price_of(tier), _above(tier, ladder, usable)
        climb_above = _climb_above(policy, tier, ladder, better, price_of)
        skip_above = policy.thresholds(tier.kind).skip_above if usable and tier is usable[0] else None
        if tier is ladder.top or (better is None and tier in usable):
            skip_above = None
        says = tier.unavailable or _says(policy, tier, ladder, better, climb_above, price_nano, price_of)
        rungs.append(
            RungPlan(
                tier.name,
                tier.label,
                tier.kind,
                price_nano,
                climb_above,
                skip_above,
                tier.unavailable,
                says,
            )
        )
    return RoutePlan(policy.objective, tuple(rungs))


def _above(tier: Tier, ladder: Ladder, usable: tuple[Tier, ...]) -> Tier | None:
    rank = ladder.tiers.index(tier)
    return next((other for other in ladder.tiers[rank + 1 :] if other in usable), None)


def _climb_above(
    policy: Policy, tier: Tier, ladder: Ladder, better: Tier | None, price_of: PriceOf
) -> float | None:
    if tier is ladder.top:
        return None
    if policy.value_nano is None or better is None:
        return policy.thresholds(tier.kind).climb_above
    extra_nano = max(0, price_of(better) - price_of(tier))
    return round(extra_nano / policy.value_nano, 4) if policy.value_nano else None


def _says(
    policy: Policy,
    tier: Tier,
    ladder: Ladder,
    better: Tier | None,
    climb_above: float | None,
    price_nano: int,
    price_of: PriceOf,
) -> str:
    if tier is ladder.top:
        return "its answer stands"
    if better is None:
        return "no better rung can be used: a doubtful answer is not shown as if it were certain"
    if climb_above is None or climb_above > 1:
        return f"its answer is kept: {better.label} is not worth its price here"
    why = f"climbs to {better.label} from a difficulty of {climb_above:.2f} on"
    if policy.value_nano is not None:
        extra = amount(max(0, price_of(better) - price_nano))
        why += f", where an avoided mistake is worth the {extra} that it costs more"
    if policy.gate is not None and better is ladder.top and not policy.gate.looking().admit():
        why += "; the share of premium is used up for now, so it would not"
    return why
