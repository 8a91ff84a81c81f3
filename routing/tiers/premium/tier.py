"""The rung itself: what it may cost, whether it can be used, and how an answer is made and checked."""

import time
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

from app.core.errors import ProviderError
from app.core.usage import Work
from routing.catalogue.choice import PromptChooser
from routing.llm.call import ChatCall
from routing.llm.deployments import Deployments, DeploymentState
from routing.llm.prompt import BuiltPrompt, build_prompt
from routing.tier import (
    ONE_CALL,
    ChatSettings,
    PastCalls,
    TierAnswer,
    TierAttempt,
    TierDelta,
    TierOutput,
    TierRequest,
)
from routing.tiers.chat import ChatBackend, ChatTier, Plan
from routing.tiers.premium.allowance import Allowance, limits_of, most_cost_nano, most_of
from routing.tiers.premium.calls import RESTING, Called, Caller
from routing.tiers.premium.conflicts import conflict_notes
from routing.tiers.premium.loop import Loop
from routing.tiers.premium.sufficient import passages_suffice
from routing.tiers.words import says_not_found

_MILLION = 1_000_000


class PremiumTier(ChatTier):
    """Answers through a frontier model that may search again, on any of several deployments.

    Args:
        deployments: the first choice first, or the reason in words why there is none.
    """

    def __init__(
        self,
        name: str,
        label: str,
        settings: ChatSettings,
        deployments: Deployments | str,
        currency: str,
        prompts: PromptChooser | None = None,
    ) -> None:
        backend: ChatBackend | str
        if isinstance(deployments, str):
            backend = deployments
        else:
            backend = ChatBackend(deployments.first.model, deployments.first.prices)
        super().__init__(name, label, settings, backend, currency, prompts)
        self._deployments = deployments

    @property
    def resting(self) -> str | None:
        """Why the rung is left out for some seconds: no deployment may be called."""
        if isinstance(self._deployments, str) or self._deployments.seconds_left <= 0:
            return None
        return RESTING

    def deployments(self) -> tuple[DeploymentState, ...]:
        """How each deployment does, the first choice first."""
        return () if isinstance(self._deployments, str) else self._deployments.states()

    def at_most(self) -> Work:
        """All calls of one question together, at the dearest deployment's prices."""
        read, written = most_of(self._settings)
        work = self._modelled(read, written)
        if not isinstance(self._deployments, str) and self.unavailable is None:
            work = replace(work, cost_nano=self._deployments.cost_nano(read, written))
        most = most_cost_nano(self._settings)
        return work if most is None else replace(work, cost_nano=min(work.cost_nano, most))

    def expected_in_steps(self, request: TierRequest, past: PastCalls) -> Work:
        """Implements `WorksInSteps`. An earlier call is taken to read as much as the first and to write
        nothing, so the price is rather too low than too high."""
        one = self.expected(request)
        limits = limits_of(self._settings, request.limits)
        passages = request.passages[: self._settings.passages]
        if limits.steps < 2 or passages_suffice(request.standalone, passages):
            return one
        more = min(past.calls - past.questions, (limits.steps - 1) * past.questions)
        reading = self._modelled(one.input_tokens, 0).cost_nano
        return replace(one, steps_cost_nano=reading * more // past.questions)

    def answer(self, request: TierRequest) -> Iterator[TierOutput]:
        """Streams the answer, with a step for each search. What was said before a step is no part of it.

        Raises:
            ProviderError: after the failed attempts were yielded. Codes beside those of a call:
                `provider_resting`, `question_limit`, `provider_empty_answer`.
        """
        if isinstance(self._deployments, str) or self.unavailable is not None:
            raise ProviderError(str(self.unavailable), code="tier_unavailable")
        started = time.monotonic()
        loop = self._loop(self._deployments, request)
        called = yield from loop.run()
        if says_not_found(called.words.text) and loop.may_look_further():
            called = yield from loop.look_further(called)
        yield from self._end(loop, called, started)

    def _loop(self, deployments: Deployments, request: TierRequest) -> Loop:
        settings = self._settings
        prompt = build_prompt(self._prompt_id(request), request, settings.passages, settings.max_input_tokens)
        limits = limits_of(settings, request.limits)
        read, written = deployments.cost_nano(_MILLION, 0), deployments.cost_nano(0, _MILLION)
        allowance = Allowance(limits, Decimal(read) / _MILLION, Decimal(written) / _MILLION)
        suffices = request.search_again is not None and passages_suffice(request.standalone, prompt.passages)
        return Loop(
            settings,
            request,
            prompt,
            Caller(self.name, deployments, allowance.take),
            allowance,
            None if limits.steps < 2 else request.search_again,
            one_call=suffices and limits.steps > 1,
        )

    def _end(self, loop: Loop, called: Called, started: float) -> Iterator[TierOutput]:
        text = called.words.text
        if not text.strip():
            reason = f"The {self.label.lower()} returned no text."
            yield TierAttempt(replace(called.work, outcome="failed"), reason)
            raise ProviderError(f"{reason} Ask again, or choose another rung.", code="provider_empty_answer")
        if shown := called.words.rest():
            yield TierDelta(shown)
        yield self._answer_of(loop, called, started)

    def _answer_of(self, loop: Loop, called: Called, started: float) -> TierAnswer:
        backend = ChatBackend(called.deployment.model, called.deployment.prices)
        prompt = BuiltPrompt(loop.prompt.id, loop.prompt.messages, tuple(loop.numbered))
        notes = [*([ONE_CALL] if loop.one_call else []), *loop.notes]
        if called.deployment is not loop.caller.deployments.first:
            notes.append(f"Another deployment answered: {called.deployment.breaker.name}.")
        plan = Plan(prompt, ChatCall((), 0), called.deployment.model.name, tuple(notes))
        answer = self._checked(backend, plan, loop.request, called.words.text, called.end, started)
        work = replace(called.work, outcome=answer.work.outcome, steps_cost_nano=loop.steps_cost_nano)
        return replace(answer, work=work, notes=(*answer.notes, *conflict_notes(answer.citations)))
