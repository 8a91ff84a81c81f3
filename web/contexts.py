"""What each template may use: one frozen dataclass a template, named by its `template`.

A test reads every template and fails on a variable that its dataclass does not have.
"""

from dataclasses import dataclass, field
from typing import ClassVar

from web.present.record_views import (
    DocumentView,
    FailureGroupView,
    ReceiptRowView,
    RunView,
    SourceView,
    TierUseView,
)
from web.present.views import (
    AnswerView,
    ConversationView,
    Frame,
    PassageView,
    Piece,
    ProblemView,
    ResultView,
    RouteView,
    SearchFormView,
    StageView,
    TurnView,
)


class Context:
    """Base of all template contexts; `template` is the file below templates/."""

    __slots__ = ()
    template: ClassVar[str]


@dataclass(frozen=True, slots=True)
class PageContext(Context):
    """What the frame around every full page needs."""

    frame: Frame


@dataclass(frozen=True, slots=True)
class SignInPage(PageContext):
    template: ClassVar[str] = "sign_in.html"
    email: str = ""
    error: str | None = None
    next_path: str = "/"


@dataclass(frozen=True, slots=True)
class LinkPage(PageContext):
    template: ClassVar[str] = "sign_in_link.html"
    secret: str = ""


@dataclass(frozen=True, slots=True)
class HomePage(PageContext):
    template: ClassVar[str] = "home.html"
    form: SearchFormView
    suggestions: tuple[str, ...]
    recent: tuple[ConversationView, ...]
    sources: tuple[SourceView, ...]
    documents: int


@dataclass(frozen=True, slots=True)
class SearchPage(PageContext):
    template: ClassVar[str] = "search.html"
    form: SearchFormView
    results: tuple[ResultView, ...]
    took_ms: int


@dataclass(frozen=True, slots=True)
class ThreadPage(PageContext):
    template: ClassVar[str] = "thread.html"
    form: SearchFormView
    turns: tuple[TurnView, ...]


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
class ThreadsPage(PageContext):
    template: ClassVar[str] = "threads.html"
    conversations: tuple[ConversationView, ...]
    older: str | None


@dataclass(frozen=True, slots=True)
class WhyPage(PageContext):
    template: ClassVar[str] = "why.html"
    turn: TurnView
    thread_href: str
    stages: tuple[StageView, ...]
    attempts: tuple[ReceiptRowView, ...]
    passages: tuple[PassageView, ...]
    timings: tuple[tuple[str, str], ...]
    prompt: str | None


@dataclass(frozen=True, slots=True)
class DocumentPage(PageContext):
    template: ClassVar[str] = "document.html"
    document: DocumentView
    back_href: str | None = None


@dataclass(frozen=True, slots=True)
class UsagePage(PageContext):
    template: ClassVar[str] = "usage.html"
    scope_links: tuple[tuple[str, str, bool], ...]
    month: str
    earlier_href: str
    later_href: str | None
    spent: str
    saved: str
    questions: int
    budget: str | None
    tiers: tuple[TierUseView, ...]
    receipts: tuple[ReceiptRowView, ...]


@dataclass(frozen=True, slots=True)
class SourcesPage(PageContext):
    template: ClassVar[str] = "sources.html"
    sources: tuple[SourceView, ...]


@dataclass(frozen=True, slots=True)
class SourcePage(PageContext):
    template: ClassVar[str] = "source.html"
    source: SourceView
    failures: tuple[FailureGroupView, ...]
    runs: tuple[RunView, ...]


@dataclass(frozen=True, slots=True)
class ErrorPage(PageContext):
    template: ClassVar[str] = "error.html"
    status: int
    title: str
    message: str
    code: str


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
    """Makes the answer's place ready for words; `superseded` is the text of a rung that was not enough."""

    template: ClassVar[str] = "events/restart.html"
    superseded: tuple[str, ...] = field(default=())
    climbing: bool = False


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
