"""The contexts of full pages for everyone."""

from dataclasses import dataclass
from typing import ClassVar

from web.contexts.base import PageContext
from web.present.admin.views import SourceView
from web.present.record_views import DocumentView, ReceiptRowView, TierUseView
from web.present.views import (
    ConversationView,
    PassageView,
    ResultView,
    SearchFormView,
    StageView,
    TurnView,
)


@dataclass(frozen=True, slots=True)
class SignInPage(PageContext):
    template: ClassVar[str] = "account/sign_in.html"
    email: str = ""
    error: str | None = None
    next_path: str = "/"


@dataclass(frozen=True, slots=True)
class LinkPage(PageContext):
    template: ClassVar[str] = "account/sign_in_link.html"
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
    adapter: tuple[str, str] | None
    notes: tuple[str, ...]
    problem: str | None


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
    own_budget: str | None
    budgets_href: str | None
    tiers: tuple[TierUseView, ...]
    receipts: tuple[ReceiptRowView, ...]


@dataclass(frozen=True, slots=True)
class ErrorPage(PageContext):
    template: ClassVar[str] = "error.html"
    status: int
    title: str
    message: str
    code: str
