"""The connection to an IMAP server: kept open, made anew when it breaks, and never one that writes."""

import contextlib
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import imapclient
from imapclient.exceptions import IMAPClientAbortError, IMAPClientError, LoginError, ProtocolError

from app.core.errors import InputError, UnavailableError
from ingest.connector import ReadContext
from ingest.connectors.imap.settings import ImapSettings
from ingest.remote import SourceWaitError, TryAgainError

T = TypeVar("T")
TIMEOUT_SECONDS = 60.0
_BUSY = (
    "too many",
    "maximum number of connections",
    "[limit]",
    "[unavailable]",
    "[inuse]",
    "try again later",
    "rate limit",
    "rate-limit",
    "throttl",
)
_WRONG = ("[authenticationfailed]", "[authorizationfailed]", "[expired]")
_BUSY_WAIT_SECONDS = 60.0
_MOST_BREAKS = 20


class RefusedError(UnavailableError):
    """The server said NO to one command; the connection is as good as before. `said` are its words."""

    default_code = "refused_by_server"

    def __init__(self, host: str, said: str) -> None:
        super().__init__(f"{host} refuses a command ({said}); look into the mail server's log.")
        self.said = said


class ClosedError(RefusedError):
    """The folder that was open cannot be opened again."""


@dataclass(frozen=True, slots=True)
class Status:
    """What a folder says of itself; two that are equal hold the same mails."""

    uid_validity: int
    uid_next: int
    messages: int
    mod_sequence: int
    size_bytes: int | None = None


