"""An S3 server on loopback: moto's, behind a door where answers can be put before its own."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from copy import copy
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

    def fill(self, bucket: str, keys: Iterable[str], like: str) -> None:
        """Puts many objects that are all as one that is there; nothing else can be put afterwards.

        One by one through the door takes minutes, and so does moto's copy of all keys for each page.
        """
        from moto.s3.models import s3_backends

        backends = [each for account in s3_backends.values() for each in account.values()]
        [found] = [each.buckets[bucket] for each in backends if bucket in each.buckets]
        model = found.keys[like]
        for name in keys:
            found.keys[name] = copy(model)
            found.keys[name].name = name
        pairs = list(found.keys.items())
        filled = type("Filled", (type(found.keys),), {"items": lambda _: pairs})
        found.keys = filled(found.keys.lists())
        dict.update(found.keys, {name: [key] for name, key in pairs})


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
