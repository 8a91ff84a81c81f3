"""What a call of a chat model is: the request, the pieces that come back, and how it fails.

Two files make calls: `chat` through LiteLLM, to any provider; `vllm` straight to a vLLM of one's own.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from app.core.errors import ProviderError
from routing.llm.message import ChatMessage, Tool, ToolCall

_BYTES_A_TOKEN = 4


@dataclass(frozen=True, slots=True)
class ChatCall:
    """One request. `model` is the name asked for; the deployment's own where it is empty.

    `pattern` is a regular expression that the whole answer must match, where the server can hold a model to
    one. `tools` are what the model may ask for instead of answering.
    """

    messages: tuple[ChatMessage, ...]
    max_output_tokens: int
    model: str = ""
    pattern: str | None = None
    tools: tuple[Tool, ...] = ()


@dataclass(frozen=True, slots=True)
class ChatUsage:
    """What one call used. `cached_tokens` are part of the input.

    `estimated` is true where the provider reported nothing: then a token is counted for every four bytes of
    text sent and received, begun ones included.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    request_id: str | None = None
    estimated: bool = False


@dataclass(frozen=True, slots=True)
class ChatDelta:
    """The next piece of text."""

    text: str


@dataclass(frozen=True, slots=True)
class ChatEnd:
    """The end of a completion; `finish_reason` is `stop`, `length` or another of the provider's.

    mean_logprob, least_logprob: natural logarithms, over the tokens of the answer; nothing where the server
    told none. tool_calls: what the model asks for, as it wrote it.
    """

    finish_reason: str
    usage: ChatUsage
    mean_logprob: float | None = None
    least_logprob: float | None = None
    tool_calls: tuple[ToolCall, ...] = ()


class ChatModel(Protocol):
    """A deployment that takes calls."""

    @property
    def name(self) -> str:
        """What receipts call it."""
        ...

    def stream(self, call: ChatCall) -> Iterator[ChatDelta | ChatEnd]:
        """One attempt. Yields the text as it comes, then the end with its usage.

        Raises:
            ChatCallError: with what was used until then.
        """
        ...


class ChatCallError(ProviderError):
    """A call failed. `usage` is what it may have cost all the same. The message is for whoever asks; `detail`
    is what the provider said, for admins, without keys. `elsewhere` is true where another deployment may do
    better: it is busy, broken or out of reach, and has not turned the request itself down.

    Codes: rate_limited, provider_error, provider_refused, provider_auth, provider_timeout, cut_connection,
    provider_unreachable, unknown_adapter, context_too_long, pattern_refused.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str,
        retryable: bool,
        usage: ChatUsage,
        retry_after_seconds: float | None = None,
        detail: str = "",
        elsewhere: bool = False,
    ) -> None:
        super().__init__(message, code=code, retryable=retryable)
        self.usage = usage
        self.detail = detail
        self.elsewhere = elsewhere
        self.retry_after_seconds = retry_after_seconds


def estimate_tokens(text: str) -> int:
    """Our own count where a provider gives none: one token for every four bytes begun."""
    return -(-len(text.encode()) // _BYTES_A_TOKEN)


def estimate_usage(
    messages: Sequence[ChatMessage], received: Sequence[str], request_id: str | None
) -> ChatUsage:
    """Our own count of a whole call."""
    return ChatUsage(
        input_tokens=estimate_tokens("\n".join(message.text for message in messages)),
        output_tokens=estimate_tokens("".join(received)),
        request_id=request_id,
        estimated=True,
    )


def storable(text: str) -> str:
    """Without what no database takes: NUL, and halves of surrogate pairs."""
    return text.encode("utf-8", "replace").decode("utf-8").replace("\x00", "")
