"""Speaking to a Git server: with limits on time, and each refusal in words."""

import errno
import re
import socket
import ssl
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import urlsplit
from urllib.request import url2pathname

import urllib3
from dulwich.client import (
    GitClient,
    HTTPProxyUnauthorized,
    HTTPUnauthorized,
    LocalGitClient,
    TCPGitClient,
    Urllib3HttpGitClient,
)
from dulwich.errors import GitProtocolError, HangupException, NotGitRepository
from dulwich.protocol import Protocol

from app.core.errors import InputError, UnavailableError
from ingest.connectors.git.settings import GitSettings
from ingest.remote import TryAgainError

T = TypeVar("T")
CONNECT_SECONDS = 15
READ_SECONDS = 120
_ANY_USER = "oauth2"
_LATER = frozenset({408, 425, 429, 500, 502, 503, 504})
_NO_NETWORK = frozenset({errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ECONNREFUSED, errno.EHOSTDOWN})


class _Pool(urllib3.PoolManager):
    """Connections to one host, that say for how long a busy server asks to be left alone."""

    def __init__(self, host: str) -> None:
        self._host = host
        super().__init__(
            timeout=urllib3.Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS),
            # Tries are counted in one place; here only a renamed repository is followed.
            retries=urllib3.Retry(
                5, connect=0, read=0, status=0, other=0, redirect=5, respect_retry_after_header=False
            ),
        )

    def urlopen(self, method: str, url: str, redirect: bool = True, **kw: Any) -> urllib3.BaseHTTPResponse:  # type: ignore[override]
        """Also called for each redirect: whoever runs the server could else have any machine called."""
        there = urlsplit(url).hostname or ""
        if there != self._host:
            raise InputError(
                f"The address leads to another machine, {there[:100]}. Give that address if it is right.",
                code="redirects_elsewhere",
            )
        return super().urlopen(method, url, redirect=redirect, **kw)

    def request(self, *args: Any, **kwargs: Any) -> urllib3.BaseHTTPResponse:
        response = super().request(*args, **kwargs)
        if response.status in _LATER:
            response.drain_conn()
            raise TryAgainError(
                f"The Git server is busy (HTTP {response.status}).",
                code="rate_limited" if response.status == 429 else "source_unreachable",
                after_seconds=_seconds(response.headers.get("Retry-After")),
            )
        return response


class _TcpClient(TCPGitClient):
    """git:// with a time limit: dulwich's own waits for ever."""

    def _connect(
        self, cmd: bytes, path: str | bytes, _version: int | None = None
    ) -> tuple[Protocol, Callable[[], bool], None]:
        assert self._port is not None  # noqa: S101 - set by its constructor
        raw = path if isinstance(path, bytes) else path.encode()
        connection = socket.create_connection((self._host, self._port), timeout=CONNECT_SECONDS)
        connection.settimeout(READ_SECONDS)
        reader, writer = connection.makefile("rb", -1), connection.makefile("wb", 0)

        def close() -> None:
            for part in (reader, writer, connection):
                part.close()

        protocol = Protocol(reader.read, writer.write, close)
        protocol.send_cmd(b"git-" + cmd, raw, b"host=" + self._host.encode("idna"))
        self.protocol_version = 0
        # Only used to hear the server early while telling what is there; "not yet" is always right.
        return protocol, lambda: False, None


class _HttpClient(Urllib3HttpGitClient):
    """Git's smart protocol alone: a sign-in page would pass for an empty repository of the old one."""

    def _http_request(self, *args: Any, **kwargs: Any) -> Any:
        response, read = super()._http_request(*args, **kwargs)
        if not str(response.headers.get("Content-Type")).startswith("application/x-git-"):
            response.close()
            raise GitProtocolError("an answer that is not Git's")
        return response, read


def make_client(settings: GitSettings) -> tuple[GitClient, str]:
    """A client of dulwich's and the path to ask it for."""
    if settings.url.startswith("/"):
        return LocalGitClient(), settings.url
    parts = urlsplit(settings.url)
    if parts.scheme == "file":
        return LocalGitClient(), url2pathname(parts.path)
    if parts.scheme == "git":
        return _TcpClient(str(parts.hostname), port=parts.port), parts.path
    secret = settings.token.get_secret_value()
    client = _HttpClient(
        f"{parts.scheme}://{parts.netloc}",
        pool_manager=_Pool(parts.hostname or ""),
        username=(settings.username or _ANY_USER) if secret or settings.username else None,
        password=secret or None,
        quiet=True,
    )
    return client, parts.path


