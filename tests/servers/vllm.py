"""A real vLLM on this machine's processor, with a tiny model made on the spot: for tests and `bench local`.

    with running_vllm(folder) as server:
        … requests to server.url …

It runs in the environment of its own that `.ci/install-vllm` makes, in a process group that is ended whole.
"""

import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.servers.base import make_adapter, make_base

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".vllm/bin/python"
BASE_MODEL = "tiny-llama"
MAX_RANK = 8
SLOTS = 2
MAX_MODEL_TOKENS = 1_024

_READY_SECONDS = 150.0
_ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "1",
    "TORCHDYNAMO_DISABLE": "1",
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "OMP_NUM_THREADS": "1",
}
_FLAGS = (
    *("--enable-lora", "--max-loras", str(SLOTS), "--max-cpu-loras", "4", "--max-lora-rank", str(MAX_RANK)),
    *("--dtype", "float32", "--max-model-len", str(MAX_MODEL_TOKENS), "--max-num-seqs", "32"),
    *("--kv-cache-memory-bytes", "64M", "--enforce-eager", "--distributed-executor-backend", "uni"),
)


@dataclass(frozen=True, slots=True)
class VllmServer:
    """A running server. `url` ends with /v1, as RUNG_LOCAL_URL takes it.

    `adapters_dir` holds two adapters, `first` and `second`, which are not loaded yet.
    """

    url: str
    base_model: str
    base_dir: Path
    adapters_dir: Path
    log: Path
    process_id: int

    @property
    def root_url(self) -> str:
        return self.url.removesuffix("/v1")


def missing() -> str | None:
    """Why no vLLM can be started here; nothing when one can."""
    if PYTHON.exists() and (ROOT / ".vllm/installed").exists():
        return None
    return "no vLLM is installed for tests: run `make vllm` (2 GB); every test against a real vLLM is skipped"


@contextmanager
def running_vllm(
    folder: Path, *, flags: Sequence[str] = (), environment: Mapping[str, str] | None = None
) -> Iterator[VllmServer]:
    """Makes the model and two adapters in the folder, starts the server, waits until it answers, ends it.

    Raises:
        RuntimeError: it ended or was not ready in time; with the end of its log.
    """
    base = make_base(folder / "base")
    adapters = folder / "adapters"
    for seed, name in enumerate(("first", "second"), 1):
        make_adapter(adapters / name, base=base, seed=seed)
    port, log = _free_port(), folder / "vllm.log"
    command = [str(PYTHON), "-m", "vllm.entrypoints.openai.api_server", "--model", str(base)]
    command += [
        "--served-model-name",
        BASE_MODEL,
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        *_FLAGS,
        *flags,
    ]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=_environment() | dict(environment or {}),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    server = VllmServer(f"http://127.0.0.1:{port}/v1", BASE_MODEL, base, adapters, log, process.pid)
    try:
        _wait_until_ready(server, process)
        yield server
    finally:
        end_group(process)


def end_group(process: "subprocess.Popen[bytes]") -> None:
    """Ends the process and everything it started."""
    for sign, seconds in ((signal.SIGTERM, 15), (signal.SIGKILL, 15)):
        try:
            os.killpg(process.pid, sign)
            process.wait(seconds)
        except ProcessLookupError:
            break
        except subprocess.TimeoutExpired:
            continue
    process.wait(15)


def _environment() -> dict[str, str]:
    """Ours without what belongs to the app's own Python, and what makes vLLM small and quiet."""
    kept = {
        k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "VIRTUAL_ENV", "RUNG_", "VLLM_"))
    }
    return kept | _ENVIRONMENT


def _wait_until_ready(server: VllmServer, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + _READY_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"vLLM ended with {process.returncode}:\n{_tail(server.log)}")
        try:
            with urllib.request.urlopen(f"{server.root_url}/health", timeout=5) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            time.sleep(0.25)
    raise RuntimeError(f"vLLM was not ready in {_READY_SECONDS:.0f} s:\n{_tail(server.log)}")


def _tail(log: Path) -> str:
    return log.read_text(errors="replace")[-4_000:]


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
