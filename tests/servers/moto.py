"""An S3 server on loopback: moto's, behind a door where answers can be put before its own."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import boto3
from moto.server import ThreadedMotoServer


@dataclass
class S3Server:
    """`answers` (status, code, headers) are given one by one before the server speaks for itself.

    A header `message` is the message of the error as well."""

    url: str
    answers: list[tuple[int, str, dict[str, str]]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def client(self) -> Any:
        return boto3.client(
            "s3",
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id="AKIATEST",
            aws_secret_access_key="not-a-secret",
        )


@contextmanager
def s3_server() -> Iterator[S3Server]:
    """An empty store for as long as the block lasts."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    state = S3Server(f"http://{host}:{port}")
    inner = server._server
    assert inner is not None
    app = inner.app

    def door(environment: Any, start: Any) -> Any:
        state.asked.append(f"{environment['REQUEST_METHOD']} {environment['PATH_INFO']}")
        if not state.answers:
            return app(environment, start)
        status, code, headers = state.answers.pop(0)
        message = headers.get("message", code)
        body = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>".encode()
        start(f"{status} {code}", [("Content-Type", "application/xml"), *headers.items()])
        return [body]

    inner.app = door
    try:
        yield state
    finally:
        server.stop()
