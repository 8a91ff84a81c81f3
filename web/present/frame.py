"""The frame around every page: title, navigation and who is signed in."""

from starlette.requests import Request

from app.core.identity import Caller
from web.present.views import Frame, Visitor


def frame_for(request: Request, title: str, section: str = "") -> Frame:
    """The frame; it shows the visitor where the request has found one."""
    caller: Caller | None = getattr(request.state, "caller", None)
    return Frame(title=title, section=section, visitor=visitor_of(caller) if caller else None)


def visitor_of(caller: Caller) -> Visitor:
    words = caller.name.split() or [caller.email]
    initials = (words[0][:1] + (words[-1][:1] if len(words) > 1 else "")).upper()
    return Visitor(name=caller.name, email=caller.email, initials=initials, is_admin=caller.is_admin)