class MailConnection:
    """Runs commands, at the pace of the host, and again on a new connection where the old one broke."""

    def __init__(self, settings: ImapSettings, context: ReadContext) -> None:
        self._settings = settings
        self._calls = context.calls
        self._client: imapclient.IMAPClient | None = None
        self._examined: tuple[str, int] | None = None
        self._breaks = 0
        self.times_opened = 0
        """Numbers of mails, unlike UIDs, mean nothing after another opening."""

    def run(self, work: Callable[[imapclient.IMAPClient], T]) -> T:
        """What `work` gives.

        Raises:
            RefusedError: the server refused this command.
            InputError: `sign_in_failed`.
            UnavailableError: `tls_failed`; `SourceWaitError` where it may pass.
        """

        def attempt() -> T:
            try:
                return work(self._open())
            except ProtocolError as error:
                self._drop()
                raise TryAgainError(
                    "The mail server's answer could not be understood.", code="source_unreachable"
                ) from error
            except (IMAPClientAbortError, OSError) as error:
                self._drop()
                raise self._broken(error) from error
            except IMAPClientError as error:
                raise RefusedError(self._settings.host, _words(error)) from error

        return self._calls.run(self._settings.host, attempt)

    def has(self, capability: str) -> bool:
        return self.run(lambda client: bool(client.has_capability(capability)))

    def status(self, folder: str) -> Status:
        """Raises `RefusedError` where the folder may not be read or is gone."""
        wanted = ["UIDVALIDITY", "UIDNEXT", "MESSAGES"]
        wanted += ["HIGHESTMODSEQ"] if self.has("CONDSTORE") else []
        wanted += ["SIZE"] if self.has("STATUS=SIZE") else []
        found: dict[bytes, Any] = self.run(lambda client: client.folder_status(folder, wanted))
        size = found.get(b"SIZE")
        return Status(
            int(found.get(b"UIDVALIDITY", 0)),
            int(found.get(b"UIDNEXT", 0)),
            int(found.get(b"MESSAGES", 0)),
            int(found.get(b"HIGHESTMODSEQ", 0)),
            None if size is None else int(size),
        )

    def examine(self, folder: str) -> tuple[int, int]:
        """Opens a folder for reading alone: how many mails it holds, and its UIDVALIDITY."""
        self._examined = None
        found: dict[bytes, Any] = self.run(lambda client: client.select_folder(folder, readonly=True))
        self._examined = (folder, int(found.get(b"UIDVALIDITY", 0)))
        return int(found[b"EXISTS"]), self._examined[1]

    def fetch(self, numbers: Sequence[int], items: Sequence[str], *, uids: bool = True) -> dict[int, Any]:
        """FETCH in the folder that was opened last; what is gone is missing from the result.

        Raises:
            RefusedError: also where the server breaks the connection each time that it is asked for this,
                as some do for one damaged mail, and else answers.
        """

        def work(client: imapclient.IMAPClient) -> dict[int, Any]:
            if self._examined is None:
                raise ClosedError(self._settings.host, "no folder is open")
            client.use_uid = uids
            try:
                return dict(client.fetch(list(numbers), list(items)))
            finally:
                client.use_uid = True

        try:
            found = self.run(work)
        except SourceWaitError as error:
            self._breaks += 1
            if error.code != "source_unreachable" or self._breaks > _MOST_BREAKS or not self._answers():
                raise
            raise RefusedError(self._settings.host, error.message) from error
        self._breaks = 0
        return found

    def _answers(self) -> bool:
        try:
            self.run(lambda client: client.noop())
        except SourceWaitError:
            return False
        return True

    def close(self) -> None:
        if self._client is not None:
            with contextlib.suppress(IMAPClientError, OSError):
                self._client.logout()
            self._client = None

    def _open(self) -> imapclient.IMAPClient:
        if self._client is None:
            client = self._connect()
            try:
                self._sign_in(client)
            except BaseException:
                _hang_up(client)
                raise
            client.normalise_times = False
            self._client = client
            self.times_opened += 1
            self._examine_again(client)
        return self._client

    def _examine_again(self, client: imapclient.IMAPClient) -> None:
        if self._examined is None:
            return
        folder, validity = self._examined
        try:
            found = client.select_folder(folder, readonly=True)
        except IMAPClientAbortError:
            raise
        except IMAPClientError as error:
            self._examined = None
            raise ClosedError(self._settings.host, _words(error)) from error
        if int(found.get(b"UIDVALIDITY", 0)) != validity:
            self._examined = None
            raise UnavailableError(
                f"The folder {folder} was made anew while it was read; the next run reads it again.",
                code="source_changed",
            )

    def _drop(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            _hang_up(client)

    def _connect(self) -> imapclient.IMAPClient:
        settings = self._settings
        context = _tls_context(settings) if settings.tls != "none" else None
        client = imapclient.IMAPClient(
            settings.host,
            port=settings.port,
            ssl=settings.tls == "tls",
            ssl_context=context if settings.tls == "tls" else None,
            timeout=TIMEOUT_SECONDS,
        )
        if settings.tls == "starttls":
            try:
                client.starttls(context)
            except (OSError, IMAPClientAbortError):
                _hang_up(client)
                raise
            except IMAPClientError as error:
                _hang_up(client)
                raise UnavailableError(
                    f"{settings.host} offers no STARTTLS; choose TLS and port 993.", code="tls_failed"
                ) from error
        return client

    def _sign_in(self, client: imapclient.IMAPClient) -> None:
        settings = self._settings
        token, password = settings.oauth_token.get_secret_value(), settings.password.get_secret_value()
        if not token and client.has_capability("LOGINDISABLED") and not client.has_capability("AUTH=PLAIN"):
            raise InputError(
                f"{settings.host} takes no password on an unencrypted connection; choose TLS or STARTTLS.",
                code="sign_in_failed",
            )
        try:
            if token:
                client.oauth2_login(settings.username, token)
            elif client.has_capability("AUTH=PLAIN"):
                client.plain_login(settings.username, password)
            else:
                client.login(settings.username, password)
        except (LoginError, UnicodeEncodeError) as error:
            if isinstance(error.__context__, IMAPClientAbortError):
                raise error.__context__ from None  # the connection broke: nothing was said of the password
            said = _words(error).lower()
            if any(word in said for word in _BUSY) and not any(word in said for word in _WRONG):
                raise TryAgainError(
                    f"{settings.host} takes no more connections of this account now.",
                    code="rate_limited",
                    after_seconds=_BUSY_WAIT_SECONDS,
                ) from None
            # The server's words and the cause may repeat what was sent, so neither is passed on.
            raise InputError(_refusal(settings, bool(token)), code="sign_in_failed") from None

    def _broken(self, error: BaseException) -> Exception:
        host = self._settings.host
        if isinstance(error, ssl.SSLError) and not isinstance(error, ssl.SSLEOFError):
            why = getattr(error, "verify_message", "") or error.reason or "no common protocol"
            return UnavailableError(
                f"No safe connection to {host}: {why}. Check the server's name and port; give the company's "
                "certificate authority where it has one of its own.",
                code="tls_failed",
            )
        said = _words(error)
        if any(word in said.lower() for word in _BUSY):
            return TryAgainError(
                f"{host} takes no more connections now.",
                code="rate_limited",
                after_seconds=_BUSY_WAIT_SECONDS,
            )
        kind = (
            "did not answer in time"
            if isinstance(error, TimeoutError)
            else "broke the connection or refused it"
        )
        return TryAgainError(f"{host} {kind}.", code="source_unreachable")


def _hang_up(client: imapclient.IMAPClient) -> None:
    with contextlib.suppress(IMAPClientError, OSError):
        client.shutdown()


def _tls_context(settings: ImapSettings) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=settings.ca_file)
    except OSError as error:
        raise InputError(
            f"The certificate file {settings.ca_file} cannot be read; give a PEM file.", code="tls_failed"
        ) from error


def _refusal(settings: ImapSettings, token: bool) -> str:
    if token:
        return (
            f"{settings.host} refused the access token: it has expired or may not use IMAP; make a new one."
        )
    return (
        f"{settings.host} refused the user name or the password. Where the account has two-step sign-in, "
        "make an app password; see also that IMAP is switched on for the account."
    )


def _words(error: BaseException) -> str:
    text = " ".join(
        part.decode("utf-8", "replace") if isinstance(part, bytes) else str(part) for part in error.args
    )
    return text[:300]
