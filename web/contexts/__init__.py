"""What each template may use: one frozen dataclass a template, named by its `template`.

A test reads every template and fails on a variable that its dataclass does not have.
"""

from web.contexts.admin import (
    AdapterPage,
    ConfirmPage,
    ModelsPage,
    PolicyPage,
    PromptPage,
    PromptsPage,
    QualityPage,
    SourcePage,
    SourcesPage,
)
from web.contexts.base import Context, PageContext
from web.contexts.budgets import BudgetsPage
from web.contexts.events import (
    AnswerEvent,
    DeltaEvent,
    FeedbackFragment,
    Notice,
    PassagesEvent,
    ProblemEvent,
    ReceiptEvent,
    RestartEvent,
    RouteEvent,
    StepsEvent,
    ThreadFragment,
    TurnFragment,
)
from web.contexts.pages import (
    DocumentPage,
    ErrorPage,
    HomePage,
    LinkPage,
    SearchPage,
    SignInPage,
    ThreadPage,
    ThreadsPage,
    UsagePage,
    WhyPage,
)

__all__ = [
    "AdapterPage",
    "AnswerEvent",
    "BudgetsPage",
    "ConfirmPage",
    "Context",
    "DeltaEvent",
    "DocumentPage",
    "ErrorPage",
    "FeedbackFragment",
    "HomePage",
    "LinkPage",
    "ModelsPage",
    "Notice",
    "PageContext",
    "PassagesEvent",
    "PolicyPage",
    "ProblemEvent",
    "PromptPage",
    "PromptsPage",
    "QualityPage",
    "ReceiptEvent",
    "RestartEvent",
    "RouteEvent",
    "SearchPage",
    "SignInPage",
    "SourcePage",
    "SourcesPage",
    "StepsEvent",
    "ThreadFragment",
    "ThreadPage",
    "ThreadsPage",
    "TurnFragment",
    "UsagePage",
    "WhyPage",
]
