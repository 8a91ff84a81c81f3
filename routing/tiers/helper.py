"""A rung's model asked something else than a question with passages: for the test sets of small prompts."""

import time
from collections.abc import Callable, Iterator

from app.core.errors import ProviderError
from app.core.usage import Work
from routing.llm import ChatCall, ChatCallError, ChatDelta, ChatEnd, ChatUsage
from routing.llm.message import ChatMessage
from routing.llm.prompt import BYTES_A_TOKEN
from routing.tier import RungKind, Signals, TierAnswer, TierAttempt, TierOutput, TierRequest
from routing.tiers.chat import ChatBackend, ChatTier
from routing.tiers.words import says_not_found

MOST_READ_TOKENS = 8_000


class HelperTier:
    """Implements `Tier`. Its answer is what the model wrote, without citations.

    Args:
        rung: whose model is asked.
        messages: what it is sent for a request.
        may_abstain: whether NOT FOUND means that nothing is known.
    """

    kind: RungKind = "chat"
    immediate = False
    baseline_note: str | None = None

    def __init__(
        self,
        rung: ChatTier,
        messages: Callable[[TierRequest], tuple[ChatMessage, ...]],
        most_tokens: int,
        *,
        may_abstain: bool,
    ) -> None:
        self.name, self.label = rung.name, rung.label
        self._rung = rung
        self._messages = messages
        self._most_tokens = most_tokens
        self._may_abstain = may_abstain

    @property
    def unavailable(self) -> str | None:
        return self._rung.unavailable

    def at_most(self) -> Work:
        return self._work(ChatUsage(MOST_READ_TOKENS, self._most_tokens), 0)

    def expected(self, request: TierRequest) -> Work:
        size = sum(len(message.text.encode()) for message in self._messages(request))
        return self._work(ChatUsage(size // BYTES_A_TOKEN, self._most_tokens), 0)

    def answer(self, request: TierRequest) -> Iterator[TierOutput]:
        """One call, made once. Raises ProviderError after the failed attempt was yielded."""
        backend, started = self._backend(), time.monotonic()
        text, usage = "", ChatUsage()
        try:
            call = ChatCall(self._messages(request), self._most_tokens, self._rung.base_model())
            for piece in backend.model.stream(call):
                if isinstance(piece, ChatDelta):
                    text += piece.text
                elif isinstance(piece, ChatEnd):
                    usage = piece.usage
        except ChatCallError as error:
            yield TierAttempt(self._work(error.usage, _ms_since(started)), error.message)
            raise
        abstained = self._may_abstain and says_not_found(text)
        yield TierAnswer(text, (), abstained, Signals(), self._work(usage, _ms_since(started)))

    def _backend(self) -> ChatBackend:
        backend = self._rung.backend
        if isinstance(backend, str):
            raise ProviderError(backend, code="tier_unavailable")
        return backend

    def _work(self, usage: ChatUsage, duration_ms: int) -> Work:
        backend = self._backend()
        return Work(
            tier=self.name,
            model=backend.model.name,
            outcome="shadow",
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            cost_nano=backend.prices.cost_nano(usage.input_tokens, usage.output_tokens, usage.cached_tokens),
            duration_ms=duration_ms,
            provider_request_id=usage.request_id,
            estimated=usage.estimated,
        )


def _ms_since(started: float) -> int:
    return round((time.monotonic() - started) * 1000)
