"""Turns difficulty into a decision: answer here, climb a rung, or say that nothing good enough was found."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol

from retrieval.passage import Passage
from routing.difficulty import Difficulty
from routing.tier import Ladder, RungKind, Tier, TierAnswer, TierLimits

Action = Literal["answer", "escalate", "abstain"]

PriceOf = Callable[[Tier], int]
"""What this question would probably be charged at a rung, in nano-units."""

TOO_HARD_UNAVAILABLE = "This question looks hard, and no better model is set up. These passages come closest."
TOO_HARD_LEFT_OUT = "This question looks hard. {why} These passages come closest."
TOO_HARD_BUDGET = "This question looks hard. {whose} These passages come closest."
TOO_HARD_PRICE = (
    "This question looks hard, and a better model costs more here than an avoided mistake is worth to this"
    " workspace. Ask the better model if this one is worth it. These passages come closest."
)
TOO_HARD_SHARE = (
    "This question looks hard, and this workspace's share of premium answers is used up for now. Ask the"
    " better model if it cannot wait. These passages come closest."
)

NOT_SURE = "The best rung that could be used was not sure of this answer."

SILENT = "the quick answer found nothing"

CLIMB_ABOVE = 0.5
SKIP_ABOVE = 0.8
"""The careful default: what holds until a workspace's own labels prove something else."""

WITHHOLD_ABOVE = 0.6
"""Higher than where a better rung is asked: holding back a right answer helps nobody, its sources show."""

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

    `over_budget` says whose budget is used up where a rung had to be left out for its price. `left_out` says
    of each rung whose server does not answer, why.
    """

    usable: tuple[Tier, ...]
    over_budget: str = ""
    left_out: tuple[str, ...] = ()

    def without(self, tier: Tier, why: str) -> "Room":
        """The rungs that are left when one has failed."""
        usable = tuple(other for other in self.usable if other is not tier)
        return replace(self, usable=usable, left_out=(*self.left_out, why))

    def above(self, tier: Tier, ladder: Ladder) -> Tier | None:
        """The next usable rung above, if any."""
        rank = ladder.tiers.index(tier)
        return next((t for t in ladder.tiers[rank + 1 :] if t in self.usable), None)


class Gate(Protocol):
    """Keeps the share of questions that go to the top rung."""

    def asked(self) -> None:
        """One more question whose rung Rung chooses."""
        ...

    def admit(self) -> bool:
        """Whether one more may go to the top rung; counts it when it may."""
        ...

    def looking(self) -> "Gate":
        """One that tells the same and counts nothing."""
        ...


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Of one kind of rung; see `Policy`."""

    climb_above: float
    skip_above: float


@dataclass(frozen=True, slots=True)
class Policy:
    """Thresholds on the difficulty.

    skip_above: from here on the cheap rung is not even asked, once the passages are known. climb_above: from
    here on its answer is not good enough. by_kind: other thresholds for a kind of rung. withhold_above: from
    here on an answer that cannot be bettered is not shown; never lower than where a rung is climbed.

    value_nano: what one avoided wrong answer is worth; a rung is then climbed only where the probability
    times this is more than its extra price. gate: keeps the share of the top rung. shadow_share: of the
    questions, how many are checked in the background. limits: what one question may use on a rung, where that
    is less than the rung's own settings. `objective` says in words what is asked of it.
    """

    skip_above: float = SKIP_ABOVE
    climb_above: float = CLIMB_ABOVE
    by_kind: Mapping[RungKind, Thresholds] = field(default_factory=dict)
    withhold_above: float = WITHHOLD_ABOVE
    value_nano: int | None = None
    gate: Gate | None = None
    shadow_share: float = 0.0
    limits: TierLimits = field(default_factory=TierLimits)
    objective: str = ""

    def thresholds(self, kind: RungKind) -> Thresholds:
        """What holds for this kind of rung."""
        return self.by_kind.get(kind) or Thresholds(self.climb_above, self.skip_above)

    def looking(self) -> "Policy":
        """The same, for a decision that is only explained."""
        return self if self.gate is None else replace(self, gate=self.gate.looking())

    def start(
        self,
        difficulty: Difficulty,
        passages: Sequence[Passage],
        room: Room,
        ladder: Ladder,
        price_of: PriceOf | None = None,
    ) -> Decision:
        """After retrieval: the cheapest usable rung, or the one above it when the question is surely hard."""
        if self.gate is not None:
            self.gate.asked()
        cheapest = room.usable[0]
        better = room.above(cheapest, ladder)
        hard = difficulty.probability >= self.thresholds(cheapest.kind).skip_above
        if better is not None and hard and anything_near(passages):
            refusal = self._refusal(difficulty, cheapest, better, ladder, price_of)
            if refusal is None:
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
        price_of: PriceOf | None = None,
    ) -> Decision:
        """After an answer: keep it, climb, or withdraw it because nothing better can be had."""
        better = room.above(tier, ladder)
        if answer.abstained and (better is None or not anything_near(passages)):
            return Decision("abstain", tier, text=answer.text)
        refusal = None
        if answer.abstained or self._wants_better(difficulty, tier):
            if better is not None:
                refusal = self._refusal(difficulty, tier, better, ladder, price_of)
                if refusal is None:
                    return Decision("escalate", better, SILENT if answer.abstained else difficulty.reasons[0])
        else:
            return Decision("answer", tier)
        if answer.abstained:
            return Decision("abstain", tier, text=answer.text)
        return self._keep_or_withhold(difficulty, tier, ladder, refusal or _too_hard(room))

    def _wants_better(self, difficulty: Difficulty, tier: Tier) -> bool:
        # Where mistakes have a price, that price decides and no threshold does.
        return self.value_nano is not None or (
            difficulty.probability >= self.thresholds(tier.kind).climb_above
        )

    def _keep_or_withhold(
        self, difficulty: Difficulty, tier: Tier, ladder: Ladder, too_hard: str
    ) -> Decision:
        """What becomes of an answer where a better one cannot be had."""
        climb_above = self.thresholds(tier.kind).climb_above
        if difficulty.probability < climb_above or tier is ladder.top:
            return Decision("answer", tier)
        # What was streamed, with citations that are checked, stands with a word of warning.
        if not tier.immediate or difficulty.probability < max(climb_above, self.withhold_above):
            return Decision("answer", tier, NOT_SURE)
        return Decision("abstain", tier, text=too_hard)

    def _refusal(
        self, difficulty: Difficulty, tier: Tier, better: Tier, ladder: Ladder, price_of: PriceOf | None
    ) -> str | None:
        """Why the better rung is not climbed to though it could be; nothing where it is."""
        if self.value_nano is not None and price_of is not None:
            extra_nano = price_of(better) - price_of(tier)
            if difficulty.probability * self.value_nano <= extra_nano:
                return TOO_HARD_PRICE
        if self.gate is not None and better is ladder.top and not self.gate.admit():
            return TOO_HARD_SHARE
        return None


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
    return TOO_HARD_BUDGET.format(whose=room.over_budget) if room.over_budget else TOO_HARD_UNAVAILABLE


def anything_near(passages: Sequence[Passage]) -> bool:
    """Whether any passage has to do with the question at all: else no model could answer from them."""
    return any((p.dense_score or 0.0) >= _NEAR_COSINE for p in passages)
