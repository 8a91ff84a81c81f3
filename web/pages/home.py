"""The start page with the box, and the results of a search without an answer."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from app.core.errors import InputError
from app.core.identity import Caller
from web.auth import SignedIn
from web.contexts import HomePage, SearchPage
from web.deps import Given, Services, Show
from web.present.admin.sources import source_names, source_view
from web.present.asking.answers import result_view
from web.present.asking.filters import Filters, box_view, filters_in_query
from web.present.asking.threads import conversation_view
from web.present.frame import frame_for
from web.present.views import ResultView

pages = APIRouter(include_in_schema=False)

_Filters = Annotated[Filters, Depends(filters_in_query)]
_RECENT = 4
_RESULTS = 20


@pages.get("/")
def home(request: Request, caller: SignedIn, services: Given, show: Show, filters: _Filters) -> Response:
    now = services.clock()
    sources = tuple(source_view(source, now) for source in services.sources.list() if not source.is_draft)
    recent = services.history.conversations(caller, limit=_RECENT)
    return show.page(
        HomePage(
            frame=frame_for(request, "Ask", "ask"),
            form=box_view(filters, tuple(source.name for source in sources), path="/"),
            suggestions=services.suggestions,
            recent=tuple(conversation_view(found, now) for found in recent),
            sources=sources,
            documents=sum(source.documents for source in sources),
        )
    )


@pages.get("/search")
def search(
    request: Request,
    caller: SignedIn,
    services: Given,
    show: Show,
    filters: _Filters,
    q: Annotated[str, Query()] = "",
    question: Annotated[str, Query()] = "",
) -> Response:
    """Results alone. A question that cannot be used is explained beside the box."""
    text = q or question
    results, took_ms, error = _find(services, caller, text, filters)
    return show.page(
        SearchPage(
            frame=frame_for(request, text[:60] or "Search", "ask"),
            form=box_view(filters, source_names(services), path="/search", question=text, error=error),
            results=results,
            took_ms=took_ms,
        ),
        status=422 if error else 200,
    )


def _find(
    services: Services, caller: Caller, text: str, filters: Filters
) -> tuple[tuple[ResultView, ...], int, str | None]:
    try:
        found = services.searcher.search(caller, text, filters=filters.to_search(), limit=_RESULTS)
    except InputError as error:
        return (), 0, error.message
    now = services.clock()
    results = tuple(
        result_view(number, hit.best, hit.snippet, now) for number, hit in enumerate(found.hits, start=1)
    )
    return results, round(found.took_ms), None
