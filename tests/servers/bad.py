"""A server that speaks HTTP badly, one way for each path. Runs in threads of the test."""

import gzip
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache

Send = Callable[[bytes], None]


def _endless_headers(send: Send) -> None:
    send(b"HTTP/1.1 200 OK\r\n")
    while True:
        send(b"X-More: " + b"a" * 500 + b"\r\n")


def _endless_body(send: Send) -> None:
    send(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n")
    while True:
        send(b"<p>more</p>" * 500)


def _drip_head(send: Send) -> None:
    for byte in b"HTTP/1.1 200 OK\r\nX-Slow: " + b"a" * 2000:
        send(bytes([byte]))
        time.sleep(0.02)


def _drip_body(send: Send) -> None:
    send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    while True:
        send(b"a")
        time.sleep(0.02)


@cache
def _bomb_body() -> bytes:
    return gzip.compress(bytes(50_000_000), 6)


def _bomb(send: Send) -> None:
    body = _bomb_body()
    send(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(body) + body)


def _broken_gzip(send: Send) -> None:
    send(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 9\r\n\r\nnot gzip!")


def _half_gzip(send: Send) -> None:
    body = gzip.compress(b"text " * 1000)[:-12]
    send(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(body) + body)


def _brotli(send: Send) -> None:
    send(b"HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: 4\r\n\r\nabcd")


def _loop(send: Send) -> None:
    send(b"HTTP/1.1 302 Found\r\nLocation: /loop\r\nContent-Length: 0\r\n\r\n")


def _cut(send: Send) -> None:
    send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nonly this")


def _not_http(send: Send) -> None:
    send(b"SSH-2.0-OpenSSH_9.2\r\n")


def _wrong_charset(send: Send) -> None:
    body = "<title>Caf\u00e9</title><p>Ouvert le lundi, m\u00eame l\u0027\u00e9t\u00e9.</p>".encode("cp1252")
    send(b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n")
    send(b"Content-Length: %d\r\n\r\n" % len(body) + body)


def _silent(send: Send) -> None:
    time.sleep(3)


def _plain(send: Send) -> None:
    send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")


WAYS: dict[str, Callable[[Send], None]] = {
    "/endless-headers": _endless_headers,
    "/endless-body": _endless_body,
    "/drip-head": _drip_head,
    "/drip-body": _drip_body,
    "/bomb": _bomb,
    "/broken-gzip": _broken_gzip,
    "/half-gzip": _half_gzip,
    "/brotli": _brotli,
    "/loop": _loop,
    "/cut": _cut,
    "/not-http": _not_http,
    "/wrong-charset": _wrong_charset,
    "/silent": _silent,
    "/plain": _plain,
}


class BadServer:
    """Listens on loopback. `answers` adds paths of the test's own; `seen` are the heads it got."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.answers: dict[str, bytes] = {}
        self.seen: list[str] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}{path}"

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            try:
                head = self._head(connection)
                self.seen.append(head)
                path = head.split(" ")[1] if " " in head else ""
                if path in self.answers:
                    connection.sendall(self.answers[path])
                elif path.split("?")[0] in WAYS:
                    WAYS[path.split("?")[0]](connection.sendall)
                else:
                    connection.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
            except OSError:
                return  # the client had enough, as it should

    def _head(self, connection: socket.socket) -> str:
        head = b""
        while b"\r\n\r\n" not in head:
            part = connection.recv(4096)
            head += part
            if not part or head.startswith(b"\x16"):  # it greets in TLS
                break
        return head.decode("latin-1")


@contextmanager
def bad_server() -> Iterator[BadServer]:
    server = BadServer()
    try:
        yield server
    finally:
        server.close()