def asking(settings: GitSettings, call: Callable[[], T]) -> T:
    """What the call gives.

    Raises:
        TryAgainError: it failed in a way that may pass.
        InputError: `sign_in_failed`, `permission_missing`, `repository_missing`, `not_a_repository`,
            `redirects_elsewhere`, `tls_failed`.
        UnavailableError: `disk_full`.
    """
    try:
        return call()
    except (HTTPUnauthorized, HTTPProxyUnauthorized, NotGitRepository) as error:
        raise _refused(settings, error) from None
    except GitProtocolError as error:
        raise _protocol_error(settings, error) from None
    except (HangupException, urllib3.exceptions.HTTPError, ssl.SSLError) as error:
        raise _broken(settings, error) from None
    except OSError as error:
        raise _system_error(settings, error) from None
    except (ValueError, KeyError, AssertionError) as error:
        # What dulwich's readers raise on an answer that is no Git: a sign-in page, for one.
        raise InputError(
            f"{settings.host} answered with something that is not Git. Check the address: it is the one that "
            "`git clone` takes.",
            code="not_a_repository",
        ) from error


def _refused(settings: GitSettings, error: Exception) -> InputError:
    if isinstance(error, HTTPProxyUnauthorized):
        return InputError("The proxy wants a sign-in. Give Rung a way past it.", code="proxy_refused")
    if isinstance(error, HTTPUnauthorized):
        given = bool(settings.token.get_secret_value())
        return InputError(
            f"{settings.host} refused the {'token' if given else 'request without a token'}. "
            "Make a token that may read this repository, and enter it here.",
            code="sign_in_failed",
        )
    return InputError(
        f"{settings.host} has no repository at this address, or hides it from this token. Check the address "
        "and what the token may read.",
        code="repository_missing",
    )


def _protocol_error(settings: GitSettings, error: GitProtocolError) -> Exception:
    if isinstance(error, HangupException) or isinstance(error.__cause__, urllib3.exceptions.HTTPError):
        return _broken(settings, error.__cause__ or error)
    text = str(error)
    status = re.search(r"unexpected http resp (\d+)", text)
    if status and status[1] == "403":
        return InputError(
            f"{settings.host} knows this token but does not let it read the repository. Give it the right "
            "to read contents.",
            code="permission_missing",
        )
    if re.search(r"not exported|not found|does not appear|no such", text, re.IGNORECASE):
        return _refused(settings, NotGitRepository())
    what = f"HTTP {status[1]}" if status else "an answer that is not Git's"
    return InputError(
        f"{settings.host} gave {what}. Check the address: it is the one that `git clone` takes.",
        code="not_a_repository",
    )


def _broken(settings: GitSettings, error: BaseException) -> Exception:
    text = f"{error!r} {error.__cause__!r}"
    if isinstance(error, ssl.SSLError) or "SSLError" in text or "CertificateError" in text:
        return InputError(
            f"The certificate of {settings.host} is not trusted. Add its authority to this machine's trusted "
            "ones, or renew the certificate.",
            code="tls_failed",
        )
    return TryAgainError(
        f"{settings.host} does not answer as it should: {type(error).__name__}.", code="source_unreachable"
    )


def _system_error(settings: GitSettings, error: OSError) -> Exception:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return UnavailableError(
            "The disk is full: a repository is kept under RUNG_DATA_DIR. Make room there.", code="disk_full"
        )
    network = isinstance(error, ConnectionError | TimeoutError | socket.gaierror)
    if network or error.errno in _NO_NETWORK:
        return TryAgainError(
            f"{settings.host} cannot be reached: {error.strerror or type(error).__name__}.",
            code="source_unreachable",
        )
    return UnavailableError(f"The repository cannot be read: {error.strerror or error}.", code="unreadable")


def _seconds(header: str | None) -> float | None:
    return float(header) if header is not None and header.isdigit() else None
