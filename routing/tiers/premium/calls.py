"""One call of the premium model: the same deployment again or another one, where that may help."""

import time
from collections.abc import Callable, Generator
from dataclasses import dataclass

from app.core.errors import ProviderError
from app.core.usage import Outcome, Work
from routing.llm.call import ChatCall, ChatCallError, ChatDelta, ChatEnd, ChatUsage
from routing.llm.deployments import Deployment, Deployments
from routing.tier import TierAttempt, TierDelta, TierOutput
from routing.tiers.chat import LONGEST_WAIT_SECONDS, PAUSE_SECONDS
from routing.tiers.words import Words

RESTING = "The premium model's provider keeps failing; it is tried again in a moment."


@dataclass(frozen=True, slots=True)
class Called:
    """A call that came to its end. `words` holds its text; some of it may not have been shown yet."""

    deployment: Deployment
    words: Words
    end: ChatEnd
    work: Work


@dataclass(slots=True)
class Caller:
    """Makes the calls of one question on one rung.

    Args:
        paid: told of each call's work, failed ones included.
    """

    tier: str
    deployments: Deployments
    paid: Callable[[Work], None]

    def call(self, call: ChatCall, words: Callable[[], Words]) -> Generator[TierOutput, None, Called]:
        """Yields the text as it comes, and each failed attempt.

        Where a deployment was busy, broken, silent or out of reach before any text was shown, another one is
        asked; where there is no other, the same one again, once.

        Raises:
            ProviderError: `provider_resting` while every deployment is left out; else the last failure.
        """
        failed: list[Deployment] = []
        deployment, again = self.deployments.next(), False
        if deployment is None:
            raise ProviderError(RESTING, code="provider_resting", retryable=True)
        while True:
            shown = words()
            started = time.monotonic()
            try:
                end = yield from self._stream(deployment, call, shown)
            except ChatCallError as error:
                yield self._failed(deployment, error, started)
                if shown.shown or not error.elsewhere:
                    raise
                failed.append(deployment)
                other = self.deployments.next(failed)
                if other is None and not again:
                    again, other = True, _again(deployment, error)
                if other is None:
                    raise
                deployment = other
                continue
            work = self.work(deployment, end.usage, "answered", started)
            self.paid(work)
            return Called(deployment, shown, end, work)

    def _stream(
        self, deployment: Deployment, call: ChatCall, words: Words
    ) -> Generator[TierOutput, None, ChatEnd]:
        settled = False
        try:
            end: ChatEnd | None = None
            for part in deployment.model.stream(call):
                if not isinstance(part, ChatDelta):
                    end = part
                elif text := words.take(part.text):
                    yield TierDelta(text)
            if end is None:
                raise ProviderError("The premium model's answer has no end.", code="provider_error")
        except ChatCallError as error:
            deployment.breaker.failed(error)
            settled = True
            raise
        else:
            deployment.breaker.went_well()
            settled = True
            return end
        finally:
            if not settled:
                deployment.breaker.let_go()

    def _failed(self, deployment: Deployment, error: ChatCallError, started: float) -> TierAttempt:
        work = self.work(deployment, error.usage, "failed", started)
        self.paid(work)
        return TierAttempt(work, error.message)

    def work(self, deployment: Deployment, usage: ChatUsage, outcome: Outcome, started: float) -> Work:
        return Work(
            tier=self.tier,
            model=deployment.model.name,
            outcome=outcome,
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            cost_nano=deployment.prices.cost_nano(
                usage.input_tokens, usage.output_tokens, usage.cached_tokens
            ),
            duration_ms=round((time.monotonic() - started) * 1000),
            provider_request_id=usage.request_id,
            estimated=usage.estimated,
        )


def _again(deployment: Deployment, error: ChatCallError) -> Deployment | None:
    """The same one, after a pause, where that may help."""
    wait = error.retry_after_seconds or PAUSE_SECONDS
    if wait > LONGEST_WAIT_SECONDS:
        return None
    time.sleep(wait)
    return deployment if deployment.breaker.admits() else None
