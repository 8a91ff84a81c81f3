"""A source's own page, and the part of it that is looked at again while something goes on."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from app.core.errors import RungError
from ingest.sources import Source
from web.auth import Admin
from web.contexts import FailuresPage, LiveFragment, SourcePage
from web.deps import Given, Services, Show
from web.present.admin.sources.failures import A_PAGE, failure_list, failure_views
from web.present.admin.sources.status import (
    audit_view,
    change_view,
    changed_words,
    live_view,
    mark_of,
    run_view,
    status_view,
)
from web.present.admin.sources.views import LiveView
from web.present.admin.sources.words import source_href
from web.present.frame import frame_for
from web.render import Renderer, go_to

pages = APIRouter(include_in_schema=False)

_RUNS, _CHANGES, _AUDIT = 20, 12, 15

_NEWS = {
    "started": "It is set up. The first sync begins by itself.",
    "access": "Saved. Whom you took away no longer sees it; what the source says counts with the next sync.",
    "sync": "A sync is wanted and begins by itself.",
    "pause": "Paused. What is indexed can still be found.",
    "resume": "It is read again.",
    "cancel": "The run stops after the documents it is at.",
    "retry": "They are tried again by themselves.",
    "removal": "What the source no longer lists is removed with the next sync, which begins by itself.",
    "reindex": "Everything is read and indexed anew. Until then what is indexed can be found.",
}


@pages.get("/sources/{name}")
def source(
    request: Request,
    name: str,
    _admin: Admin,
    services: Given,
    show: Show,
    done: Annotated[str, Query(max_length=20)] = "",
) -> Response:
    found = services.sources.get(name)
    if found.is_draft:
        return go_to(request, f"{source_href(name)}/set-up")
    return source_page(request, services, show, found, news=_NEWS.get(done))


@pages.get("/sources/{name}/live")
def live(
    request: Request,
    name: str,
    _admin: Admin,
    services: Given,
    show: Show,
    shown: Annotated[str, Query(max_length=200)] = "",
    said: Annotated[int, Query(ge=-1, le=10)] = -1,
) -> Response:
    """How it stands now. Where a run has begun or ended since, the whole page is shown anew."""
    found = services.sources.get(name)
    if mark_of(found) != shown:
        return go_to(request, source_href(name))
    view = _live(services, found)
    # Screen readers are told each tenth of the way once, not every two seconds.
    percent = view.bar.percent if view.bar else None
    says = f"{percent} % of the documents are done." if percent is not None and percent // 10 != said else ""
    return show.fragment(LiveFragment(live=view, says=says))


@pages.get("/sources/{name}/failures/{code}")
def failures(
    request: Request,
    name: str,
    code: Annotated[str, Path(max_length=100)],
    _admin: Admin,
    services: Given,
    show: Show,
    q: Annotated[str, Query(max_length=200)] = "",
    page: Annotated[int, Query(ge=1, le=1_000_000)] = 1,
) -> Response:
    """All failures of one cause."""
    wanted = q.strip()
    notes, count = services.syncs.failures(
        name, code, contains=wanted, offset=(page - 1) * A_PAGE, limit=A_PAGE
    )
    view = failure_list(name, code, notes, count, number=page, filter_text=wanted)
    frame = frame_for(request, f"{view.group.title}: {name}", "sources")
    return show.page(FailuresPage(frame=frame, name=name, failures=view))


def source_page(
    request: Request,
    services: Services,
    show: Renderer,
    found: Source,
    *,
    news: str | None = None,
    error: RungError | None = None,
) -> Response:
    """The page of a source, with what an act has done or why it was refused."""
    now, runs = services.clock(), services.sources.runs(found.name, limit=_RUNS)
    # A retry of failures changes little: what is shown is of the latest run that changed anything.
    changed = next((run for run in runs if run.counts.upserted or run.counts.deleted), None)
    changes = services.syncs.changes(changed.id, limit=_CHANGES) if changed else ()
    page = SourcePage(
        frame=frame_for(request, found.name, "sources"),
        source=status_view(found, now),
        live=_live(services, found),
        failures=failure_views(found.name, services.syncs.failure_groups(found.name)),
        changes=tuple(change_view(change, now) for change in changes),
        changed=changed_words(changed, shown=len(changes), now=now) if changed else "",
        runs=tuple(run_view(run, now) for run in runs),
        audit=tuple(
            audit_view(entry, now) for entry in services.audit.about("source", found.name, limit=_AUDIT)
        ),
        news=news,
        error=error.message if error else None,
        code=error.code if error else "",
    )
    return show.page(page, status=error.status if error else 200)


def _live(services: Services, found: Source) -> LiveView:
    is_open = found.last_run is not None and found.last_run.is_open
    progress = services.syncs.progress(found.name) if is_open else None
    has_worker = not is_open or services.syncs.has_worker()
    return live_view(
        found,
        progress,
        services.clock(),
        has_worker=has_worker,
        worker_trouble=services.worker_trouble() if is_open else None,
    )
