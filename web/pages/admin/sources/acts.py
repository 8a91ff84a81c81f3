"""The buttons of a source's page. What takes something away asks once, on a page that names what goes."""

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import Response

from app.core.errors import RungError
from web.auth import Admin
from web.contexts import ConfirmPage
from web.deps import Given, Services, Show
from web.pages.admin.sources.status import source_page
from web.present.admin.sources.confirm import confirm_delete, confirm_reindex, confirm_removal
from web.present.admin.sources.words import source_href
from web.present.admin.views import ConfirmView
from web.present.frame import frame_for
from web.render import Renderer, go_to

pages = APIRouter(include_in_schema=False)

Text = Annotated[str, Form(max_length=4000)]


@pages.post("/sources/{name}/sync")
def sync(request: Request, name: str, admin: Admin, services: Given, show: Show) -> Response:
    return _do(request, services, show, name, "sync", lambda: services.syncs.start(name, actor=admin.email))


@pages.post("/sources/{name}/pause")
def pause(request: Request, name: str, admin: Admin, services: Given, show: Show) -> Response:
    return _do(request, services, show, name, "pause", lambda: services.syncs.pause(name, actor=admin.email))


@pages.post("/sources/{name}/resume")
def resume(request: Request, name: str, admin: Admin, services: Given, show: Show) -> Response:
    return _do(
        request, services, show, name, "resume", lambda: services.syncs.resume(name, actor=admin.email)
    )


@pages.post("/sources/{name}/cancel")
def cancel(
    request: Request, name: str, admin: Admin, services: Given, show: Show, run: Text = ""
) -> Response:
    return _do(request, services, show, name, "cancel", lambda: services.syncs.cancel(run, actor=admin.email))


@pages.post("/sources/{name}/retry")
def retry(
    request: Request,
    name: str,
    admin: Admin,
    services: Given,
    show: Show,
    code: Text = "",
    external_id: Text = "",
) -> Response:
    """Tries failures again: one, those of a kind, or all."""

    def act() -> None:
        services.syncs.retry(
            name,
            actor=admin.email,
            external_ids=[external_id] if external_id else None,
            code=code or None,
        )

    return _do(request, services, show, name, "retry", act)


@pages.get("/sources/{name}/confirm-removal")
def ask_removal(request: Request, name: str, _admin: Admin, services: Given, show: Show) -> Response:
    return _ask(request, show, confirm_removal(services.sources.get(name)))


@pages.post("/sources/{name}/confirm-removal")
def removal(request: Request, name: str, admin: Admin, services: Given, show: Show) -> Response:
    return _do(
        request,
        services,
        show,
        name,
        "removal",
        lambda: services.syncs.confirm_removal(name, actor=admin.email),
    )


@pages.get("/sources/{name}/reindex")
def ask_reindex(request: Request, name: str, _admin: Admin, services: Given, show: Show) -> Response:
    return _ask(request, show, confirm_reindex(services.sources.get(name)))


@pages.post("/sources/{name}/reindex")
def reindex(request: Request, name: str, admin: Admin, services: Given, show: Show) -> Response:
    return _do(
        request,
        services,
        show,
        name,
        "reindex",
        lambda: services.syncs.start(name, actor=admin.email, again=True),
    )


@pages.get("/sources/{name}/delete")
def ask_delete(request: Request, name: str, _admin: Admin, services: Given, show: Show) -> Response:
    return _ask(request, show, confirm_delete(services.sources.get(name)))


@pages.post("/sources/{name}/delete")
def delete(request: Request, name: str, admin: Admin, services: Given, show: Show) -> Response:
    """Removes it with all that is held of it; a run under way is stopped first."""
    source = services.sources.get(name)
    try:
        services.set_up.remove(name, actor=admin.email)
    except RungError as error:
        return _ask(request, show, confirm_delete(source, error), error.status)
    return go_to(request, "/sources?done=deleted")


def _do(
    request: Request,
    services: Services,
    show: Renderer,
    name: str,
    done: str,
    act: Callable[[], object],
) -> Response:
    source = services.sources.get(name)
    try:
        act()
    except RungError as error:
        return source_page(request, services, show, source, error=error)
    return go_to(request, f"{source_href(name)}?done={done}")


def _ask(request: Request, show: Renderer, confirm: ConfirmView, status: int = 200) -> Response:
    page = ConfirmPage(frame=frame_for(request, confirm.title, "sources"), confirm=confirm)
    return show.page(page, status=status)
