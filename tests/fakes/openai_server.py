"""A real HTTP server on loopback that speaks the OpenAI chat protocol and misbehaves on demand.

    with OpenAiServer() as server:
        server.script(Reply("Berlin [1]."), Failure(429, retry_after_seconds=1))
        … requests to server.base_url …
        server.requests[0].messages

Replies are used in the order they were scripted; when none is left the default reply is used again and again.
"""

import json
import socket
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

MODEL = "openai/fake-large"

CLOSED_BOOK = "without any document at hand"
"""Requests that say so are the closed-book calls: they are answered and kept apart."""


@dataclass(frozen=True)
class Tool:
    """A call of a tool, as a model writes it; `arguments` may be nonsense."""

    arguments: str
    name: str = "search"
    id: str | None = None

    @classmethod
    def search(cls, query: str, why: str = "") -> "Tool":
        return cls(json.dumps({"query": query, "why": why}))


@dataclass(frozen=True)
class Reply:
    """A completion. Numbers left out are worked out from the text.

    `cut_after` ends the connection after that many pieces without a proper end; `cut_cleanly` ends it as if
    the body were whole, but without a finish reason. `stall_after` goes silent after that many pieces until
    the server stops or the client leaves. `error_after` says an error in the middle, as vLLM does when its
    engine dies. `pause_seconds` waits before each piece. `logprob` is said of each piece where it is asked
    for. `tools` are asked for after the text, in pieces, as providers do.
    """

    text: str
    usage: bool = True
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int = 0
    finish_reason: str = "stop"
    cut_after: int | None = None
    cut_cleanly: bool = False
    stall_after: int | None = None
    error_after: int | None = None
    logprob: float = -0.05
    pause_seconds: float = 0.0
    tools: tuple[Tool, ...] = ()

    @property
    def pieces(self) -> list[str]:
        """The text as it is streamed: word by word, spaces kept."""
        words = self.text.split(" ")
        return [word if i == 0 else f" {word}" for i, word in enumerate(words)] if self.text else []


@dataclass(frozen=True)
class Failure:
    """An error status with an OpenAI-shaped body."""

    status: int
    message: str = "scripted failure"
    retry_after_seconds: int | None = None


