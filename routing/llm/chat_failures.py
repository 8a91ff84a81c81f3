"""How a call through LiteLLM can fail: a stable code each, words for whoever asks, and what the provider said
for admins."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

_STATUS_OF_TIMEOUT = (408, 504)
_LONGEST_DETAIL = 500
_SECRET = re.compile(r"(?i)\b(bearer\s+|(?:sk|pk|key|token)[-_])[\w*.~+/=-]{6,}")

_MESSAGES = {
    "rate_limited": "The premium model's provider is turning requests away for now. Try again in a minute.",
    "provider_error": "The premium model's provider failed. Try again; if it lasts, see its status page.",
    "provider_refused": "The premium model's provider refused the request. An admin finds why in the log.",
    "provider_auth": "The premium model's provider did not accept our key. An admin finds why in the log.",
    "provider_timeout": "The premium model did not answer in time. Try again.",
    "provider_unreachable": "The premium model's provider could not be reached. Try again in a minute.",
    "cut_connection": "The connection to the premium model broke off in the middle of the answer. Try again.",
}

_ELSEWHERE = frozenset(
    {"rate_limited", "provider_error", "provider_timeout", "provider_unreachable", "cut_connection"}
)
"""Failures that say nothing against the request: another deployment may answer it."""


@dataclass(frozen=True, slots=True)
class FailedWith:
    """What a failure was. `elsewhere` is true where another deployment may do better."""

    code: str
    message: str
    detail: str
    retry_after_seconds: float | None

    @property
    def elsewhere(self) -> bool:
        return self.code in _ELSEWHERE

    @property
    def retryable(self) -> bool:
        return self.elsewhere


def failure_of(error: Exception, api_key: str) -> FailedWith:
    """Reads an exception of LiteLLM, of its client or of the wire. The key is masked in what is told."""
    chain = list(_chain(error))
    status = next((s for e in chain if isinstance(s := getattr(e, "status_code", None), int)), None)
    code = _code(chain, status)
    said = f"{status}: {error}" if status is not None else str(error)
    masked = _SECRET.sub(r"\1[key]", said.replace(api_key, "[key]")) if api_key else said
    detail = " ".join(masked.split())[:_LONGEST_DETAIL]
    return FailedWith(code, _MESSAGES[code], detail, _retry_after(chain))


def _code(chain: list[BaseException], status: int | None) -> str:
    names = {type(e).__name__ for e in chain}
    if names & {"ConnectError", "ConnectTimeout"} or any(
        isinstance(e, ConnectionRefusedError) for e in chain
    ):
        return "provider_unreachable"
    if any(isinstance(e, TimeoutError) for e in chain) or names & {"APITimeoutError", "Timeout"}:
        return "provider_timeout"
    if any(isinstance(e, ConnectionError) for e in chain) or names & {"RemoteProtocolError", "ReadError"}:
        return "cut_connection"
    if status in _STATUS_OF_TIMEOUT:
        return "provider_timeout"
    if status == 429:
        return "rate_limited"
    if status in (401, 403):
        return "provider_auth"
    return "provider_refused" if 400 <= (status or 500) < 500 else "provider_error"


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__ or getattr(error, "original_exception", None)


def _retry_after(chain: list[BaseException]) -> float | None:
    for link in chain:
        headers = getattr(getattr(link, "response", None), "headers", None)
        value = headers.get("retry-after") if headers else None
        if value is not None and str(value).strip().isdigit():
            return float(value)
    return None
