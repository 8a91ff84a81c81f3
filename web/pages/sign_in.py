"""Sign-in by password or link, and sign-out.

A link signs in at one click. When the click came from another site the page asks first, so that nobody can
quietly sign a visitor in as somebody else. Links are made by whoever runs Rung, and only for their owner.
"""

from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import RedirectResponse, Response

from app.core.errors import NotSignedInError
from web.auth import clear_cookie, cookie_of, find_caller, local_path, set_cookie
from web.contexts import LinkPage, SignInPage
from web.deps import Given, Services, Show
from web.present.frame import frame_for

pages = APIRouter(include_in_schema=False)


@pages.get("/sign-in")
def form(request: Request, services: Given, show: Show, next: str | None = None) -> Response:  # noqa: A002
    """The form; who is signed in already goes on."""
    path = local_path(next)
    if find_caller(request, services) is not None:
        return RedirectResponse(path, status_code=303)
    return show.page(SignInPage(frame=frame_for(request, "Sign in"), next_path=path))


@pages.post("/sign-in")
def sign_in(
    request: Request,
    services: Given,
    show: Show,
    email: Annotated[str, Form(max_length=320)] = "",
    password: Annotated[str, Form(max_length=1000)] = "",
    next: Annotated[str | None, Form()] = None,  # noqa: A002
) -> Response:
    path = local_path(next)
    try:
        secret = services.sign_ins.with_password(email, password)
    except NotSignedInError as error:
        page = SignInPage(
            frame=frame_for(request, "Sign in"), email=email, error=error.message, next_path=path
        )
        return show.page(page, status=429 if error.code == "too_many_attempts" else 401)
    return _welcome(services, secret, path)


@pages.get("/sign-in/link/{secret}")
def open_link(request: Request, services: Given, show: Show, secret: str) -> Response:
    if request.headers.get("sec-fetch-site", "none") in ("cross-site", "same-site"):
        return show.page(LinkPage(frame=frame_for(request, "Sign in by link"), secret=secret))
    return _welcome(services, services.sign_ins.with_link(secret), "/")


@pages.post("/sign-in/link/{secret}")
def confirm_link(services: Given, secret: str) -> Response:
    return _welcome(services, services.sign_ins.with_link(secret), "/")


@pages.post("/sign-out")
def sign_out(request: Request, services: Given) -> Response:
    secret = cookie_of(request, services.settings)
    if secret:
        services.sign_ins.end(secret)
    response = RedirectResponse("/sign-in", status_code=303)
    clear_cookie(response, services.settings)
    return response


def _welcome(services: Services, secret: str, path: str) -> Response:
    response = RedirectResponse(path, status_code=303)
    set_cookie(response, services.settings, secret)
    return response
