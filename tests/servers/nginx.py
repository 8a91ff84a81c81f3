"""Debian's nginx on loopback, on a free port, with a folder of its own."""

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.servers.needs import needs

_CONFIG = """
daemon off;
master_process off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 64; }}
http {{
    access_log {folder}/access.log;
    client_body_temp_path {folder}/temp;
    proxy_temp_path {folder}/temp;
    fastcgi_temp_path {folder}/temp;
    uwsgi_temp_path {folder}/temp;
    scgi_temp_path {folder}/temp;
    types {{
        text/html html; application/pdf pdf; text/plain txt; application/xml xml; text/markdown md;
        image/png png; application/gzip gz;
    }}
    default_type application/octet-stream;
    server {{
        listen 127.0.0.1:{port};
        server_name _;
        root {root};
        absolute_redirect off;
        {more}
    }}
}}
"""


@dataclass
class Nginx:
    """A running server. What is put under `root` is served at once."""

    root: Path
    port: int
    log: Path

    def url(self, path: str = "/") -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def write(self, path: str, content: str | bytes) -> Path:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        return file

    def requests(self) -> list[str]:
        """Each request so far: `GET /page.html 200`."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [
            f"{line.split(chr(34))[1].rsplit(' ', 1)[0]} {line.split(chr(34))[2].split()[0]}"
            for line in lines
        ]


@contextmanager
def nginx(folder: Path, more: str = "") -> Iterator[Nginx]:
    """Starts nginx with these lines in its server block, and stops it by its number."""
    program = needs("nginx", "apt-get install nginx")
    root = folder / "www"
    for path in (root, folder / "temp"):
        path.mkdir(parents=True, exist_ok=True)
    port = _free_port()
    config = folder / "nginx.conf"
    config.write_text(_CONFIG.format(folder=folder, root=root, port=port, more=more))
    process = subprocess.Popen(
        [program, "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(config)],
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait(port, process, folder)
        yield Nginx(root, port, folder / "access.log")
    finally:
        process.terminate()
        process.wait(20)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _wait(port: int, process: "subprocess.Popen[bytes]", folder: Path) -> None:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        if process.poll() is not None:
            raise RuntimeError((folder / "error.log").read_text())
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError("nginx did not start in 30 seconds")
