"""Threads of questions, which only their asker may open, and why an answer came out as it did."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import RedirectResponse, Response

from web.auth import SignedIn
from web.contexts import ThreadPage, ThreadsPage, WhyPage
from web.deps import Given, Show
from web.present.admin.sources import source_names
from web.present.asking.answers import adapter_of
from web.present.asking.filters import Filters, box_view, filters_in_query
from web.present.asking.threads import (
    LadderOf,
    attempt_rows,
    conversation_view,
    notes_of,
    passage_rows,
    stages_of,
    timing_rows,
    turn_view,
)
from web.present.frame import frame_for

pages = APIRouter(include_in_schema=False)

_PAGE = 30


@pages.get("/threads")
def threads(
    request: Request,
    caller: SignedIn,
    services: Given,
    show: Show,
    offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
) -> Response:
    now = services.clock()
    found = services.history.conversations(caller, limit=_PAGE + 1, offset=offset)
    return show.page(
        ThreadsPage(
            frame=frame_for(request, "Your questions", "threads"),
            conversations=tuple(conversation_view(item, now) for item in found[:_PAGE]),
            older=f"/threads?offset={offset + _PAGE}" if len(found) > _PAGE else None,
        )
    )


@pages.get("/threads/{conversation_id}")
def thread(
    request: Request,
    conversation_id: str,
    caller: SignedIn,
    services: Given,
    show: Show,
    filters: Annotated[Filters, Depends(filters_in_query)],
) -> Response:
    conversation = services.history.conversation(caller, conversation_id)
    now, rungs = services.clock(), LadderOf(services, caller)
    turns = tuple(
        turn_view(services.history.trail(caller, asked.query_id), rungs, now, asker=caller.name)
        for asked in conversation.questions
    )
    form = box_view(
        filters, source_names(services), path=f"/threads/{conversation_id}", conversation_id=conversation_id
    )
    return show.page(ThreadPage(frame=frame_for(request, conversation.title, "ask"), form=form, turns=turns))


@pages.get("/queries/{query_id}/why")
def why(request: Request, query_id: str, caller: SignedIn, services: Given, show: Show) -> Response:
    trail = services.history.trail(caller, query_id)
    now = services.clock()
    return show.page(
        WhyPage(
            frame=frame_for(request, "Why no answer?" if trail.asked.problem else "Why this answer?"),
            turn=turn_view(trail, LadderOf(services, caller), now, asker=caller.name),
            thread_href=f"/threads/{trail.asked.conversation_id}#q-{query_id}",
            stages=stages_of(trail),
            attempts=attempt_rows(trail.asked, services.usage.plan.currency),
            adapter=adapter_of(trail.notes),
            notes=notes_of(trail),
            problem=trail.asked.problem.message if trail.asked.problem else None,
            passages=passage_rows(trail),
            timings=timing_rows(trail.timings_ms),
            prompt=trail.prompt_id,
        )
    )


@pages.get("/queries/{query_id}/answer")
def answer(query_id: str, caller: SignedIn, services: Given) -> Response:
    """The place of an answer in its thread, for links that know the question alone."""
    asked = services.history.query(caller, query_id)
    return RedirectResponse(f"/threads/{asked.conversation_id}#q-{query_id}", status_code=303)
