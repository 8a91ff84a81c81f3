"""How a call of a vLLM can fail, in words for people and with a stable code each."""

from routing.llm.call import ChatCall, ChatCallError, ChatUsage

_STATUS_OF_TIMEOUT = (408, 504)
_TOO_LONG = ("maximum context length", "max_model_len", "context length")
_ABOUT_THE_PATTERN = ("structured", "grammar", "regex", "guided", "xgrammar", "guidance", "outlines")


def failure_of_wire(error: Exception, usage: ChatUsage, *, connected: bool = True) -> ChatCallError:
    """The connection could not be made, went silent, or broke off."""
    if not connected:
        return ChatCallError(
            "The local model could not be reached. An admin checks that its server runs at RUNG_LOCAL_URL.",
            code="provider_unreachable",
            retryable=False,
            usage=ChatUsage(),
        )
    if isinstance(error, TimeoutError):
        return ChatCallError(
            "The local model did not answer in time.", code="provider_timeout", retryable=False, usage=usage
        )
    return ChatCallError(
        "The connection to the local model broke off in the middle of the answer.",
        code="cut_connection",
        retryable=True,
        usage=usage,
    )


def garbled(usage: ChatUsage) -> ChatCallError:
    """The server failed in the middle, or what answers there is no vLLM."""
    return ChatCallError(
        "The local model's server failed in the middle, or does not speak vLLM's protocol. "
        "An admin finds why in the log.",
        code="provider_error",
        retryable=False,
        usage=usage,
    )


def failure_of_status(status: int, words: str, call: ChatCall | None, base_name: str | None) -> ChatCallError:
    """The server turned the request down: nothing was used."""
    message, code, retryable = _meaning(status, words, call, base_name)
    return ChatCallError(message, code=code, retryable=retryable, usage=ChatUsage())


def _meaning(status: int, words: str, call: ChatCall | None, base_name: str | None) -> tuple[str, str, bool]:
    if status in (401, 403):
        return "The local model's server did not accept RUNG_LOCAL_API_KEY.", "provider_auth", False
    if status == 429:
        return "The local model's server is turning requests away for now.", "rate_limited", True
    if status in _STATUS_OF_TIMEOUT:
        return "The local model did not answer in time.", "provider_timeout", False
    if status >= 500:
        return f"The local model's server failed ({status}); its own log says why.", "provider_error", True
    if status == 404:
        return _unknown(call, base_name)
    lowered = words.lower()
    if status in (400, 413) and any(sign in lowered for sign in _TOO_LONG):
        return "The question and its passages are too long for the local model.", "context_too_long", False
    if call is not None and call.pattern is not None and any(s in lowered for s in _ABOUT_THE_PATTERN):
        return "The local model's server takes no structured output.", "pattern_refused", False
    refused = f"The local model's server refused the request ({status}). An admin finds why in the log."
    return refused, "provider_refused", False


def _unknown(call: ChatCall | None, base_name: str | None) -> tuple[str, str, bool]:
    if call is None:
        hint = "Nothing that lists models was found at RUNG_LOCAL_URL: it ends with /v1."
        return hint, "provider_refused", False
    if call.model == base_name:
        return f"The local model's server does not know {call.model!r}.", "provider_refused", False
    return f"The local model's server does not know the adapter {call.model!r}.", "unknown_adapter", False
