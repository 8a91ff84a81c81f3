"""The list of sources, and the tiles to add one."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from web.auth import Admin
from web.contexts import AddSourcePage, SourcesPage
from web.deps import Given, Show
from web.present.admin.sources import row_view
from web.present.admin.sources.listing import step_views, tile_view
from web.present.frame import frame_for

pages = APIRouter(include_in_schema=False)

_NEWS = {"deleted": "The source and everything that was held of it is gone from here."}


@pages.get("/sources")
def sources(
    request: Request,
    _admin: Admin,
    services: Given,
    show: Show,
    q: Annotated[str, Query(max_length=200)] = "",
    done: Annotated[str, Query(max_length=20)] = "",
) -> Response:
    now = services.clock()
    rows = [row_view(source, now) for source in services.sources.list()]
    wanted = q.strip().lower()
    found = [row for row in rows if wanted in f"{row.name} {row.kind} {row.state}".lower()]
    page = SourcesPage(
        frame=frame_for(request, "Sources", "sources"),
        sources=tuple(found),
        total=len(rows),
        filter_text=q.strip(),
        news=_NEWS.get(done),
        reindexing=services.reindexing(),
        worker_trouble=services.worker_trouble(),
    )
    return show.page(page)


@pages.get("/sources/add")
def add(request: Request, _admin: Admin, services: Given, show: Show) -> Response:
    page = AddSourcePage(
        frame=frame_for(request, "Add a source", "sources"),
        steps=step_views(0, None),
        tiles=tuple(tile_view(kind) for kind in services.set_up.kinds()),
    )
    return show.page(page)
