"""Errors as answers: problem+json for programs, a page that says what to do for people."""

from collections.abc import Sequence
from typing import cast
from urllib.parse import quote

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from app.core.clock import new_id
from app.core.errors import (
    ForbiddenError,
    InputError,
    NotFoundError,
    NotSignedInError,
    RungError,
)
from web.contexts import ErrorPage, Notice
from web.present.frame import frame_for
from web.render import Renderer, asked_from, go_to, wants_fragment
from web.serving.security import too_large

_PARTS = ("body", "query", "path", "header", "cookie")

_AWAITED = frozenset({"found", "estimated"})
"""Places in pages that are filled after the page has come."""

_log = structlog.get_logger("web")


class Problem(BaseModel):
    """What a failed call of the API answers (RFC 9457). `code` is stable; `detail` is for people.

    `errors` says what is wrong with which field; it is left out where no field is at fault.
    """

    type: str
    title: str
    status: int
    detail: str
    code: str
    errors: dict[str, str] | None = None


class MethodNotAllowedError(RungError):
    status, title, default_code = 405, "Not this way", "method_not_allowed"


def install(app: FastAPI, renderer: Renderer) -> None:
    """Registers the handlers. Errors that nobody raised on purpose are logged with the id that is shown."""

    async def expected(request: Request, error: Exception) -> Response:
        return await respond(request, cast(RungError, error))

    async def respond(request: Request, error: RungError) -> Response:
        if error.status >= 500:
            _log.error("request_failed", path=request.url.path, code=error.code, detail=error.message)
        return to_response(request, error, renderer)

    async def invalid(request: Request, error: Exception) -> Response:
        wrong = cast(RequestValidationError, error)
        return await respond(request, InputError(_words(wrong), code="invalid_input", errors=_fields(wrong)))

    async def http(request: Request, error: Exception) -> Response:
        raised = cast(HTTPException, error)
        response = await respond(request, _from_http(raised))
        response.headers.update(raised.headers or {})
        return response

    async def unexpected(request: Request, error: Exception) -> Response:
        error_id = new_id()
        _log.error("unexpected_error", error_id=error_id, path=request.url.path, exc_info=error)
        return to_response(
            request,
            RungError(f"Rung made a mistake. Try again; whoever runs Rung finds {error_id} in the log."),
            renderer,
        )

    app.add_exception_handler(RungError, expected)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(Exception, unexpected)


def to_response(request: Request, error: RungError, renderer: Renderer) -> Response:
    """The answer that suits who asked: a program, a script of an open page, or a browser."""
    if wants_problem(request):
        return problem_response(error)
    if isinstance(error, NotSignedInError) and error.code == "not_signed_in":
        return _to_sign_in(request)
    if wants_fragment(request):
        # What was to be looked up says where it was awaited that it failed; other parts stay as they are.
        target = None if asked_from(request) in _AWAITED else "#ask-error"
        return renderer.fragment(Notice(message=error.message), status=error.status, target=target)
    page = ErrorPage(
        frame=frame_for(request, error.title),
        status=error.status,
        title=error.title,
        message=error.message,
        code=error.code,
    )
    return renderer.page(page, status=error.status)


def problem_of(error: RungError) -> Problem:
    return Problem(
        type=f"urn:rung:problem:{error.code}",
        title=error.title,
        status=error.status,
        detail=error.message,
        code=error.code,
        errors=(error.errors or None) if isinstance(error, InputError) else None,
    )


def problem_response(error: RungError) -> JSONResponse:
    problem = problem_of(error)
    headers = {"WWW-Authenticate": "Bearer"} if isinstance(error, NotSignedInError) else None
    return JSONResponse(
        problem.model_dump(exclude_none=True),
        status_code=error.status,
        media_type="application/problem+json",
        headers=headers,
    )


def wants_problem(request: Request) -> bool:
    """True for the API's addresses and for who prefers JSON."""
    if request.url.path.startswith(("/api/", "/v1/", "/healthz", "/readyz", "/metrics")):
        return True
    accept = request.headers.get("accept", "")
    return "json" in accept and "text/html" not in accept


def _to_sign_in(request: Request) -> Response:
    if request.method == "GET" and not wants_fragment(request) and request.url.path != "/":
        path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return go_to(request, f"/sign-in?next={quote(path)}")
    return go_to(request, "/sign-in")


def _from_http(error: HTTPException) -> RungError:
    if error.status_code == 404:
        return NotFoundError("There is nothing at this address.")
    if error.status_code == 405:
        return MethodNotAllowedError("This address does not take this kind of request.")
    if error.status_code == 413:
        return too_large()
    if error.status_code == 403:
        return ForbiddenError(str(error.detail))
    return InputError(str(error.detail), code="invalid_input")


def _words(error: RequestValidationError) -> str:
    parts = []
    for item in error.errors()[:5]:
        where = _where(item["loc"])
        parts.append(f"{where}: {item['msg']}" if where else str(item["msg"]))
    return "; ".join(parts)


def _fields(error: RequestValidationError) -> dict[str, str]:
    """The first thing that is wrong with each field."""
    found: dict[str, str] = {}
    for item in error.errors():
        if item["type"] != "json_invalid" and (where := _where(item["loc"])):
            found.setdefault(where, str(item["msg"]))
    return found


def _where(loc: Sequence[object]) -> str:
    """The field's name; the part of the request that it came in is left out."""
    return ".".join(str(part) for part in (loc[1:] if loc and loc[0] in _PARTS else loc))
