"""The only user of LiteLLM: one streamed chat completion of the premium model, its usage as the provider
reported it, its failures.

LiteLLM is imported at the first call: it takes seconds. Its own retries, fallbacks and reporting are off, so
that each call is one attempt which the caller sees and meters.
"""

import os
import time
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import structlog

from app.core.config import Settings
from app.core.errors import ConfigurationError
from routing.llm.call import (
    ChatCall,
    ChatCallError,
    ChatDelta,
    ChatEnd,
    ChatUsage,
    estimate_usage,
    storable,
)

_log = structlog.get_logger()

_STATUS_OF_TIMEOUT = (408, 504)


class LiteLlmModel:
    """A chat model behind any OpenAI-compatible address, or any provider that LiteLLM knows.

    Raises:
        ConfigurationError: `no_premium_model` when none is set up.
    """

    def __init__(self, settings: Settings, *, longest_answer_seconds: float = 300.0) -> None:
        if settings.premium_model is None or not settings.premium_configured:
            raise ConfigurationError(
                "No premium model is set up. Set RUNG_PREMIUM_MODEL and RUNG_PREMIUM_API_KEY.",
                code="no_premium_model",
            )
        self.name = settings.premium_model
        self._base_url = settings.premium_base_url
        key = settings.premium_api_key
        # Without a key of its own, another address must not be sent the one in the environment.
        self._api_key = key.get_secret_value() if key else "not-needed"
        self._timeout_seconds = settings.premium_timeout_seconds
        self._longest_answer_seconds = longest_answer_seconds

    def stream(self, call: ChatCall) -> Iterator[ChatDelta | ChatEnd]:
        """One call. Yields the text as it comes, then the end with its usage. A pattern is not passed on.

        Raises:
            ChatCallError: with what was used until then.
        """
        under_way = _UnderWay(call)
        deadline = time.monotonic() + self._longest_answer_seconds
        try:
            chunks = self._open(call)
            for chunk in chunks:
                if text := under_way.take(chunk):
                    yield ChatDelta(text)
                _check_deadline(deadline)
            end = under_way.end(chunks)
        except Exception as error:
            if not isinstance(error, _provider_errors()):
                raise
            raise self._failure(error, under_way) from error
        yield end

    def _open(self, call: ChatCall) -> Any:
        return _litellm().completion(
            model=call.model or self.name,
            messages=[{"role": message.role, "content": message.content} for message in call.messages],
            stream=True,
            stream_options={"include_usage": True},
            max_tokens=call.max_output_tokens,
            api_key=self._api_key,
            base_url=self._base_url,
            timeout=self._timeout_seconds,
            num_retries=0,
            max_retries=0,
        )

    def _failure(self, error: Exception, under_way: "_UnderWay") -> ChatCallError:
        code, retryable = _classify(error)
        message = _MESSAGES[code]
        words = str(error).replace(self._api_key, "[key]")
        _log.warning("the premium model failed", model=self.name, code=code, error=words[:2000])
        return ChatCallError(
            message,
            code=code,
            retryable=retryable,
            usage=under_way.used(code),
            retry_after_seconds=_retry_after(error),
        )


class _UnderWay:
    """What is known of one call while it goes on."""

    def __init__(self, call: ChatCall) -> None:
        self._messages = call.messages
        self._received: list[str] = []
        self._request_id: str | None = None

    def take(self, chunk: Any) -> str:
        self._request_id = getattr(chunk, "id", None) or self._request_id
        text = storable("".join(choice.delta.content or "" for choice in chunk.choices))
        self._received.append(text)
        return text

    def end(self, chunks: Any) -> ChatEnd:
        if chunks.received_finish_reason is None:
            # LiteLLM reports "stop" even when the provider never said so: the stream just ended.
            raise ConnectionError("the stream ended before the answer did")
        return ChatEnd(chunks.received_finish_reason, self._reported(chunks) or self._estimate())

    def used(self, code: str) -> ChatUsage:
        """What a failed call used: nothing when it was turned down, our estimate when it was under way."""
        began = bool(self._received) or code in ("provider_timeout", "cut_connection")
        return self._estimate() if began else ChatUsage(request_id=self._request_id)

    def _reported(self, chunks: Any) -> ChatUsage | None:
        # Only chunks as they came: what LiteLLM yields at the end is its own count where the provider sent
        # none.
        usages = [usage for chunk in chunks.chunks if (usage := getattr(chunk, "usage", None)) is not None]
        if not usages:
            return None
        details = getattr(usages[-1], "prompt_tokens_details", None)
        return ChatUsage(
            input_tokens=usages[-1].prompt_tokens,
            output_tokens=usages[-1].completion_tokens,
            cached_tokens=getattr(details, "cached_tokens", None) or 0,
            request_id=self._request_id,
        )

    def _estimate(self) -> ChatUsage:
        return estimate_usage(self._messages, self._received, self._request_id)


_MESSAGES = {
    "rate_limited": "The premium model's provider is turning requests away for now. Try again in a minute.",
    "provider_error": "The premium model's provider failed. Try again; if it lasts, see its status page.",
    "provider_refused": "The premium model's provider refused the request. An admin finds why in the log.",
    "provider_auth": "The premium model's provider did not accept RUNG_PREMIUM_API_KEY. An admin sets it.",
    "provider_timeout": "The premium model did not answer in time. Try again.",
    "cut_connection": "The connection to the premium model broke off in the middle of the answer. Try again.",
}


def _check_deadline(deadline: float) -> None:
    if time.monotonic() > deadline:
        raise TimeoutError("the answer took too long altogether")


def _provider_errors() -> tuple[type[Exception], ...]:
    """What a provider or the way to it can raise; anything else is a fault of ours and stays what it is."""
    import httpx
    import openai

    return (openai.OpenAIError, httpx.HTTPError, OSError)


def _classify(error: Exception) -> tuple[str, bool]:
    """A stable code, and whether trying again may help."""
    chain = list(_chain(error))
    names = {type(e).__name__ for e in chain}
    if any(isinstance(e, TimeoutError) for e in chain) or names & {"APITimeoutError", "Timeout"}:
        return "provider_timeout", True
    if any(isinstance(e, ConnectionError) for e in chain) or names & {"RemoteProtocolError", "ReadError"}:
        return "cut_connection", True
    status = next((s for e in chain if isinstance(s := getattr(e, "status_code", None), int)), 500)
    if status in _STATUS_OF_TIMEOUT:
        return "provider_timeout", True
    if status == 429:
        return "rate_limited", True
    if status in (401, 403):
        return "provider_auth", False
    return ("provider_refused", False) if 400 <= status < 500 else ("provider_error", True)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__ or getattr(error, "original_exception", None)


def _retry_after(error: Exception) -> float | None:
    for link in _chain(error):
        headers = getattr(getattr(link, "response", None), "headers", None)
        value = headers.get("retry-after") if headers else None
        if value is not None and str(value).strip().isdigit():
            return float(value)
    return None


@lru_cache(maxsize=1)
def _litellm() -> Any:
    # Without this it fetches a price list from the internet while it is imported.
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    import litellm

    litellm.telemetry = False
    litellm.suppress_debug_info = True
    litellm.drop_params = False
    litellm.modify_params = False
    litellm.disable_streaming_logging = True
    # It counts tokens of its own after each stream, and would fetch tokenizers by the model's name for that.
    litellm.disable_hf_tokenizer_download = True
    return litellm
