"""Protection around every request: size, origin, and the headers that tell a browser what to refuse.

A request that a browser sent from another site could carry the visitor's cookie. Every unsafe method is
therefore refused unless the browser says that it comes from here (`Sec-Fetch-Site`, or `Origin` in
browsers without it). A request with neither is no browser's; one with an API key carries no cookie.
"""

from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.core.errors import ForbiddenError, RungError, TooLargeError

MAX_BODY_BYTES = 1_000_000

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)

_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

ErrorResponder = Callable[[Request, RungError], Awaitable[Response]]


class Protection:
    """ASGI middleware; `respond` turns an error into the page or the problem that the caller expects."""

    def __init__(self, app: ASGIApp, *, respond: ErrorResponder, public_url: str) -> None:
        self._app = app
        self._respond = respond
        self._public_host = urlsplit(public_url).netloc

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        guarded_send = _with_headers(send)
        request = Request(scope)
        problem = self._refusal(request)
        if problem is not None:
            response = await self._respond(request, problem)
            await response(scope, receive, guarded_send)
            return
        await self._app(scope, _limited(receive), guarded_send)

    def _refusal(self, request: Request) -> RungError | None:
        length = request.headers.get("content-length", "0")
        if not length.isdigit() or int(length) > MAX_BODY_BYTES:
            return too_large()
        if request.method not in _SAFE_METHODS and self._is_cross_site(request.headers):
            return ForbiddenError(
                "This request came from another site, so nothing was done. Do it from Rung's own pages.",
                code="cross_site",
            )
        return None

    def _is_cross_site(self, headers: Headers) -> bool:
        if headers.get("authorization", "").lower().startswith("bearer "):
            return False
        site = headers.get("sec-fetch-site")
        if site is not None:
            return site not in ("same-origin", "none")
        origin = headers.get("origin")
        if origin is None:
            return False
        return urlsplit(origin).netloc not in {headers.get("host", ""), self._public_host}


def too_large() -> TooLargeError:
    return TooLargeError(f"A request may hold at most {MAX_BODY_BYTES:,} bytes.")


def _limited(receive: Receive) -> Receive:
    """Counts what really arrives: a request without a length may not be longer either."""
    seen = 0

    async def counted() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > MAX_BODY_BYTES:
            # FastAPI turns every other exception that comes while it reads a body into its own 400.
            raise HTTPException(413)
        return message

    return counted


def _with_headers(send: Send) -> Send:
    async def guarded(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers.setdefault(name, value)
            headers.setdefault("Cache-Control", "no-store")
        await send(message)

    return guarded
