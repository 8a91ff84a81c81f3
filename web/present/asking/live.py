"""The updates of a running answer as pieces of the open page, made by the templates of the full page."""

import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Protocol

from retrieval.passage import Passage
from routing.updates import (
    AnswerUpdate,
    Citation,
    DeltaUpdate,
    EscalationUpdate,
    PassagesUpdate,
    ProblemUpdate,
    ReceiptUpdate,
    RouteUpdate,
    StepUpdate,
    Update,
)
from web.contexts import (
    AnswerEvent,
    DeltaEvent,
    PassagesEvent,
    ProblemEvent,
    ReceiptEvent,
    RestartEvent,
    RouteEvent,
    StepsEvent,
)
from web.present.asking.answers import (
    answer_view,
    authors_of,
    receipt_view,
    results_of,
    route_view,
    tier_label,
)
from web.present.asking.problems import problem_view
from web.present.asking.steps import step_views
from web.present.views import BetterView, Piece, TurnView
from web.render import Renderer
from web.serving.stream import ServerEvent

_CITE = re.compile(r"\s?\[(\d{1,3})\]")
_OPEN_CITE = re.compile(r"\s?\[?$|\s?\[\d{0,3}$")


class Rungs(Protocol):
    """What a page needs to know of the ladder."""

    @property
    def currency(self) -> str:
        """That of the plan."""
        ...

    @property
    def routine_notes(self) -> frozenset[str]:
        """Notes that stand on every receipt, and so are left to the page that explains an answer."""
        ...

    def better(self, tier_name: str, question: str, passages: tuple[Passage, ...]) -> BetterView | None:
        """The rung above with its price for this question, where it can be asked."""
        ...


