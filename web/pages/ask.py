"""Asking, watching the answer come, asking one rung up, and saying what was wrong.

With a script the question becomes a part of the open page and its answer a stream of server-sent events;
without one the form waits for the answer and goes to its place in the thread.
"""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Form, Header, Request
from starlette.responses import Response

from app.core.errors import InputError
from app.core.identity import Caller
from routing.history import Feedback, ReasonCode
from routing.question import AskRequest
from routing.runner import StartedAsk
from web.auth import SignedIn
from web.contexts import FeedbackFragment, SearchPage, ThreadFragment, TurnFragment
from web.deps import Given, Kit, Services, Show
from web.present.admin.sources import source_names
from web.present.asking.filters import Filters, box_view, filters_in_form, filters_of
from web.present.asking.live import LivePage
from web.present.asking.threads import LadderOf, feedback_view, running_turn
from web.present.frame import frame_for
from web.present.views import TurnView, when
from web.render import Renderer, asked_from, go_to, wants_fragment
from web.serving.follow import follow, wait_for
from web.serving.stream import last_event_id

pages = APIRouter(include_in_schema=False)

_Filters = Annotated[Filters, Depends(filters_in_form)]


@pages.post("/ask")
def ask(
    request: Request,
    caller: SignedIn,
    services: Given,
    show: Show,
    filters: _Filters,
    question: Annotated[str, Form()] = "",
    conversation_id: Annotated[str | None, Form(max_length=64)] = None,
) -> Response:
    try:
        asked = AskRequest(question, conversation_id or None, filters=filters.to_search())
        started = services.asks.start(caller, asked)
    except InputError as error:
        if wants_fragment(request):
            raise
        return _ask_again(request, services, show, question, conversation_id, filters, error)
    return _begun(request, services, show, caller, started, question, filters)


@pages.get("/asks/{query_id}/events")
def events(
    query_id: str,
    caller: SignedIn,
    services: Given,
    kit: Kit,
    last_event: Annotated[str | None, Header(alias="last-event-id")] = None,
) -> Response:
    """The answer as it comes. A browser that was cut off goes on after the last event it has."""
    asked = services.history.query(caller, query_id)
    page = LivePage(
        kit.renderer,
        query_id=query_id,
        question=asked.question,
        now=services.clock(),
        rungs=LadderOf(services, caller),
        asker=caller.name,
    )
    updates = follow(services.asks, caller, query_id)
    return kit.streams.response(page.events(updates, after=last_event_id(last_event)))


@pages.post("/queries/{query_id}/escalate")
def escalate(request: Request, query_id: str, caller: SignedIn, services: Given, show: Show) -> Response:
    """The same question one rung up, below the others."""
    started = services.asks.escalate(caller, query_id)
    asked = services.history.query(caller, started.query_id)
    return _begun(request, services, show, caller, started, asked.question, filters_of(asked.filters))


@pages.post("/queries/{query_id}/feedback")
def feedback(
    request: Request,
    query_id: str,
    caller: SignedIn,
    services: Given,
    show: Show,
    verdict: Annotated[Literal["good", "bad"], Form()],
    code: Annotated[ReasonCode | None, Form()] = None,
    reason: Annotated[str, Form()] = "",
) -> Response:
    good = verdict == "good"
    given = Feedback(good, None if good else code, "" if good else reason)
    services.asks.answerer.feedback(caller, query_id, good, given.words, given.code)
    asked = services.history.query(caller, query_id)
    if not wants_fragment(request):
        return go_to(request, f"/threads/{asked.conversation_id}#q-{query_id}")
    kept = feedback_view(asked.feedback or given)
    turn = TurnView(query_id=query_id, question="", state="done", feedback=kept)
    return show.fragment(FeedbackFragment(turn=turn))


def thread_address(started: StartedAsk, filters: Filters) -> str:
    """Where a question stands in its thread; the filters come along for the next one."""
    query = filters.query()
    return f"/threads/{started.conversation_id}{'?' + query if query else ''}#q-{started.query_id}"


def _begun(
    request: Request,
    services: Services,
    show: Renderer,
    caller: Caller,
    started: StartedAsk,
    question: str,
    filters: Filters,
) -> Response:
    address = thread_address(started, filters)
    if not wants_fragment(request):
        wait_for(services.asks, caller, started.query_id)
        return go_to(request, address)
    now = services.clock()
    turn = running_turn(
        started.query_id, started.conversation_id, question.strip(), when(now, now), filters.labels()
    )
    if asked_from(request) == "turns":
        return show.fragment(TurnFragment(turn=turn), address=address)
    form = box_view(
        filters,
        source_names(services),
        path=f"/threads/{started.conversation_id}",
        conversation_id=started.conversation_id,
    )
    return show.fragment(ThreadFragment(form=form, turns=(turn,)), address=address)


def _ask_again(
    request: Request,
    services: Services,
    show: Renderer,
    question: str,
    conversation_id: str | None,
    filters: Filters,
    error: InputError,
) -> Response:
    """The box with what was written and what is wrong with it."""
    form = box_view(
        filters,
        source_names(services),
        path="/",
        question=question,
        conversation_id=conversation_id or None,
        error=error.message,
    )
    page = SearchPage(frame=frame_for(request, "Ask", "ask"), form=form, results=(), took_ms=0)
    return show.page(page, status=error.status)
