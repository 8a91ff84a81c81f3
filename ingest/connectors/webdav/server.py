"""Questions to a WebDAV server, and what its refusals mean."""

import base64
import time
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

import httpx

from app.core.errors import InputError, UnavailableError
from app.core.outgoing import Outgoing, OutgoingError, reaching, read_limited, retry_after_seconds
from ingest.connector import ReadContext
from ingest.connectors.webdav.multistatus import REQUEST, Entry, read_entries, request_path
from ingest.connectors.webdav.settings import WebdavSettings
from ingest.remote import SourceWaitError, TryAgainError

_MAX_LISTING_BYTES = 64_000_000
_REDIRECTS = frozenset({301, 302, 307, 308})
_MAX_HOPS = 3
_OF_ITEM = {"too_large", "unreadable_answer", "too_many_redirects", "server_error"}


class ItemError(Exception):
    """One file or folder cannot be had; `code` and `reason` are those of a `Failure`."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: httpx.Headers
    content: bytes


class DavServer:
    """Asks one server, at most so often a second, with the credentials for this server alone."""

    def __init__(self, settings: WebdavSettings, context: ReadContext) -> None:
        self._settings = settings
        self._context = context
        parts = urlsplit(settings.address)
        self._origin = f"{parts.scheme}://{parts.netloc}"
        self._client = Outgoing(frozenset({settings.host}), ca_file=settings.ca_file).client()
        self._next = 0.0

    def url(self, path: str) -> str:
        return f"{self._origin}{path}"

    def list(self, path: str) -> tuple[Entry | None, list[Entry]]:
        """A folder and what is directly in it.

        Raises:
            ItemError: this folder cannot be listed.
            InputError, UnavailableError: nor can anything else.
        """
        headers = {"Depth": "1", "Content-Type": "application/xml; charset=utf-8"}
        answer = self._ask("PROPFIND", path.rstrip("/") + "/", headers, REQUEST, _MAX_LISTING_BYTES)
        if answer.status in (405, 501) or answer.status == 200:
            raise InputError(
                f"{self._settings.host} does not speak WebDAV at this address; give the WebDAV address "
                "(Nextcloud: …/remote.php/dav/files/NAME/).",
                code="not_webdav",
            )
        if answer.status != 207:
            raise _refused(answer.status)
        return read_entries(answer.content, path)

    def read(self, path: str) -> bytes:
        """A file's bytes.

        Raises:
            ItemError: this file cannot be read.
            InputError, UnavailableError: nor can anything else.
        """
        answer = self._ask("GET", path, {}, None, self._context.max_file_bytes)
        if answer.status != 200:
            raise _refused(answer.status)
        return answer.content

    def close(self) -> None:
        self._client.close()

    def _ask(
        self, method: str, path: str, headers: dict[str, str], content: bytes | None, max_bytes: int
    ) -> Answer:
        here = self.url(path)
        for _ in range(_MAX_HOPS + 1):
            answer = self._again(method, here, headers, content, max_bytes)
            target = answer.headers.get("location") if answer.status in _REDIRECTS else None
            if answer.status == 401 and self._signs_in_elsewhere(path):
                raise _refused(403)
            if answer.status == 401:
                raise self._not_signed_in(answer)
            if not target:
                return answer
            there = urljoin(here, target)
            if urlsplit(there).hostname != self._settings.host or not self._keeps_safe(there):
                raise ItemError(
                    "redirected",
                    f"It leads on to {urlsplit(there).hostname}, which is another server, or to an "
                    "unencrypted address; give the address where it ends.",
                )
            here = there
        raise ItemError("too_many_redirects", "It redirects in a circle; mend it at the server.")

    def _signs_in_elsewhere(self, path: str) -> bool:
        """Some servers ask for another sign-in where an account has no right: the top tells which it is."""
        top = request_path(urlsplit(self._settings.address).path)
        if path.rstrip("/") == top.rstrip("/"):
            return False
        answer = self._again("PROPFIND", self.url(top), {"Depth": "0"}, REQUEST, _MAX_LISTING_BYTES)
        return answer.status != 401

    def _again(
        self, method: str, url: str, headers: dict[str, str], content: bytes | None, max_bytes: int
    ) -> Answer:
        try:
            return self._context.calls.run(
                self._settings.host, lambda: self._once(method, url, headers, content, max_bytes)
            )
        except SourceWaitError as error:
            if error.code in _OF_ITEM:
                raise ItemError(error.code, f"{error.message} It is tried again at the next sync.") from error
            raise
        except OutgoingError as error:
            if error.code in _OF_ITEM:
                raise ItemError(error.code, error.message) from error
            raise

    def _once(
        self, method: str, url: str, headers: dict[str, str], content: bytes | None, max_bytes: int
    ) -> Answer:
        self._wait()
        host, asked = self._settings.host, {**headers, **self._credentials()}
        try:
            with (
                reaching(host),
                self._client.stream(method, url, headers=asked, content=content) as response,
            ):
                status = response.status_code
                if status == 429 or (status >= 500 and status not in (501, 507)):
                    raise _try_again(host, response)
                wanted = status in (200, 207)
                return Answer(status, response.headers, read_limited(response, max_bytes) if wanted else b"")
        except OutgoingError as error:
            if error.passing:
                raise TryAgainError(error.message, code=error.code) from error
            raise

    def _credentials(self) -> dict[str, str]:
        settings = self._settings
        if token := settings.bearer_token.get_secret_value():
            return {"Authorization": f"Bearer {token}"}
        if not settings.username:
            return {}
        pair = f"{settings.username}:{settings.password.get_secret_value()}".encode()
        return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}

    def _keeps_safe(self, url: str) -> bool:
        return urlsplit(url).scheme == "https" or self._origin.startswith("http:")

    def _not_signed_in(self, answer: Answer) -> InputError:
        host = self._settings.host
        schemes = {
            each.split()[0].lower() for each in answer.headers.get_list("www-authenticate") if each.split()
        }
        offered = {name.rstrip(",") for name in schemes}
        if offered and offered <= {"ntlm", "negotiate", "kerberos"}:
            text = (
                f"{host} takes Windows sign-in alone (NTLM). Switch on basic authentication over https "
                "for this address, or give a bearer token."
            )
        elif self._settings.bearer_token.get_secret_value():
            text = (
                f"{host} refused the bearer token: it has expired or is not for this address; make a new one."
            )
        elif not self._settings.username:
            text = f"{host} wants a sign-in; give a user name and a password."
        else:
            text = (
                f"{host} refused the user name or the password. With two-step sign-in an app password is "
                "needed; Nextcloud makes one under Security."
            )
        return InputError(text, code="sign_in_failed")

    def _wait(self) -> None:
        now = time.monotonic()
        start = max(now, self._next)
        self._next = start + 1 / self._settings.requests_per_second
        while now < start and not self._context.stopping():
            time.sleep(min(start - now, 0.2))
            now = time.monotonic()


def _try_again(host: str, response: httpx.Response) -> TryAgainError:
    after = retry_after_seconds(response)
    if response.status_code in (429, 503):
        return TryAgainError(
            f"{host} asks to be called less often ({response.status_code}).",
            code="rate_limited",
            after_seconds=after,
        )
    return TryAgainError(
        f"{host} has an error of its own ({response.status_code}).", code="server_error", after_seconds=after
    )


def _refused(status: int) -> ItemError:
    known = {
        403: ("permission_denied", "The account may not read it; share it with the account."),
        404: ("vanished", "It was there when the folder was listed and is gone now."),
        410: ("vanished", "It was there when the folder was listed and is gone now."),
        423: ("locked", "Somebody has locked it; it is tried again at the next sync."),
        507: ("server_full", "The server has no space left (507); it is tried again at the next sync."),
    }
    code, reason = known.get(status, ("unreadable", f"The server answers {status}; tell whoever runs it."))
    return ItemError(code, reason)


def whole_source(error: ItemError) -> InputError | UnavailableError:
    """What it means when the folder of the source itself cannot be listed."""
    if error.code == "permission_denied":
        return InputError(
            "The account may not list this folder; share it with the account, with the right to read.",
            code="permission_missing",
        )
    if error.code == "vanished":
        return UnavailableError("There is no folder at this address; check it.", code="source_unreachable")
    return UnavailableError(f"The folder cannot be listed: {error.reason}", code="source_unreachable")
