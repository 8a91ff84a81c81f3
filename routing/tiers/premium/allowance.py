"""What one question may still use: calls, tokens and money. Limits of the rung and of the policy alike."""

from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal

from app.core.errors import ProviderError
from app.core.usage import Work
from routing.tier import ChatSettings, TierLimits

_NANO = Decimal(10**9)

LEAST_OUTPUT_TOKENS = 50
"""An answer that may not even be this long is not asked for."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of one question. `step_tokens` is the most that the passages of one search add."""

    steps: int
    output_tokens: int
    step_tokens: int
    tokens: int
    cost_nano: int | None


def limits_of(settings: ChatSettings, policy: TierLimits) -> Limits:
    """The stricter of what the rung and the policy allow."""
    steps = min(settings.steps, policy.steps or settings.steps)
    tokens = most_tokens(settings, steps)
    costs = [cost for cost in (_nano(settings.max_cost), policy.cost_nano) if cost is not None]
    return Limits(
        steps=steps,
        output_tokens=min(settings.max_output_tokens, policy.output_tokens or settings.max_output_tokens),
        step_tokens=settings.max_step_tokens,
        tokens=min(tokens, policy.tokens or tokens),
        cost_nano=min(costs) if costs else None,
    )


def most_tokens(settings: ChatSettings, steps: int) -> int:
    """What so many calls may use at most: each later call also reads what the searches before it found."""
    calls = sum(
        settings.max_input_tokens + step * settings.max_step_tokens + settings.max_output_tokens
        for step in range(steps)
    )
    return calls if settings.max_total_tokens is None else min(calls, settings.max_total_tokens)


def most_of(settings: ChatSettings) -> tuple[int, int]:
    """Input and output tokens of a whole question at most, shared out as dearly as can be."""
    limits = limits_of(settings, TierLimits())
    written = min(limits.steps * limits.output_tokens, limits.tokens)
    return limits.tokens - written, written


def most_cost_nano(settings: ChatSettings) -> int | None:
    return _nano(settings.max_cost)


def _nano(amount: Decimal | None) -> int | None:
    return None if amount is None else int((amount * _NANO).to_integral_value(ROUND_FLOOR))


@dataclass(slots=True)
class Allowance:
    """Counts what one question has used. Failed calls count as well: they were paid for."""

    limits: Limits
    input_nano: Decimal
    """What an input token costs at most."""
    output_nano: Decimal
    calls: int = 0
    tokens: int = 0
    cost_nano: int = 0

    def take(self, work: Work) -> None:
        """Counts a call that was made; one that failed is no step."""
        self.calls += work.outcome != "failed"
        self.tokens += work.input_tokens + work.output_tokens
        self.cost_nano += work.cost_nano

    def may_search(self, input_tokens: int) -> bool:
        """Whether a call with tools may be made: it and an answer after it must both fit."""
        if self.calls + 2 > self.limits.steps:
            return False
        written = self.limits.output_tokens
        read = 2 * input_tokens + self.limits.step_tokens + written
        return self._fits(read, 2 * written)

    def output_for(self, input_tokens: int) -> int:
        """How many tokens the next call may write.

        Raises:
            ProviderError: `question_limit` when not enough is left for an answer.
        """
        left = min(self.limits.output_tokens, self.limits.tokens - self.tokens - input_tokens)
        if self.limits.cost_nano is not None and self.output_nano > 0:
            money = self.limits.cost_nano - self.cost_nano - input_tokens * self.input_nano
            left = min(left, int(money / self.output_nano))
        if left < min(LEAST_OUTPUT_TOKENS, self.limits.output_tokens):
            raise ProviderError(
                "What one question may use on this rung leaves no room for an answer. An admin sets that.",
                code="question_limit",
            )
        return left

    def _fits(self, read: int, written: int) -> bool:
        if self.tokens + read + written > self.limits.tokens:
            return False
        cost = self.cost_nano + read * self.input_nano + written * self.output_nano
        return self.limits.cost_nano is None or cost <= self.limits.cost_nano
