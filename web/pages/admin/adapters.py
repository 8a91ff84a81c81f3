"""One adapter, for admins: its versions, how they were judged, and what puts them in service or out of it.

Each act has a page that says what will change before anything does; both work without a script.
"""

from typing import Annotated, Literal

from fastapi import APIRouter, Form, Query, Request
from starlette.responses import Response

from app.core.errors import RungError
from app.core.identity import Caller
from web.auth import QuietAdmin
from web.contexts import AdapterPage, ConfirmPage
from web.deps import Given, Services, Show
from web.pages.admin.models import people_names
from web.present.admin.acts import Act, confirm_view, news_of
from web.present.admin.adapters import adapter_href, adapter_view, commands_for, event_view
from web.present.admin.views import AdapterView
from web.present.frame import frame_for
from web.render import Renderer, go_to

pages = APIRouter(include_in_schema=False)

Version = Annotated[int | None, Query(ge=1, le=1_000_000)]
FormVersion = Annotated[int | None, Form(ge=1, le=1_000_000)]


@pages.get("/models/{name}")
def adapter(
    request: Request,
    name: str,
    caller: QuietAdmin,
    services: Given,
    show: Show,
    done: Annotated[Literal["publish", "rollback", "retire"] | None, Query()] = None,
    version: Version = None,
) -> Response:
    view, now = _view(services, caller, name), services.clock()
    names = people_names(services)
    events = services.adapters.history(caller.workspace_id, name)
    return show.page(
        AdapterPage(
            frame=frame_for(request, name, "models"),
            adapter=view,
            events=tuple(event_view(event, names, now) for event in events),
            commands=commands_for(view),
            news=news_of(done, version) if done else None,
        )
    )


@pages.get("/models/{name}/{act}")
def confirm(
    request: Request,
    name: str,
    act: Act,
    caller: QuietAdmin,
    services: Given,
    show: Show,
    version: Version = None,
) -> Response:
    """What the act would change, with the button that does it."""
    return _confirm_page(request, show, _view(services, caller, name), act, version)


@pages.post("/models/{name}/{act}")
def do(
    request: Request,
    name: str,
    act: Act,
    caller: QuietAdmin,
    services: Given,
    show: Show,
    version: FormVersion = None,
    in_service: Annotated[bool, Form()] = False,
) -> Response:
    """Does it, or says beside the button why not."""
    view = _view(services, caller, name)
    try:
        changed = _do(services, caller, name, act, version, in_service)
    except RungError as error:
        return _confirm_page(request, show, view, act, version, error)
    return go_to(request, f"{adapter_href(name)}?done={act}&version={changed}")


def _do(
    services: Services, caller: Caller, name: str, act: Act, version: int | None, in_service: bool
) -> int:
    """The number of the version that was changed."""
    if act == "publish":
        return services.adapters.publish(caller, name, version).version
    if act == "rollback":
        return services.adapters.roll_back(caller, name).version
    return services.adapters.retire(caller, name, version, in_service=in_service).version


def _view(services: Services, caller: Caller, name: str) -> AdapterView:
    found = services.adapters.get(caller.workspace_id, name)
    assignments = services.adapters.assignments(caller.workspace_id)
    return adapter_view(found, assignments, people_names(services), services.clock())


def _confirm_page(
    request: Request,
    show: Renderer,
    view: AdapterView,
    act: Act,
    version: int | None,
    error: RungError | None = None,
) -> Response:
    confirm = confirm_view(view, act, version, error)
    page = ConfirmPage(frame=frame_for(request, confirm.title, "models"), confirm=confirm)
    return show.page(page, status=error.status if error else 200)
