"""Git's own servers on loopback: `git http-backend` behind a small HTTP server, and `git daemon`."""

import base64
import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.servers.needs import needs

REMEDY = "apt-get install git"
_QUIET = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null", "GIT_TERMINAL_PROMPT": "0"}


class WorkingCopy:
    """A repository with a working tree, written to by the real git."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        self.git("init", "-q", "-b", "main")
        self.git("config", "uploadpack.allowFilter", "true")

    def git(self, *arguments: str, **environment: str) -> str:
        who = {f"GIT_{r}_{k}": v for r in ("AUTHOR", "COMMITTER") for k, v in _ANA.items()}
        found = subprocess.run(
            [needs("git", REMEDY), "-c", "protocol.file.allow=always", *arguments],
            cwd=self.folder,
            env=os.environ | _QUIET | who | environment,
            capture_output=True,
            check=True,
        )
        return found.stdout.decode(errors="surrogateescape").strip()

    def write(self, path: str, content: str | bytes) -> None:
        place = self.folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content.encode() if isinstance(content, str) else content)

    def commit(self, message: str = "Change", **environment: str) -> str:
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message, **environment)
        return self.git("rev-parse", "HEAD")


_ANA = {"NAME": "Ana Ferreira", "EMAIL": "ana@example.com", "DATE": "2026-03-04T10:00:00+00:00"}


@dataclass
class GitServer:
    """`url` ends before the repository's name. What is asked is counted; `answer` goes before Git's own.

    `moved` has redirects, each by the path that is asked.
    """

    url: str
    token: str = ""
    answer: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    moved: dict[str, str] = field(default_factory=dict)


@contextmanager
def http_server(root: Path, *, token: str = "") -> Iterator[GitServer]:
    """Every repository below `root`, over HTTP; with a token only for those who show it."""
    program = needs("git", REMEDY)
    state = GitServer("", token)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.0"

        def do_GET(self) -> None:
            self._serve(b"")

        def do_POST(self) -> None:
            self._serve(self.rfile.read(int(self.headers.get("Content-Length") or 0)))

        def _serve(self, body: bytes) -> None:
            state.asked.append(self.path)
            if state.answer:
                return self._say(*state.answer.pop(0))
            if self.path in state.moved:
                return self._say(301, {"Location": state.moved[self.path]})
            given = self.headers.get("Authorization", "").removeprefix("Basic ")
            if state.token and not base64.b64decode(given).endswith(f":{state.token}".encode()):
                return self._say(401, {"WWW-Authenticate": "Basic"})
            path, _, query = self.path.partition("?")
            done = subprocess.run(
                [program, "http-backend"],
                input=body,
                capture_output=True,
                check=False,
                env=os.environ
                | _QUIET
                | {
                    "GIT_PROJECT_ROOT": str(root),
                    "GIT_HTTP_EXPORT_ALL": "1",
                    "PATH_INFO": path,
                    "QUERY_STRING": query,
                    "REQUEST_METHOD": self.command,
                    "CONTENT_TYPE": self.headers.get("Content-Type", ""),
                    "CONTENT_LENGTH": str(len(body)),
                    "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
                    "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
                },
            )
            head, _, content = done.stdout.partition(b"\r\n\r\n")
            headers = dict(line.split(": ", 1) for line in head.decode().splitlines())
            return self._say(int(headers.pop("Status", "200").split()[0]), headers, content)

        def _say(self, status: int, headers: dict[str, str], content: bytes = b"") -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def daemon(root: Path) -> Iterator[str]:
    """`git daemon` over every repository below `root`; gives the address before the repository's name."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [needs("git", REMEDY), "daemon", "--export-all", "--reuseaddr", "--listen=127.0.0.1"]
    process = subprocess.Popen(
        [*command, f"--port={port}", f"--base-path={root}", str(root)],
        env=os.environ | _QUIET,
        stdin=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        _wait_for(port)
        yield f"git://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, 15)
        process.wait(15)


def _wait_for(port: int) -> None:
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError("git daemon did not start")
