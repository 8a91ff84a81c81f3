"""The sources, for admins: what Rung reads, how the last run went, what it could not read."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from web.auth import Admin
from web.contexts import SourcePage, SourcesPage
from web.deps import Given, Show
from web.present.admin.sources import failure_groups, run_view, source_view
from web.present.frame import frame_for

pages = APIRouter(include_in_schema=False)

_RUNS = 20


@pages.get("/sources")
def sources(request: Request, _admin: Admin, services: Given, show: Show) -> Response:
    now = services.clock()
    views = tuple(source_view(source, now) for source in services.sources.list())
    return show.page(SourcesPage(frame=frame_for(request, "Sources", "sources"), sources=views))


@pages.get("/sources/{name}")
def source(
    request: Request,
    name: str,
    _admin: Admin,
    services: Given,
    show: Show,
) -> Response:
    now = services.clock()
    found = services.sources.get(name)
    failures = services.sources.failures(found.last_run.id) if found.last_run else []
    return show.page(
        SourcePage(
            frame=frame_for(request, name, "sources"),
            source=source_view(found, now),
            failures=failure_groups(failures),
            runs=tuple(run_view(run, now) for run in services.sources.runs(name)[:_RUNS]),
        )
    )
