"""A rung that asks a chat model: fenced passages in, an answer with checked citations out."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from app.core.errors import ProviderError
from app.core.usage import Outcome, Work
from routing.citation import check_citations
from routing.llm import ChatCallError, ChatDelta, ChatEnd, ChatModel, ChatUsage
from routing.llm.prices import ModelPrices
from routing.llm.prompt import NOT_FOUND, BuiltPrompt, build_prompt
from routing.text.words import content_words, coverage
from routing.tier import ChatSettings, Signals, TierAnswer, TierAttempt, TierDelta, TierOutput, TierRequest
from routing.tiers.reader import NOTHING_FOUND

UNSUPPORTED = "The premium model's answer is not supported by any passage, so it is not shown."

_LONGEST_WAIT_SECONDS = 5.0
"""A provider that asks for a longer pause than this is not tried again: the person would wait for nothing."""

_PAUSE_SECONDS = 0.3


@dataclass(frozen=True, slots=True)
class ChatBackend:
    """A model that can be called and what its tokens cost."""

    model: ChatModel
    prices: ModelPrices


class ChatTier:
    """Answers through a chat model.

    Args:
        backend: the model, or the reason in words why there is none.
        currency: the plan's.
    """

    immediate = False

    def __init__(
        self, name: str, label: str, settings: ChatSettings, backend: ChatBackend | str, currency: str
    ) -> None:
        self.name = name
        self.label = label
        self._settings = settings
        self._backend = backend
        self._currency = currency

    @property
    def unavailable(self) -> str | None:
        return self._backend if isinstance(self._backend, str) else None

    @property
    def baseline_note(self) -> str | None:
        """What to know about the modelled price of this rung while it is not set up."""
        if self.unavailable is None:
            return None
        if self._settings.reference_currency == self._currency:
            return "The premium rung is not set up: its price is modelled from tiers.toml's reference prices."
        return f"The premium rung is not set up, and tiers.toml has no reference price in {self._currency}."

    def at_most(self) -> Work:
        return self._modelled(self._settings.max_input_tokens, self._settings.max_output_tokens)

    def expected(self, request: TierRequest) -> Work:
        tokens = -(-self._prompt(request).bytes // 4)
        return self._modelled(tokens, self._settings.expected_output_tokens)

    def answer(self, request: TierRequest) -> Iterator[TierOutput]:
        """Streams the answer. One second try, and only before any text came.

        Raises:
            ProviderError: after the failed attempts were yielded.
        """
        if isinstance(self._backend, str):
            raise ProviderError(self._backend, code="tier_unavailable")
        prompt = self._prompt(request)
        for last_try in (False, True):
            started = time.monotonic()
            said = False
            try:
                for output in self._call(self._backend, prompt, request, started):
                    said = said or isinstance(output, TierDelta)
                    yield output
            except ChatCallError as error:
                reason = error.message
                yield TierAttempt(self._work(self._backend, error.usage, "failed", started), reason)
                wait = error.retry_after_seconds or _PAUSE_SECONDS
                if last_try or said or not error.retryable or wait > _LONGEST_WAIT_SECONDS:
                    raise
                time.sleep(wait)
            else:
                return

    def _call(
        self, backend: ChatBackend, prompt: BuiltPrompt, request: TierRequest, started: float
    ) -> Iterator[TierOutput]:
        limit = request.limits.output_tokens or self._settings.max_output_tokens
        said = _Held()
        end: ChatEnd | None = None
        for part in backend.model.stream(prompt.messages, max_output_tokens=limit):
            if isinstance(part, ChatDelta):
                if text := said.take(part.text):
                    yield TierDelta(text)
            else:
                end = part
        if end is None:
            raise ProviderError("The premium model's answer has no end.", code="provider_error")
        if not said.text.strip():
            reason = "The premium model returned no text."
            yield TierAttempt(self._work(backend, end.usage, "failed", started), reason)
            raise ProviderError(f"{reason} Ask again, or choose another rung.", code="provider_empty_answer")
        yield self._checked(backend, prompt, request, said.text, end, started)

    def _checked(
        self,
        backend: ChatBackend,
        prompt: BuiltPrompt,
        request: TierRequest,
        text: str,
        end: ChatEnd,
        started: float,
    ) -> TierAnswer:
        checked = check_citations(text, prompt.passages)
        not_found = _says_not_found(text)
        abstained = not_found or not checked.citations
        shown = NOTHING_FOUND if not_found else UNSUPPORTED if abstained else checked.text
        notes = []
        if checked.dropped:
            notes.append(f"{checked.dropped} citations that no passage supports were dropped.")
        if end.finish_reason == "length":
            notes.append("The answer was cut at the length limit.")
        if end.usage.estimated:
            notes.append("The provider reported no usage: the tokens are our estimate.")
        return TierAnswer(
            text=shown,
            citations=() if abstained else checked.citations,
            abstained=abstained,
            signals=Signals(
                coverage=coverage(set(content_words(request.standalone)), set(content_words(text)))
            ),
            work=self._work(backend, end.usage, "abstained" if abstained else "answered", started),
            prompt_id=prompt.id,
            notes=tuple(notes),
        )

    def _prompt(self, request: TierRequest) -> BuiltPrompt:
        settings = self._settings
        return build_prompt(settings.prompt, request, settings.passages, settings.max_input_tokens)

    def _work(self, backend: ChatBackend, usage: ChatUsage, outcome: Outcome, started: float) -> Work:
        return Work(
            tier=self.name,
            model=backend.model.name,
            outcome=outcome,
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            cost_nano=backend.prices.cost_nano(usage.input_tokens, usage.output_tokens, usage.cached_tokens),
            duration_ms=round((time.monotonic() - started) * 1000),
            provider_request_id=usage.request_id,
            estimated=usage.estimated,
        )

    def _modelled(self, input_tokens: int, output_tokens: int) -> Work:
        if isinstance(self._backend, str):
            model, prices = "reference", self._reference()
        else:
            model, prices = self._backend.model.name, self._backend.prices
        cost = prices.cost_nano(input_tokens, output_tokens)
        return Work(self.name, model, "answered", input_tokens, output_tokens, cost, estimated=True)

    def _reference(self) -> ModelPrices:
        known = self._settings.reference_currency == self._currency
        read = self._settings.reference_input_price if known else Decimal(0)
        written = self._settings.reference_output_price if known else Decimal(0)
        return ModelPrices(read, written, read, "tiers.toml")


class _Held:
    """Holds text back while it may still become NOT FOUND, which is never shown."""

    def __init__(self) -> None:
        self.text = ""
        self._shown = 0

    def take(self, piece: str) -> str:
        """The text that may be shown now."""
        self.text += piece
        if NOT_FOUND.startswith(_bare(self.text)) or _says_not_found(self.text):
            return ""
        shown, self._shown = self.text[self._shown :], len(self.text)
        return shown


def _bare(text: str) -> str:
    return text.strip().strip(".\"'*`").upper()


def _says_not_found(text: str) -> bool:
    """Also where the model adds an explanation to the words it was told to say."""
    return _bare(text) == NOT_FOUND or text.strip().startswith(NOT_FOUND)