class LivePage:
    """One page that watches an answer. It reads every update from the first and sends those not yet seen."""

    def __init__(
        self, renderer: Renderer, *, query_id: str, question: str, now: datetime, rungs: Rungs, asker: str
    ) -> None:
        self._renderer = renderer
        self._query_id = query_id
        self._question = question
        self._now = now
        self._rungs = rungs
        self._asker = asker
        self._text = ""
        self._held = ""
        self._passages: tuple[Passage, ...] = ()
        self._took_ms: int | None = None
        self._route: RouteUpdate | None = None
        self._steps: list[StepUpdate] = []

    def events(
        self, updates: Iterable[tuple[int, Update] | None], after: int = 0
    ) -> Iterator[ServerEvent | None]:
        """Server events. `after` is the id of the last one that the browser has."""
        if after == 0:
            # The page may have words of a stream that broke off: it starts again with an empty place.
            yield self._event("restart", self._renderer.html(RestartEvent()))
        for item in updates:
            if item is None:
                yield None
                continue
            sequence, update = item
            events = self._render(update)
            if sequence <= after:
                continue
            for position, (name, data) in enumerate(events, start=1):
                # Only the last one carries the id, so that a cut in between sends the update again.
                yield self._event(name, data, sequence if position == len(events) else None)
        yield self._event("done", "done")

    def _event(self, name: str, data: str, sequence: int | None = None) -> ServerEvent:
        return ServerEvent(name, data or "<!-- -->", sequence)

    def _render(self, update: Update) -> list[tuple[str, str]]:
        match update:
            case PassagesUpdate():
                self._passages, self._took_ms = update.passages, round(update.took_ms)
                return [self._results(())]
            case RouteUpdate():
                self._route = update
                return [self._route_line(update.tier, update.reasons)]
            case DeltaUpdate():
                return self._delta(update.text)
            case EscalationUpdate():
                return self._escalation(update)
            case StepUpdate():
                return self._step(update)
            case AnswerUpdate():
                return self._answer(update)
            case ReceiptUpdate():
                return [("receipt", self._renderer.html(ReceiptEvent(turn=self._receipt_turn(update))))]
            case ProblemUpdate():
                return self._problem(update)

    def _results(self, citations: tuple[Citation, ...]) -> tuple[str, str]:
        results = results_of(
            self._passages, self._question, self._now, query_id=self._query_id, citations=citations
        )
        context = PassagesEvent(query_id=self._query_id, results=results, took_ms=self._took_ms)
        return "passages", self._renderer.html(context)

    def _route_line(
        self, tier: str, reasons: tuple[str, ...], judged: float | None = None
    ) -> tuple[str, str]:
        """With what was estimated last: a judged answer says more than the question did."""
        difficulty = judged if judged is not None else self._route.difficulty if self._route else None
        return "route", self._renderer.html(RouteEvent(route=route_view(tier, difficulty, reasons)))

    def _delta(self, text: str) -> list[tuple[str, str]]:
        self._text += text
        whole = self._held + text
        unfinished = _OPEN_CITE.search(whole)
        cut = unfinished.start() if unfinished else len(whole)
        self._held = whole[cut:]
        pieces: list[Piece] = []
        position = 0
        for found in _CITE.finditer(whole, 0, cut):
            pieces += [Piece(whole[position : found.start()]), Piece("", n=int(found[1]))]
            position = found.end()
        pieces.append(Piece(whole[position:cut]))
        shown = tuple(piece for piece in pieces if piece.text or piece.n is not None)
        return [("delta", self._renderer.html(DeltaEvent(pieces=shown)))] if shown else []

    def _escalation(self, update: EscalationUpdate) -> list[tuple[str, str]]:
        before = tuple(part for part in _CITE.sub("", self._text).split("\n\n") if part.strip())
        self._text = self._held = ""
        reasons = (update.reason,) if update.reason else ()
        return [
            (
                "escalation",
                self._renderer.html(RestartEvent(superseded=before, climbing=climbing_words(update))),
            ),
            self._route_line(update.to_tier, reasons, update.difficulty),
        ]

    def _step(self, update: StepUpdate) -> list[tuple[str, str]]:
        """Words that were said before a step are no part of the answer: their place is made empty."""
        self._steps.append(update)
        events = [self._steps_list(done=False)]
        if self._text:
            self._text = self._held = ""
            events.append(("restart", self._renderer.html(RestartEvent())))
        known = {passage.chunk_id for passage in self._passages}
        new = tuple(passage for passage in update.passages if passage.chunk_id not in known)
        self._passages += new
        return [*events, self._results(())] if new else events

    def _steps_list(self, *, done: bool) -> tuple[str, str]:
        views = step_views(self._steps, self._rungs.currency)
        return "steps", self._renderer.html(StepsEvent(steps=views, done=done))

    def _answer(self, update: AnswerUpdate) -> list[tuple[str, str]]:
        view = answer_view(
            update.query_id,
            update.text,
            update.citations,
            update.abstained,
            authors_of(self._passages, asker=self._asker),
        )
        events = [("answer", self._renderer.html(AnswerEvent(answer=view))), self._results(update.citations)]
        if self._steps:
            events.append(self._steps_list(done=True))
        if self._route is not None and update.tier == self._route.tier:
            events.append(self._route_line(update.tier, self._route.reasons))
        return events

    def _receipt_turn(self, update: ReceiptUpdate) -> TurnView:
        return TurnView(
            query_id=update.query_id,
            question=self._question,
            state="done",
            receipt=receipt_view(update.receipt, without=self._rungs.routine_notes),
            better=self._rungs.better(update.receipt.tier, self._question, self._passages),
        )

    def _problem(self, update: ProblemUpdate) -> list[tuple[str, str]]:
        context = ProblemEvent(problem=problem_view(update.code, update.message, update.query_id))
        events = [("problem", self._renderer.html(context)), ("route", "")]
        return events if self._passages else [*events, ("passages", "")]


def climbing_words(update: EscalationUpdate) -> str:
    """Why the next rung is asked. What failed is told in a sentence, what was not good enough in a phrase."""
    label = tier_label(update.to_tier)
    asked = label[:1].lower() + label[1:] if label[1:2].islower() else label
    if update.failed:
        return f"{update.reason.partition('. ')[0].rstrip('.')}; asking the {asked}…"
    return f"The quick answer was not sure enough; asking the {asked}…"
