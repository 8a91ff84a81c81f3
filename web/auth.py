"""Who is asking: a browser by its cookie, a program by its API key. A cookie holds a secret, nothing else."""

from typing import Annotated

from fastapi import Depends, Request
from starlette.responses import Response

from app.core.config import Settings
from app.core.errors import ForbiddenError, NotFoundError, NotSignedInError
from app.core.identity import Caller
from web.deps import Given, Services


def cookie_name(settings: Settings) -> str:
    """Behind TLS the name's prefix makes browsers refuse the cookie from any other host or path."""
    return "__Host-rung" if settings.secure_cookies else "rung"


def set_cookie(response: Response, settings: Settings, secret: str) -> None:
    response.set_cookie(
        cookie_name(settings),
        secret,
        max_age=settings.session_days * 86_400,
        httponly=True,
        samesite="lax",
        secure=settings.secure_cookies,
        path="/",
    )


def clear_cookie(response: Response, settings: Settings) -> None:
    response.delete_cookie(
        cookie_name(settings), path="/", httponly=True, samesite="lax", secure=settings.secure_cookies
    )


def cookie_of(request: Request, settings: Settings) -> str | None:
    return request.cookies.get(cookie_name(settings))


def find_caller(request: Request, services: Services) -> Caller | None:
    """The caller, or nothing for an anonymous visitor.

    Raises:
        NotSignedInError: `key_not_valid` for an API key that is not good; a bad cookie is no cookie.
    """
    scheme, _, secret = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return services.sign_ins.with_key(secret.strip())
    cookie = cookie_of(request, services.settings)
    return services.sign_ins.caller(cookie) if cookie else None


def require_caller(request: Request, services: Given) -> Caller:
    """Raises NotSignedInError for an anonymous visitor."""
    caller = find_caller(request, services)
    if caller is None:
        raise NotSignedInError("Sign in in the browser, or send an API key as a bearer token.")
    request.state.caller = caller
    return caller


def require_admin(caller: Annotated[Caller, Depends(require_caller)]) -> Caller:
    """Raises ForbiddenError for anyone but an admin."""
    if not caller.is_admin:
        raise ForbiddenError("Only an admin may open this. Ask whoever runs Rung.", code="admin_only")
    return caller


def require_admin_quietly(caller: Annotated[Caller, Depends(require_caller)]) -> Caller:
    """Raises NotFoundError for anyone but an admin: the page is not there for others."""
    if not caller.is_admin:
        raise NotFoundError("There is nothing at this address.")
    return caller


SignedIn = Annotated[Caller, Depends(require_caller)]
Admin = Annotated[Caller, Depends(require_admin)]
QuietAdmin = Annotated[Caller, Depends(require_admin_quietly)]


def local_path(path: str | None) -> str:
    """The path to go to after sign-in: of this site only, else the start page."""
    if not path or not path.startswith("/") or path.startswith("//") or "\\" in path:
        return "/"
    if any(ord(character) < 32 for character in path) or path.startswith("/sign-in"):
        return "/"
    return path
