"""The contexts of parts of an open page."""

from dataclasses import dataclass, field
from typing import ClassVar

from web.contexts.base import Context
from web.present.views import (
    AnswerView,
    Piece,
    ProblemView,
    ResultView,
    RouteView,
    SearchFormView,
    StepView,
    TurnView,
)


@dataclass(frozen=True, slots=True)
class ThreadFragment(Context):
    """A thread without the frame, for a page that is already open."""

    template: ClassVar[str] = "events/thread.html"
    form: SearchFormView
    turns: tuple[TurnView, ...]


@dataclass(frozen=True, slots=True)
class TurnFragment(Context):
    """One question to add below the others."""

    template: ClassVar[str] = "events/turn.html"
    turn: TurnView


@dataclass(frozen=True, slots=True)
class Notice(Context):
    """An error or a piece of news beside what caused it."""

    template: ClassVar[str] = "events/notice.html"
    message: str
    tone: str = "bad"


@dataclass(frozen=True, slots=True)
class PassagesEvent(Context):
    template: ClassVar[str] = "events/passages.html"
    query_id: str
    results: tuple[ResultView, ...]
    took_ms: int | None


@dataclass(frozen=True, slots=True)
class RouteEvent(Context):
    template: ClassVar[str] = "events/route.html"
    route: RouteView


@dataclass(frozen=True, slots=True)
class RestartEvent(Context):
    """Makes the answer's place ready for words; `superseded` is the text of a rung that was not enough.

    `climbing` says why the next rung is asked.
    """

    template: ClassVar[str] = "events/restart.html"
    superseded: tuple[str, ...] = field(default=())
    climbing: str | None = None


@dataclass(frozen=True, slots=True)
class StepsEvent(Context):
    """What was looked for on the way; folded away when the answer is `done`."""

    template: ClassVar[str] = "events/steps.html"
    steps: tuple[StepView, ...]
    done: bool


@dataclass(frozen=True, slots=True)
class AnswerEvent(Context):
    template: ClassVar[str] = "events/answer.html"
    answer: AnswerView


@dataclass(frozen=True, slots=True)
class ReceiptEvent(Context):
    template: ClassVar[str] = "events/receipt.html"
    turn: TurnView


@dataclass(frozen=True, slots=True)
class FeedbackFragment(Context):
    template: ClassVar[str] = "events/feedback.html"
    turn: TurnView


@dataclass(frozen=True, slots=True)
class ProblemEvent(Context):
    template: ClassVar[str] = "events/problem.html"
    problem: ProblemView


@dataclass(frozen=True, slots=True)
class DeltaEvent(Context):
    template: ClassVar[str] = "events/delta.html"
    pieces: tuple[Piece, ...]
