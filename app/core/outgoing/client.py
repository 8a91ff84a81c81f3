"""Clients that reach only what they may, and follow redirects one checked step at a time."""

import ssl
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import certifi
import httpx

from app.core.errors import InputError
from app.core.outgoing.addresses import Resolve, host_key, system_resolve
from app.core.outgoing.error import OutgoingError, reaching
from app.core.outgoing.guard import GuardedTransport

USER_AGENT = "Rung/1 (+search; reads what its admin connected)"
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_SECRET_HEADERS = frozenset({"authorization", "cookie", "proxy-authorization"})


class Outgoing:
    """Makes clients that reach only what they may.

    Args:
        allowed_hosts: hosts that may lie in an internal network, by name or by number.
        timeout_seconds: for connecting, for the whole of an answer's head, and for each piece of its body.
        ca_file: certificates to trust besides the public ones, in PEM form.
        resolve: for tests.

    Raises:
        InputError: `ca_file_invalid`.
    """

    def __init__(
        self,
        allowed_hosts: Iterable[str] = frozenset(),
        *,
        timeout_seconds: float = 20.0,
        max_redirects: int = 5,
        user_agent: str = USER_AGENT,
        ca_file: Path | None = None,
        resolve: Resolve = system_resolve,
    ) -> None:
        self._allowed = frozenset(map(host_key, allowed_hosts))
        self._timeout_seconds = timeout_seconds
        self._max_redirects = max_redirects
        self._user_agent = user_agent
        self._tls = _tls_context(ca_file)
        self._resolve = resolve

    def client(self) -> httpx.Client:
        """A client to be closed after use. It follows no redirect by itself: see `stream`.

        A refused address is raised by any of its calls as `OutgoingError`; the rest comes as httpx's own
        errors, which `reaching` turns into `OutgoingError`.
        """
        return httpx.Client(
            transport=GuardedTransport(self._tls, self._allowed, self._resolve, self._timeout_seconds),
            timeout=httpx.Timeout(self._timeout_seconds),
            headers={"User-Agent": self._user_agent, "Accept-Encoding": "gzip"},
            follow_redirects=False,
            trust_env=False,
        )

    @contextmanager
    def stream(
        self,
        client: httpx.Client,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        secret_headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
    ) -> Iterator[httpx.Response]:
        """An answer whose body is still to be read, after at most `max_redirects` redirects.

        Args:
            secret_headers: sent to the first origin only, never to where a redirect leads outside of it.

        Raises:
            OutgoingError: see its codes.
        """
        here = self._url(url)
        secrets = dict(secret_headers or {})
        for _ in range(self._max_redirects + 1):
            with reaching(here.host):
                request = client.build_request(
                    method, here, headers={**(headers or {}), **secrets}, content=content
                )
                response = client.send(request, stream=True)
            try:
                target = self._target(response, here)
                if target is None:
                    with reaching(here.host):
                        yield response
                    return
                if response.status_code == 303 and method != "HEAD":
                    method, content = "GET", None
                if not _same_origin(here, target):
                    secrets = {}
                    headers = {k: v for k, v in (headers or {}).items() if k.lower() not in _SECRET_HEADERS}
                here = target
            finally:
                response.close()
        raise OutgoingError(
            f"{here.host} redirects more than {self._max_redirects} times; give the address where it ends.",
            code="too_many_redirects",
        )

    def _target(self, response: httpx.Response, here: httpx.URL) -> httpx.URL | None:
        location = response.headers.get("location")
        if response.status_code not in _REDIRECTS or not location:
            return None
        try:
            return self._url(str(here.join(location)))
        except httpx.InvalidURL as error:
            raise OutgoingError(
                f"{here.host} redirects to what is no address; tell whoever runs it.",
                code="unreadable_answer",
            ) from error

    def _url(self, url: str) -> httpx.URL:
        try:
            parsed = httpx.URL(url)
        except httpx.InvalidURL as error:
            raise OutgoingError(f"This is not an address: {error}.", code="address_refused") from error
        if parsed.scheme not in ("http", "https") or not parsed.host:
            raise OutgoingError("Only http and https addresses are called.", code="address_refused")
        # A name and password in a redirect's address would be sent along.
        return parsed.copy_with(userinfo=b"", fragment=None)


def _same_origin(one: httpx.URL, other: httpx.URL) -> bool:
    if (one.scheme, one.host, one.port) == (other.scheme, other.host, other.port):
        return True
    upgraded = (one.scheme, other.scheme, one.port, other.port) == ("http", "https", None, None)
    return upgraded and one.host == other.host


def _tls_context(ca_file: Path | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=certifi.where())
    context.load_default_certs()
    if ca_file is not None:
        try:
            context.load_verify_locations(cafile=ca_file)
        except (OSError, ssl.SSLError) as error:
            raise InputError(
                f"{ca_file} holds no readable certificates ({error.strerror or error}); name a PEM file.",
                code="ca_file_invalid",
            ) from error
    return context
