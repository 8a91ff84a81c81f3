"""A real server on a free port, and a real Chromium that looks at it."""

import os
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI

CHROMIUM_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
AXE = Path(__file__).resolve().parents[2] / "node_modules" / "axe-core" / "axe.min.js"


def find_chromium() -> str | None:
    """The browser that RUNG_TEST_CHROMIUM names, or the one on the path."""
    return os.environ.get("RUNG_TEST_CHROMIUM") or shutil.which("chromium")


@contextmanager
def served(app: FastAPI) -> Iterator[str]:
    """Runs the app with uvicorn in a thread and gives its address."""
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=2))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    try:
        while not server.started:
            if not thread.is_alive():
                raise RuntimeError("the server did not start")
            time.sleep(0.02)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(15)
        listening.close()


def violations(page: Any) -> list[str]:
    """What axe-core finds wrong with the page as it stands, in words."""
    # The page's own policy forbids foreign scripts, so axe runs in the isolated world of the test.
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate(
        "async () => (await axe.run(document, {resultTypes: ['violations'], preload: false})).violations"
    )
    return [
        f"{page.url}: {item['id']}: {item['help']}: "
        + "; ".join(f"{node['target']} {node['failureSummary']}" for node in item["nodes"][:4])
        for item in found
    ]
