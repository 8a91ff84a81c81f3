"""One streamed chat completion of a vLLM of one's own, spoken to directly.

Through LiteLLM the same call took longer by about 20 ms alone and by 100 ms and more at 16 at once, on two
cores: more than everything else that Rung does for a question. The protocol is small, so it is spoken here,
with nothing but the standard library. Each call has a connection of its own: vLLM closes idle ones after
seconds.
"""

import http.client
import json
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from math import isfinite
from urllib.parse import urlsplit

import structlog

from app.core.config import Settings
from app.core.errors import ConfigurationError
from routing.llm.call import ChatCall, ChatCallError, ChatDelta, ChatEnd, ChatUsage, estimate_usage, storable
from routing.llm.vllm_failures import failure_of_status, failure_of_wire, garbled

_log = structlog.get_logger()

PROVIDER = "hosted_vllm"
"""What the names of its models begin with, on receipts."""

_CONNECT_SECONDS = 5.0
_SERVER_FAILED = 500
_LONGEST_LINE = 1_000_000
_LONGEST_BODY = 5_000_000


@dataclass(frozen=True, slots=True)
class ServedModel:
    """The base model as the server names it, and how many tokens it takes, question and answer together."""

    name: str
    context_tokens: int | None


class VllmModel:
    """The local deployment: a vLLM server with one base model and any number of adapters.

    Raises:
        ConfigurationError: `no_local_model` when RUNG_LOCAL_URL is not set.
    """

    def __init__(self, settings: Settings, *, longest_answer_seconds: float = 300.0) -> None:
        if settings.local_url is None:
            raise ConfigurationError(
                "No local model is set up. Set RUNG_LOCAL_URL to a vLLM server, such as "
                "http://127.0.0.1:8001/v1.",
                code="no_local_model",
            )
        self.url = settings.local_url
        self.name = f"{PROVIDER}/{settings.local_model or 'base'}"
        key = settings.local_api_key
        self._api_key = key.get_secret_value() if key else ""
        self._base_name = settings.local_model
        self._timeout_seconds = settings.local_timeout_seconds
        self._longest_answer_seconds = longest_answer_seconds
        self._served: ServedModel | None = None

    def served(self) -> ServedModel:
        """The base model, asked of the server once.

        Raises:
            ChatCallError: the server does not answer, or serves no such model.
        """
        if self._served is None:
            self._served = self._look_up()
        return self._served

    def forget(self) -> None:
        """The server may be another one when it answers again: its models are asked for anew."""
        self._served = None

    def stream(self, call: ChatCall) -> Iterator[ChatDelta | ChatEnd]:
        """One call. Yields the text as it comes, then the end with usage and log-probabilities.

        Raises:
            ChatCallError: with what was used until then.
        """
        under_way = _UnderWay(call)
        deadline = time.monotonic() + self._longest_answer_seconds
        body = json.dumps(self._request(call)).encode()
        with closing(self._connect()) as connection:
            try:
                response = self._send(connection, "POST", "/chat/completions", body)
                if response.status != http.client.OK:
                    raise self._refused(response, call)
                for event in _events(response):
                    if text := under_way.take(event):
                        yield ChatDelta(text)
                    if time.monotonic() > deadline:
                        raise TimeoutError("the answer took too long altogether")
                end = under_way.end()
            except (OSError, http.client.HTTPException) as error:
                raise failure_of_wire(error, under_way.used()) from error
            except _ErrorEventError as error:
                raise self._turned_down(error, call, under_way) from error
            except _NotAsDocumentedError as error:
                _log.warning("the local model's server answered oddly", error=str(error)[:2000])
                raise garbled(under_way.used()) from error
        yield end

    def _request(self, call: ChatCall) -> dict[str, object]:
        request: dict[str, object] = {
            "model": call.model,
            "messages": [{"role": m.role, "content": m.content} for m in call.messages],
            "max_tokens": call.max_output_tokens,
            "temperature": 0,
            "stream": True,
            "stream_options": {"include_usage": True},
            "logprobs": True,
            # Models that think aloud by default are asked not to: the answer is what is wanted.
            "chat_template_kwargs": {"enable_thinking": False},
        }
        if call.pattern is not None:
            request["structured_outputs"] = {"regex": call.pattern}
        return request

    def _connect(self) -> http.client.HTTPConnection:
        """Not connected yet. No proxy of the environment is used: the address is one's own."""
        address = urlsplit(self.url)
        if address.scheme == "https":
            context = ssl.create_default_context()
            return http.client.HTTPSConnection(address.netloc, timeout=_CONNECT_SECONDS, context=context)
        return http.client.HTTPConnection(address.netloc, timeout=_CONNECT_SECONDS)

    def _send(
        self, connection: http.client.HTTPConnection, method: str, path: str, body: bytes | None = None
    ) -> http.client.HTTPResponse:
        try:
            connection.connect()
        except OSError as error:
            raise failure_of_wire(error, ChatUsage(), connected=False) from error
        connection.sock.settimeout(self._timeout_seconds)
        headers = {"Accept": "text/event-stream, application/json"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        if self._api_key:
            headers["Authorization"] = f"Bearer {self._api_key}"
        connection.request(method, f"{urlsplit(self.url).path}{path}", body, headers)
        return connection.getresponse()

    def _refused(self, response: http.client.HTTPResponse, call: ChatCall | None) -> ChatCallError:
        words = response.read(_LONGEST_BODY).decode("utf-8", "replace")
        if self._api_key:
            words = words.replace(self._api_key, "[key]")
        _log.warning("the local model's server refused", status=response.status, answer=words[:2000])
        base_name = self._served.name if self._served else self._base_name
        return failure_of_status(response.status, words, call, base_name)

    def _turned_down(
        self, error: "_ErrorEventError", call: ChatCall, under_way: "_UnderWay"
    ) -> ChatCallError:
        """vLLM looks at some of a request, such as its pattern, only after it has begun to answer."""
        _log.warning(
            "the local model's server failed in a stream", status=error.status, answer=str(error)[:2000]
        )
        if error.status < _SERVER_FAILED and not under_way.began:
            return failure_of_status(error.status, str(error), call, self._base_name)
        return garbled(under_way.used())

    def _look_up(self) -> ServedModel:
        with closing(self._connect()) as connection:
            try:
                response = self._send(connection, "GET", "/models")
                if response.status != http.client.OK:
                    raise self._refused(response, None)
                answer = json.loads(response.read(_LONGEST_BODY))
                return _base_of(answer, self._base_name)
            except (OSError, http.client.HTTPException) as error:
                raise failure_of_wire(error, ChatUsage()) from error
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise garbled(ChatUsage()) from error


class _NotAsDocumentedError(Exception):
    """The server sent something that is no chat completion."""


class _ErrorEventError(Exception):
    """The server sent an error as an event of the stream."""

    def __init__(self, event: object) -> None:
        super().__init__(str(event))
        code = event.get("code") if isinstance(event, dict) else None
        self.status = code if isinstance(code, int) else _SERVER_FAILED


class _UnderWay:
    """What is known of one call while it goes on."""

    def __init__(self, call: ChatCall) -> None:
        self._call = call
        self._received: list[str] = []
        self._logprobs: list[float] = []
        self._request_id: str | None = None
        self._usage: ChatUsage | None = None
        self._finish_reason: str | None = None

    def take(self, event: Mapping[str, object]) -> str:
        """The text of an event; keeps what else it says."""
        try:
            return self._take(event)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise _NotAsDocumentedError(repr(error)) from error

    def _take(self, event: Mapping[str, object]) -> str:
        if "error" in event:
            raise _ErrorEventError(event["error"])
        self._request_id = str(event.get("id") or "")[:200] or self._request_id
        if isinstance(usage := event.get("usage"), dict):
            details = usage.get("prompt_tokens_details") or {}
            self._usage = ChatUsage(
                input_tokens=int(usage["prompt_tokens"]),
                output_tokens=int(usage["completion_tokens"]),
                cached_tokens=int(details.get("cached_tokens") or 0),
                request_id=self._request_id,
            )
        choices = event["choices"]
        if not isinstance(choices, list) or not choices:
            return ""
        choice = choices[0]
        self._finish_reason = choice.get("finish_reason") or self._finish_reason
        for token in (choice.get("logprobs") or {}).get("content") or ():
            if isfinite(logprob := float(token["logprob"])):
                self._logprobs.append(logprob)
        text = storable(choice["delta"].get("content") or "")
        self._received.append(text)
        return text

    def end(self) -> ChatEnd:
        if self._finish_reason is None:
            raise ConnectionError("the stream ended before the answer did")
        known = self._logprobs
        return ChatEnd(
            self._finish_reason,
            self._usage or self._estimate(),
            mean_logprob=sum(known) / len(known) if known else None,
            least_logprob=min(known) if known else None,
        )

    @property
    def began(self) -> bool:
        return any(self._received)

    def used(self) -> ChatUsage:
        """What a call that broke off used: the server works from the moment it has the request."""
        return self._usage or self._estimate()

    def _estimate(self) -> ChatUsage:
        return estimate_usage(self._call.messages, self._received, self._request_id)


def _events(response: http.client.HTTPResponse) -> Iterator[Mapping[str, object]]:
    """The server-sent events of a stream, until [DONE] or its end."""
    while line := response.readline(_LONGEST_LINE):
        if not line.startswith(b"data:"):
            continue
        data = line[5:].strip()
        if data == b"[DONE]":
            return
        try:
            event = json.loads(data)
        except ValueError as error:
            raise _NotAsDocumentedError(f"no JSON: {data[:200]!r}") from error
        if not isinstance(event, dict):
            raise _NotAsDocumentedError(f"no object: {data[:200]!r}")
        yield event


def _base_of(answer: Mapping[str, object], wanted: str | None) -> ServedModel:
    """The entry of this name; without a name, the first that is no adapter."""
    entries = answer["data"]
    if not isinstance(entries, list):
        raise TypeError("`data` is no list")
    for entry in entries:
        if entry["id"] == wanted or (wanted is None and not entry.get("parent")):
            length = entry.get("max_model_len")
            return ServedModel(str(entry["id"]), int(length) if length else None)
    names = ", ".join(str(entry["id"]) for entry in entries)[:500] or "nothing"
    raise ChatCallError(
        f"The local model's server does not serve {wanted or 'a base model'}; it serves {names}. "
        "An admin sets RUNG_LOCAL_MODEL.",
        code="provider_refused",
        retryable=False,
        usage=ChatUsage(),
    )