@dataclass(frozen=True)
class Request:
    """What a client sent."""

    path: str
    authorization: str
    body: dict[str, Any]

    @property
    def messages(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.body["messages"]
        return found

    @property
    def prompt(self) -> str:
        """Every message's text, joined."""
        return "\n".join(message.get("content") or "" for message in self.messages)


@dataclass
class OpenAiServer:
    """The server. `base_url` is what RUNG_PREMIUM_BASE_URL and RUNG_LOCAL_URL take.

    `closed_book` answers the calls without passages, which never use up a scripted reply. `models`
    are what /v1/models lists. Where `only_models` is set, any other is answered as vLLM answers for an
    adapter that is not loaded.
    """

    default: Reply | Failure = Reply("The answer stands in the first passage [1].")
    requests: list[Request] = field(default_factory=list)
    models: list[dict[str, Any]] = field(default_factory=lambda: [served("fake-base")])
    only_models: set[str] | None = None
    lookups: int = 0
    closed_book: Reply | Failure = Reply("NOT FOUND", input_tokens=0, output_tokens=0)
    closed_book_requests: list[Request] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._scripted: deque[Reply | Failure] = deque()
        self.stopping = threading.Event()
        owner = self

        class Handler(_Handler):
            server_of_tests = owner

        self._http = _Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True)

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}/v1"

    def script(self, *replies: Reply | Failure) -> None:
        """Adds replies to be given, in order."""
        self._scripted.extend(replies)

    def next_reply(self) -> Reply | Failure:
        return self._scripted.popleft() if self._scripted else self.default

    def start(self) -> Self:
        self._thread.start()
        return self

    def stop(self) -> None:
        self.stopping.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that leaves is part of the tests; it is nothing to print."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_of_tests: OpenAiServer

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Silent."""

    def do_GET(self) -> None:
        self.server_of_tests.lookups += 1
        self._send_json(200, {"object": "list", "data": self.server_of_tests.models})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        server = self.server_of_tests
        request = Request(self.path, self.headers.get("Authorization", ""), body)
        without_passages = CLOSED_BOOK in request.prompt
        (server.closed_book_requests if without_passages else server.requests).append(request)
        if server.only_models is not None and body["model"] not in server.only_models:
            reply: Reply | Failure = Failure(404, f"The model `{body['model']}` does not exist.")
        else:
            reply = server.closed_book if without_passages else server.next_reply()
        if isinstance(reply, Failure):
            self._fail(reply)
        elif body.get("stream"):
            self._stream(reply, body)
        else:
            self._whole(reply, body)

    def _fail(self, failure: Failure) -> None:
        headers = {"Retry-After": str(failure.retry_after_seconds)} if failure.retry_after_seconds else {}
        error = {"message": failure.message, "type": "scripted", "code": str(failure.status)}
        self._send_json(failure.status, {"error": error}, headers)

    def _whole(self, reply: Reply, body: dict[str, Any]) -> None:
        choice = {
            "index": 0,
            "finish_reason": reply.finish_reason,
            "message": {"role": "assistant", "content": reply.text},
        }
        answer = {**self._envelope("chat.completion", body), "choices": [choice]}
        if reply.usage:
            answer["usage"] = _usage(reply, body)
        self._send_json(200, answer)

    def _stream(self, reply: Reply, body: dict[str, Any]) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        envelope = self._envelope("chat.completion.chunk", body)
        self._event({**envelope, "choices": [_delta({"role": "assistant", "content": ""})]})
        for sent, piece in enumerate(reply.pieces):
            if sent == reply.cut_after:
                return self._cut(cleanly=reply.cut_cleanly)
            if sent == reply.stall_after:
                self.server_of_tests.stopping.wait(30)
                return self._cut(cleanly=False)
            if sent == reply.error_after:
                self._event({"error": {"message": "EngineDeadError", "code": 500}})
                break
            time.sleep(reply.pause_seconds)
            choice = _delta({"content": piece})
            if body.get("logprobs"):
                choice["logprobs"] = {"content": [{"token": piece, "logprob": reply.logprob}]}
            self._event({**envelope, "choices": [choice]})
        for part in _tool_pieces(reply):
            self._event({**envelope, "choices": [_delta({"tool_calls": [part]})]})
        reason = "tool_calls" if reply.tools and reply.finish_reason == "stop" else reply.finish_reason
        self._event({**envelope, "choices": [_delta({}, reason)]})
        if reply.usage and (body.get("stream_options") or {}).get("include_usage"):
            self._event({**envelope, "choices": [], "usage": _usage(reply, body)})
        self._chunk(b"data: [DONE]\n\n")
        self._chunk(b"")
        return None

    def _cut(self, *, cleanly: bool) -> None:
        if cleanly:
            self._chunk(b"")
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def _envelope(self, kind: str, body: dict[str, Any]) -> dict[str, Any]:
        number = len(self.server_of_tests.requests)
        return {
            "id": f"chatcmpl-fake-{number}",
            "object": kind,
            "created": 1_700_000_000,
            "model": body["model"],
        }

    def _event(self, data: dict[str, Any]) -> None:
        self._chunk(f"data: {json.dumps(data)}\n\n".encode())

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()

    def _send_json(self, status: int, body: dict[str, Any], headers: dict[str, str] | None = None) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)


def served(name: str, *, parent: str | None = None, tokens: int | None = 8_192) -> dict[str, Any]:
    """An entry of /v1/models; an adapter has a parent."""
    return {"id": name, "object": "model", "parent": parent, "max_model_len": tokens}


def _tool_pieces(reply: Reply) -> list[dict[str, Any]]:
    """Each call's name first, then its arguments in two pieces."""
    pieces: list[dict[str, Any]] = []
    for index, tool in enumerate(reply.tools):
        call_id = tool.id or f"call_{index}"
        half = len(tool.arguments) // 2
        begun = {"name": tool.name, "arguments": ""}
        pieces.append({"index": index, "id": call_id, "type": "function", "function": begun})
        pieces += [
            {"index": index, "function": {"arguments": part}}
            for part in (tool.arguments[:half], tool.arguments[half:])
        ]
    return pieces


def _delta(delta: dict[str, Any], finish_reason: str | None = None) -> dict[str, Any]:
    return {"index": 0, "delta": delta, "finish_reason": finish_reason}


def _usage(reply: Reply, body: dict[str, Any]) -> dict[str, Any]:
    prompt = sum(len((message.get("content") or "").split()) for message in body["messages"])
    read = prompt if reply.input_tokens is None else reply.input_tokens
    written = len(reply.pieces) if reply.output_tokens is None else reply.output_tokens
    return {
        "prompt_tokens": read,
        "completion_tokens": written,
        "total_tokens": read + written,
        "prompt_tokens_details": {"cached_tokens": reply.cached_tokens},
    }
