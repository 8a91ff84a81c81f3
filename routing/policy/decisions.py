"""Turns difficulty into a decision: answer here, climb a rung, or say that nothing good enough was found."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol

from retrieval.passage import Passage
from routing.difficulty import Difficulty
from routing.tier import Ladder, Tier, TierAnswer

Action = Literal["answer", "escalate", "abstain"]

TOO_HARD_UNAVAILABLE = "This question looks hard, and no better model is set up. These passages come closest."
TOO_HARD_LEFT_OUT = "This question looks hard. {why} These passages come closest."
TOO_HARD_BUDGET = (
    "This question looks hard, and the budget leaves no room for a better model. These passages come closest."
)

NOT_SURE = "The best rung that could be used was not sure of this answer."

_NEAR_COSINE = 0.2


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do next. `tier` is the rung that answers or is climbed to; `text` is said when abstaining."""

    action: Action
    tier: Tier
    reason: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class Room:
    """The rungs this question may use: available, and their price fits into the budget.

    `over_budget` is true when a rung had to be left out for its price. `left_out` says of each rung whose
    server does not answer, why.
    """

    usable: tuple[Tier, ...]
    over_budget: bool = False
    left_out: tuple[str, ...] = ()

    def without(self, tier: Tier, why: str) -> "Room":
        """The rungs that are left when one has failed."""
        usable = tuple(other for other in self.usable if other is not tier)
        return replace(self, usable=usable, left_out=(*self.left_out, why))

    def above(self, tier: Tier, ladder: Ladder) -> Tier | None:
        """The next usable rung above, if any."""
        rank = ladder.tiers.index(tier)
        return next((t for t in ladder.tiers[rank + 1 :] if t in self.usable), None)


@dataclass(frozen=True, slots=True)
class Policy:
    """Thresholds on the difficulty.

    skip_above: from here on the cheap rung is not even asked, once the passages are known. climb_above: from
    here on its answer is not good enough.
    """

    skip_above: float = 0.8
    climb_above: float = 0.5

    def start(
        self, difficulty: Difficulty, passages: Sequence[Passage], room: Room, ladder: Ladder
    ) -> Decision:
        """After retrieval: the cheapest usable rung, or the one above it when the question is surely hard."""
        cheapest = room.usable[0]
        better = room.above(cheapest, ladder)
        if better is not None and difficulty.probability >= self.skip_above and anything_near(passages):
            return Decision("escalate", better, "the question is too hard for the quick answer")
        return Decision("answer", cheapest)

    def judge(
        self,
        difficulty: Difficulty,
        answer: TierAnswer,
        tier: Tier,
        passages: Sequence[Passage],
        room: Room,
        ladder: Ladder,
    ) -> Decision:
        """After an answer: keep it, climb, or withdraw it because nothing better can be had."""
        better = room.above(tier, ladder)
        if answer.abstained and (better is None or not anything_near(passages)):
            return Decision("abstain", tier, text=answer.text)
        if difficulty.probability < self.climb_above:
            return Decision("answer", tier)
        if better is not None:
            return Decision("escalate", better, difficulty.reasons[0])
        if tier is ladder.top:
            return Decision("answer", tier)
        if not tier.immediate:
            # It was streamed, and its citations are checked: it stands, with a word of warning.
            return Decision("answer", tier, NOT_SURE)
        return Decision("abstain", tier, text=_too_hard(room))


class Policies(Protocol):
    """Knows what each workspace has chosen."""

    def of(self, workspace_id: str) -> Policy:
        """The policy in force now."""
        ...


@dataclass(frozen=True, slots=True)
class OnePolicy:
    """The same policy for every workspace."""

    policy: Policy = Policy()

    def of(self, workspace_id: str) -> Policy:  # noqa: ARG002
        return self.policy


def _too_hard(room: Room) -> str:
    if room.left_out:
        return TOO_HARD_LEFT_OUT.format(why=room.left_out[-1])
    return TOO_HARD_BUDGET if room.over_budget else TOO_HARD_UNAVAILABLE


def anything_near(passages: Sequence[Passage]) -> bool:
    """Whether any passage has to do with the question at all: else no model could answer from them."""
    return any((p.dense_score or 0.0) >= _NEAR_COSINE for p in passages)
