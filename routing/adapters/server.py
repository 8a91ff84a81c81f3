"""The chat server's own endpoints for adapters: what is loaded, load, unload. vLLM's words are made plain.

They are there when vLLM was started with `--enable-lora` and VLLM_ALLOW_RUNTIME_LORA_UPDATING=1.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from app.core.errors import (
    ConfigurationError,
    ConflictError,
    InputError,
    RungError,
    UnavailableError,
)
from routing.adapters.adapter import ServerState

NO_SERVER = "No local model is set up. Set RUNG_LOCAL_URL to the address of a vLLM server."

_LOOK_SECONDS = 3.0
_LOAD_SECONDS = 120.0
_RANK = re.compile(r"LoRA rank (\d+) is greater than max_lora_rank (\d+)")


@dataclass(frozen=True, slots=True)
class ServedModel:
    """A name the server answers to. `parent` is nothing for the base model; `path` is where it was loaded
    from, as the server sees it."""

    name: str
    path: str
    parent: str | None
    context_tokens: int | None


class LoraServer:
    """The chat server, or none.

    Args:
        url: ends with /v1; nothing where no server is set up.
    """

    def __init__(self, url: str | None, api_key: str | None = None) -> None:
        self._url = url.rstrip("/") if url else None
        self._headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}

    def state(self) -> ServerState:
        """What the server says of itself; `problem` where it says nothing."""
        if self._url is None:
            return ServerState(None, False, None, (), NO_SERVER)
        try:
            models = self.models()
            base = base_of(models)
        except RungError as error:
            return ServerState(self._url, False, None, (), error.message)
        loaded = tuple(sorted(model.name for model in models if model.parent is not None))
        return ServerState(self._url, True, base.name, loaded)

    def models(self) -> tuple[ServedModel, ...]:
        """Every name the server answers to.

        Raises:
            UnavailableError: `local_server_unreachable`, `local_server_failed`.
            ConfigurationError: `no_local_server`, `local_server_auth`.
        """
        answer = self._send("GET", "/models", timeout_seconds=_LOOK_SECONDS)
        self._check(answer)
        try:
            entries = answer.json()["data"]
            return tuple(
                ServedModel(str(e["id"]), str(e.get("root") or ""), e.get("parent"), e.get("max_model_len"))
                for e in entries
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise _strange(self._url, answer) from error

    def ensure_loaded(self, name: str, path: str) -> None:
        """Loads an adapter where it is not there yet, and makes sure that it is.

        Raises:
            InputError: `adapter_not_on_server`, `rank_over_server`, `server_refused_adapter`.
            ConfigurationError: `lora_updating_off`, and as `models`.
            ConflictError: `slots_full`.
            UnavailableError: as `models`.
        """
        if self._is_there(name, path):
            return
        if any(model.name == name for model in self.models()):
            self.unload(name)
        body = {"lora_name": name, "lora_path": path}
        answer = self._send("POST", "/load_lora_adapter", body=body, timeout_seconds=_LOAD_SECONDS)
        # Another process may have loaded it since we looked: what counts is that it is there.
        if answer.status_code != httpx.codes.OK and "already been loaded" not in answer.text:
            raise self._refusal(name, path, answer)
        if not self._is_there(name, path):
            raise UnavailableError(
                f"The chat server says that it loaded {name}, but does not list it.",
                code="local_server_failed",
            )

    def unload(self, name: str) -> bool:
        """Takes an adapter off the server; false where it was not there. Raises as `ensure_loaded`."""
        body = {"lora_name": name}
        answer = self._send("POST", "/unload_lora_adapter", body=body, timeout_seconds=_LOAD_SECONDS)
        if answer.status_code == httpx.codes.OK:
            return True
        if answer.status_code == httpx.codes.NOT_FOUND and "cannot be found" in answer.text:
            return False
        raise self._refusal(name, "", answer)

    def _is_there(self, name: str, path: str) -> bool:
        return any(model.name == name and model.path == path for model in self.models())

    def _send(
        self, method: str, path: str, *, timeout_seconds: float, body: Mapping[str, Any] | None = None
    ) -> httpx.Response:
        if self._url is None:
            raise ConfigurationError(NO_SERVER, code="no_local_server")
        try:
            # No proxy of the environment's: the server is the company's own, and adapters are its own matter.
            with httpx.Client(timeout=timeout_seconds, trust_env=False, headers=self._headers) as client:
                return client.request(method, f"{self._url}{path}", json=body)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise UnavailableError(
                f"The chat server at {self._url} does not answer ({type(error).__name__}). Start it, or "
                "check RUNG_LOCAL_URL.",
                code="local_server_unreachable",
            ) from error

    def _check(self, answer: httpx.Response) -> None:
        if answer.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            raise ConfigurationError(
                "The chat server did not accept RUNG_LOCAL_API_KEY.", code="local_server_auth"
            )
        if answer.status_code != httpx.codes.OK:
            raise _strange(self._url, answer)

    def _refusal(self, name: str, path: str, answer: httpx.Response) -> RungError:
        """Why the server did not load or unload an adapter, and what to do."""
        words = _words(answer)
        if answer.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            return ConfigurationError(
                "The chat server did not accept RUNG_LOCAL_API_KEY.", code="local_server_auth"
            )
        if rank := _RANK.search(words):
            return InputError(
                f"{name} has rank {rank[1]}, the chat server takes at most {rank[2]}. Start vLLM with "
                f"--max-lora-rank {rank[1]}, or train with --rank {rank[2]}.",
                code="rank_over_server",
            )
        if "No adapter found" in words:
            return InputError(
                f"The chat server sees no adapter at {path}. Let it read RUNG_LOCAL_ADAPTERS_DIR, and where "
                "the folder has another path there, set RUNG_LOCAL_ADAPTERS_DIR_ON_SERVER.",
                code="adapter_not_on_server",
            )
        if answer.status_code in (httpx.codes.NOT_FOUND, httpx.codes.METHOD_NOT_ALLOWED):
            return ConfigurationError(
                "The chat server cannot load adapters while it runs. Start vLLM with --enable-lora and with "
                "VLLM_ALLOW_RUNTIME_LORA_UPDATING=1.",
                code="lora_updating_off",
            )
        if re.search(r"free lora slots|max_cpu_loras|no.{0,20}slots", words, re.I):
            return ConflictError(
                f"The chat server has no room for another adapter: {words} Retire one, or start vLLM with a "
                "higher --max-cpu-loras.",
                code="slots_full",
            )
        return InputError(f"The chat server refused {name}: {words}", code="server_refused_adapter")


def base_of(models: Sequence[ServedModel]) -> ServedModel:
    """The base model among the names.

    Raises:
        UnavailableError: `local_server_failed`, where there is none.
    """
    for model in models:
        if model.parent is None:
            return model
    raise UnavailableError("The chat server names no base model.", code="local_server_failed")


def _words(answer: httpx.Response) -> str:
    """The server's own words, cut to a sensible length."""
    try:
        found = answer.json()
        error = found.get("error", found)
        words = error.get("message") or found.get("detail") or answer.text
    except (ValueError, AttributeError):
        words = answer.text
    return " ".join(str(words).split())[:500] or f"status {answer.status_code}"


def _strange(url: str | None, answer: httpx.Response) -> UnavailableError:
    return UnavailableError(
        f"The chat server at {url} gave an answer that cannot be used (status {answer.status_code}): "
        f"{_words(answer)}",
        code="local_server_failed",
    )
