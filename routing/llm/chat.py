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
from routing.llm.chat_failures import FailedWith, failure_of
from routing.llm.message import ChatMessage, Tool, ToolCall

_log = structlog.get_logger()

_MOST_TOOL_CALLS = 16
"""More than this in one message is a model gone wrong: the rest is not even kept."""


class LiteLlmModel:
    """A chat model behind any OpenAI-compatible address, or any provider that LiteLLM knows."""

    def __init__(
        self,
        name: str,
        *,
        api_key: str | None,
        base_url: str | None,
        timeout_seconds: float,
        longest_answer_seconds: float = 300.0,
    ) -> None:
        self.name = name
        self.base_url = base_url
        # Without a key of its own, another address must not be sent the one in the environment.
        self._api_key = api_key or "not-needed"
        self._timeout_seconds = timeout_seconds
        self._longest_answer_seconds = longest_answer_seconds

    @classmethod
    def of(cls, settings: Settings, *, longest_answer_seconds: float = 300.0) -> "LiteLlmModel":
        """The premium model of the settings.

        Raises:
            ConfigurationError: `no_premium_model` when none is set up.
        """
        if settings.premium_model is None or not settings.premium_configured:
            raise ConfigurationError(
                "No premium model is set up. Set RUNG_PREMIUM_MODEL and RUNG_PREMIUM_API_KEY.",
                code="no_premium_model",
            )
        key = settings.premium_api_key
        return cls(
            settings.premium_model,
            api_key=key.get_secret_value() if key else None,
            base_url=settings.premium_base_url,
            timeout_seconds=settings.premium_timeout_seconds,
            longest_answer_seconds=longest_answer_seconds,
        )

    def stream(self, call: ChatCall) -> Iterator[ChatDelta | ChatEnd]:
        """One call. Yields the text as it comes, then the end with its usage and the tools that the model
        asks for. A pattern is not passed on.

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
        # The tools are ours: without the second word LiteLLM looks for MCP servers, with another package.
        tools = [_tool(tool) for tool in call.tools]
        offered: dict[str, Any] = {"tools": tools, "_skip_mcp_handler": True} if tools else {}
        return _litellm().completion(
            model=call.model or self.name,
            messages=[_message(message) for message in call.messages],
            stream=True,
            stream_options={"include_usage": True},
            max_tokens=call.max_output_tokens,
            api_key=self._api_key,
            base_url=self.base_url,
            timeout=self._timeout_seconds,
            num_retries=0,
            max_retries=0,
            **offered,
        )

    def _failure(self, error: Exception, under_way: "_UnderWay") -> ChatCallError:
        failed = failure_of(error, self._api_key)
        _log.warning("the premium model failed", model=self.name, code=failed.code, error=failed.detail)
        return ChatCallError(
            failed.message,
            code=failed.code,
            retryable=failed.retryable,
            usage=under_way.used(failed),
            retry_after_seconds=failed.retry_after_seconds,
            detail=failed.detail,
            elsewhere=failed.elsewhere,
        )


class _UnderWay:
    """What is known of one call while it goes on."""

    def __init__(self, call: ChatCall) -> None:
        self._messages = call.messages
        self._received: list[str] = []
        self._asked = _Asked()
        self._request_id: str | None = None

    def take(self, chunk: Any) -> str:
        self._request_id = getattr(chunk, "id", None) or self._request_id
        text = storable("".join(choice.delta.content or "" for choice in chunk.choices))
        self._received.append(text)
        for choice in chunk.choices:
            for part in getattr(choice.delta, "tool_calls", None) or ():
                self._asked.take(part)
        return text

    def end(self, chunks: Any) -> ChatEnd:
        if chunks.received_finish_reason is None:
            # LiteLLM reports "stop" even when the provider never said so: the stream just ended.
            raise ConnectionError("the stream ended before the answer did")
        usage = self._reported(chunks) or self._estimate()
        return ChatEnd(chunks.received_finish_reason, usage, tool_calls=self._asked.calls())

    def used(self, failed: FailedWith) -> ChatUsage:
        """What a failed call used: nothing when it was turned down, our estimate when it was under way."""
        began = bool(self._received) or failed.code in ("provider_timeout", "cut_connection")
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
        return estimate_usage(self._messages, [*self._received, *self._asked.written()], self._request_id)


class _Asked:
    """The tools a model asks for, put together from the pieces they come in."""

    def __init__(self) -> None:
        self._calls: list[tuple[object, str, list[str], list[str]]] = []

    def take(self, part: Any) -> None:
        """A piece belongs to the call of its index; another id at the same index begins another call."""
        index, given_id = getattr(part, "index", 0), storable(str(getattr(part, "id", None) or ""))
        at = next((call for call in reversed(self._calls) if call[0] == index), None)
        if at is None or (given_id and at[1] and given_id != at[1]):
            if len(self._calls) == _MOST_TOOL_CALLS:
                return
            at = (index, given_id, [], [])
            self._calls.append(at)
        function = getattr(part, "function", None)
        at[2].append(storable(getattr(function, "name", None) or ""))
        at[3].append(storable(getattr(function, "arguments", None) or ""))

    def calls(self) -> tuple[ToolCall, ...]:
        return tuple(
            ToolCall(given_id, "".join(names), "".join(parts)) for _, given_id, names, parts in self._calls
        )

    def written(self) -> list[str]:
        return [f"{call.name}{call.arguments}" for call in self.calls()]


def _check_deadline(deadline: float) -> None:
    if time.monotonic() > deadline:
        raise TimeoutError("the answer took too long altogether")


def _provider_errors() -> tuple[type[Exception], ...]:
    """What a provider or the way to it can raise; anything else is a fault of ours and stays what it is."""
    import httpx
    import openai

    return (openai.OpenAIError, httpx.HTTPError, OSError)


def _message(message: ChatMessage) -> dict[str, object]:
    """As OpenAI's protocol has it, from which LiteLLM makes every other."""
    written: dict[str, object] = {"role": message.role, "content": message.content}
    if message.tool_call_id is not None:
        written["tool_call_id"] = message.tool_call_id
    if message.tool_calls:
        written["content"] = message.content or None
        written["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in message.tool_calls
        ]
    return written


def _tool(tool: Tool) -> dict[str, object]:
    properties = {name: {"type": "string", "description": what} for name, what in tool.parameters}
    parameters = {
        "type": "object",
        "properties": properties,
        "required": [name for name, _ in tool.parameters],
        "additionalProperties": False,
    }
    function = {"name": tool.name, "description": tool.description, "parameters": parameters}
    return {"type": "function", "function": function}


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
