"""The guard itself: connections are made here, to addresses that were looked up and checked here."""

import ssl
import threading
import time
from collections.abc import Iterable
from typing import Any

import httpcore
import httpx

from app.core.outgoing.addresses import Resolve, host_key, refusal
from app.core.outgoing.error import OutgoingError


class GuardedTransport(httpx.HTTPTransport):
    """httpx's own transport, connecting through the guard."""

    def __init__(
        self, tls: ssl.SSLContext, allowed: frozenset[str], resolve: Resolve, head_seconds: float
    ) -> None:
        super().__init__(verify=tls, trust_env=False)
        self._pool.close()
        self._guard = _Guard(allowed, resolve)
        self._head_seconds = head_seconds
        self._pool = httpcore.ConnectionPool(
            ssl_context=tls, max_connections=8, keepalive_expiry=10, network_backend=self._guard
        )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self._guard.clock.until = time.monotonic() + self._head_seconds
        try:
            return super().handle_request(request)
        finally:
            self._guard.clock.until = None


class _Clock(threading.local):
    """Until when a head must be whole: it may otherwise drip for ever, a byte before each time-out."""

    until: float | None = None

    def left(self, timeout: float | None) -> float | None:
        """The time-out that keeps to the clock."""
        if self.until is None:
            return timeout
        left = self.until - time.monotonic()
        if left <= 0:
            raise httpcore.ReadTimeout("the head of the answer took too long")
        return left if timeout is None else min(timeout, left)


class _Guard(httpcore.NetworkBackend):
    """Connects to addresses that were looked up and checked here."""

    def __init__(self, allowed: frozenset[str], resolve: Resolve) -> None:
        self._allowed = allowed
        self._resolve = resolve
        self._sockets = httpcore.SyncBackend()
        self.clock = _Clock()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        failed: Exception | None = None
        for address in self._checked(host, port):
            try:
                left = self.clock.left(timeout)
                found = self._sockets.connect_tcp(address, port, left, local_address, socket_options)
                return _Stream(found, self.clock)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failed = error
        raise failed or httpcore.ConnectError("the name has no address")

    def _checked(self, host: str, port: int) -> list[str]:
        key = host_key(host)
        try:
            addresses = self._resolve(host, port)
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError(str(error)) from error
        for address in addresses:
            reason = refusal(
                address, allowed=key in self._allowed, named_itself=host_key(address) == key in self._allowed
            )
            if reason is not None:
                raise OutgoingError(
                    f"{host} is not called: {reason}. If it is meant, add {host} to the internal hosts that "
                    "this source may call.",
                    code="address_refused",
                )
        return addresses


class _Stream(httpcore.NetworkStream):
    """A connection whose reading also keeps to the clock of the head."""

    def __init__(self, inner: httpcore.NetworkStream, clock: _Clock) -> None:
        self._inner = inner
        self._clock = clock

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, self._clock.left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, timeout)

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return _Stream(
            self._inner.start_tls(ssl_context, server_hostname, self._clock.left(timeout)), self._clock
        )

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)
