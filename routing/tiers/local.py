"""The rung of a vLLM of one's own: one base model, and an adapter chosen for each question."""

import time
from collections.abc import Iterator
from dataclasses import replace

import structlog

from app.core.errors import ProviderError, RungError
from app.core.usage import Work
from routing.adapters.adapter import AdapterChooser
from routing.catalogue.choice import PromptChooser
from routing.llm import ChatCall, ChatCallError, ChatUsage
from routing.llm.prices import Prices
from routing.llm.prompt import BuiltPrompt, answer_pattern, build_prompt
from routing.llm.vllm import PROVIDER, ServedModel, VllmModel
from routing.tier import ChatSettings, TierAnswer, TierAttempt, TierOutput, TierRequest
from routing.tiers.chat import ChatBackend, ChatTier, Plan
from routing.tiers.closed_book import MOST_READ_TOKENS, ClosedBookProbe

_log = structlog.get_logger()

REST_SECONDS = 20.0
"""How long a rung is left out after its server did not answer, so that not every question waits for it."""

NO_PATTERN = "The local model's server takes no structured output: the form was asked for in words alone."

_REST_AFTER = frozenset({"provider_unreachable", "provider_timeout"})

_SHARE_FOR_THE_ANSWER = 3
"""An answer gets at most a third of what the model takes altogether."""


class LocalTier(ChatTier):
    """Answers through the vLLM at RUNG_LOCAL_URL.

    A server that does not answer fails one question's attempt, after which the rung rests for a while.

    Args:
        model: the server, or the reason in words why there is none.
    """

    def __init__(
        self,
        name: str,
        label: str,
        settings: ChatSettings,
        model: VllmModel | str,
        prices: Prices,
        currency: str,
        adapters: AdapterChooser,
        prompts: PromptChooser | None = None,
    ) -> None:
        backend = model if isinstance(model, str) else ChatBackend(model, prices)
        super().__init__(name, label, settings, backend, currency, prompts)
        self._model = model
        self._prices = prices
        self._adapters = adapters
        self._takes_patterns = True
        self._rest_until = 0.0
        self._rest_reason = ""

    @property
    def baseline_note(self) -> str | None:
        return None if self.unavailable is None else f"The {self.name} rung is not set up."

    @property
    def resting(self) -> str | None:
        """Why the rung is left out for some seconds."""
        return self._rest_reason if time.monotonic() < self._rest_until else None

    def answer(self, request: TierRequest) -> Iterator[TierOutput]:
        """Streams the answer. A missing adapter is restored once, a refused form asked for in words.

        Raises:
            ProviderError: after the failed attempts were yielded.
        """
        try:
            yield from super().answer(request)
        except ChatCallError as error:
            self._after(error)
            raise
        self._rest_until = 0.0

    def base_model(self) -> str:
        return "" if isinstance(self._model, str) else self._model.served().name

    def at_most(self) -> Work:
        """With the closed-book call, where there is one."""
        settings, extra = self._settings, self._settings.closed_book_tokens
        read = settings.max_input_tokens + (MOST_READ_TOKENS if extra else 0)
        return self._modelled(read, settings.max_output_tokens + extra)

    def _attempts(self, backend: ChatBackend, request: TierRequest, plan: Plan) -> Iterator[TierOutput]:
        """As any chat rung, with the same question asked without passages beside it."""
        if not self._settings.closed_book_tokens or not request.passages:
            yield from super()._attempts(backend, request, plan)
            return
        model, most = plan.call.model, self._settings.closed_book_tokens
        probe = ClosedBookProbe(backend.model, model, request, most)
        counted = False
        for output in super()._attempts(backend, request, plan):
            if isinstance(output, TierAnswer):
                work = output.work if counted else None
                done = probe.added_to(output, self._prices)
                yield done if work is None else replace(done, work=work)
            elif isinstance(output, TierAttempt) and not counted:
                counted = True
                yield replace(output, work=probe.cost(output.work, self._prices))
            else:
                yield output

    def _after(self, error: ChatCallError) -> None:
        if not isinstance(self._model, str) and error.code != "context_too_long":
            # What answers next may be another server.
            self._model.forget()
        if error.code in _REST_AFTER:
            self._takes_patterns = True
            self._rest_reason = error.message
            self._rest_until = time.monotonic() + REST_SECONDS

    def _plan(self, backend: ChatBackend, request: TierRequest) -> Plan:  # noqa: ARG002
        if isinstance(self._model, str):
            raise ProviderError(self._model, code="tier_unavailable")
        served = self._model.served()
        wanted = request.limits.output_tokens or self._settings.max_output_tokens
        read, written = _room(self._settings.max_input_tokens, wanted, served)
        prompt = build_prompt(self._prompt_id(request), request, self._settings.passages, read)
        if request.passages and not prompt.passages:
            raise _too_long(served)
        choice = self._adapters.choose(request.caller, request.passages)
        name = choice.served_name if choice else served.name
        call = ChatCall(prompt.messages, written, name, self._pattern(prompt))
        notes = () if choice is None else (f"Adapter {choice.served_name}: {choice.reason}",)
        if not self._takes_patterns:
            notes = (*notes, NO_PATTERN)
        return Plan(prompt, call, f"{PROVIDER}/{name}", notes)

    def _pattern(self, prompt: BuiltPrompt) -> str | None:
        takes = self._takes_patterns and bool(prompt.passages)
        return answer_pattern(len(prompt.passages)) if takes else None

    def _again(self, plan: Plan, error: ChatCallError, tried: set[str]) -> Plan | None:
        if error.code == "pattern_refused" and plan.call.pattern is not None:
            self._takes_patterns = False
            return replace(plan, call=replace(plan.call, pattern=None), notes=(*plan.notes, NO_PATTERN))
        if error.code == "unknown_adapter" and "restore" not in tried:
            tried.add("restore")
            return plan if self._restored(plan.call.model) else None
        return super()._again(plan, error, tried)

    def _restored(self, served_name: str) -> bool:
        try:
            return self._adapters.restore(served_name)
        except RungError as error:
            _log.warning("an adapter could not be restored", adapter=served_name, error=error.message)
            return False

    def _modelled(self, input_tokens: int, output_tokens: int) -> Work:
        model = "reference" if isinstance(self._model, str) else self._model.name
        cost = self._prices.cost_nano(input_tokens, output_tokens)
        return Work(self.name, model, "answered", input_tokens, output_tokens, cost, estimated=True)


def _room(most_read: int, most_written: int, served: ServedModel) -> tuple[int, int]:
    """Tokens for the prompt and for the answer, so that both fit into what the model takes."""
    if served.context_tokens is None:
        return most_read, most_written
    written = min(most_written, served.context_tokens // _SHARE_FOR_THE_ANSWER)
    return min(most_read, served.context_tokens - written), written


def _too_long(served: ServedModel) -> ChatCallError:
    return ChatCallError(
        f"The question and its conversation leave no room for passages: {served.name} takes "
        f"{served.context_tokens} tokens.",
        code="context_too_long",
        retryable=False,
        usage=ChatUsage(),
    )
