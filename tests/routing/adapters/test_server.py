"""What the chat server's refusals become: names, and what to do. The words are vLLM 0.32's own."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from app.core.errors import RungError
from routing.adapters.server import LoraServer

MODELS = {"data": [{"id": "base", "root": "/models/base", "parent": None, "max_model_len": 1024}]}


def vllm_error(status: int, message: str) -> tuple[int, object]:
    return status, {"error": {"message": message, "type": "x", "param": None, "code": status}}


@contextmanager
def server(load: tuple[int, object], models: tuple[int, object] = (200, MODELS)) -> Iterator[LoraServer]:
    """A server on loopback with these answers."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._say(models)

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self._say(load)

        def _say(self, answer: tuple[int, object]) -> None:
            body = answer[1].encode() if isinstance(answer[1], str) else json.dumps(answer[1]).encode()
            self.send_response(answer[0])
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        Thread(target=http.serve_forever, daemon=True).start()
        try:
            yield LoraServer(f"http://127.0.0.1:{http.server_port}/v1", "secret")
        finally:
            http.shutdown()


@pytest.mark.parametrize(
    ("answer", "code", "says"),
    [
        (
            vllm_error(500, "Call to add_lora method failed: LoRA rank 16 is greater than max_lora_rank 8."),
            "rank_over_server",
            "--max-lora-rank 16",
        ),
        (
            vllm_error(400, "LoRA rank 64 is greater than max_lora_rank 16."),
            "rank_over_server",
            "--rank 16",
        ),
        (
            vllm_error(404, "Loading lora x failed: No adapter found for <path>"),
            "adapter_not_on_server",
            "RUNG_LOCAL_ADAPTERS_DIR_ON_SERVER",
        ),
        ((404, {"detail": "Not Found"}), "lora_updating_off", "VLLM_ALLOW_RUNTIME_LORA_UPDATING=1"),
        ((405, {"detail": "Method Not Allowed"}), "lora_updating_off", "--enable-lora"),
        (vllm_error(500, "No free lora slots"), "slots_full", "--max-cpu-loras"),
        (
            vllm_error(500, "Call to add_lora method failed: expected target modules in {'q_proj'}"),
            "server_refused_adapter",
            "expected target modules",
        ),
        ((401, {"error": "Unauthorized"}), "local_server_auth", "RUNG_LOCAL_API_KEY"),
        ((500, "<html>" * 1000), "server_refused_adapter", "<html>"),
        ((200, "Success"), "local_server_failed", "does not list it"),
    ],
)
def test_a_refusal_to_load_has_a_name_and_says_what_to_do(
    answer: tuple[int, object], code: str, says: str
) -> None:
    with server(answer) as chat, pytest.raises(RungError) as refused:
        chat.ensure_loaded("support.v1", "/adapters/default/support.v1")
    assert refused.value.code == code and says in refused.value.message
    assert len(refused.value.message) < 1_000 and "secret" not in refused.value.message


@pytest.mark.parametrize(
    "models", [(200, "no json"), (200, {"data": 1}), (200, {}), (500, "oops"), (200, {"data": []})]
)
def test_a_server_that_answers_oddly_is_shown_as_not_reachable(models: tuple[int, object]) -> None:
    with server((200, ""), models) as chat:
        state = chat.state()
    assert not state.reachable and state.problem


def test_a_server_that_is_down_or_not_set_up() -> None:
    down = LoraServer("http://127.0.0.1:9/v1")
    assert "Start it" in down.state().problem
    with pytest.raises(RungError) as refused:
        down.ensure_loaded("x", "/x")
    assert refused.value.code == "local_server_unreachable"
    assert "RUNG_LOCAL_URL" in LoraServer(None).state().problem


def test_one_that_another_process_loaded_meanwhile_is_there() -> None:
    loaded = {"id": "x.v1", "root": "/a/x.v1", "parent": "base"}
    with server(vllm_error(400, "The lora adapter 'x.v1' has already been loaded."), (200, MODELS)) as chat:
        models = iter([chat.models(), chat.models()])
        both = (*chat.models(), type(chat.models()[0])("x.v1", str(loaded["root"]), "base", None))
        chat.models = lambda: next(models, both)  # type: ignore[method-assign]
        chat.ensure_loaded("x.v1", "/a/x.v1")
