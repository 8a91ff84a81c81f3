"""The contexts of the pages of admins."""

from dataclasses import dataclass
from typing import ClassVar

from web.contexts.base import Context, PageContext
from web.present.admin.catalogue.views import (
    CaseView,
    DeploymentView,
    FiguresView,
    PriceEntryView,
    PriceFormView,
    PriceView,
    PromptEventView,
    PromptView,
    RungPromptView,
    ShareFormView,
    TrialFormView,
    TrialPlanView,
    TrialView,
)
from web.present.admin.quality_views import CurveView, PolicyFormView, PolicyStateView, QualityView
from web.present.admin.views import (
    AdapterView,
    AssignFormView,
    AssignmentView,
    ConfirmView,
    EventView,
    ExamplesView,
    ReaderView,
    RungView,
    ServerView,
)
from web.present.views import Option


@dataclass(frozen=True, slots=True)
class ModelsPage(PageContext):
    template: ClassVar[str] = "admin/models.html"
    rungs: tuple[RungView, ...]
    asked: int
    unanswered: str
    server: ServerView
    reader: ReaderView | None
    adapters: tuple[AdapterView, ...]
    adapter_count: int
    filter_text: str
    filter_states: tuple[Option, ...]
    examples: ExamplesView
    train_command: str
    assignments: tuple[AssignmentView, ...]
    assign_form: AssignFormView
    days: int
    period_links: tuple[tuple[str, str, bool], ...]
    figures: tuple[FiguresView, ...]
    deployments: tuple[DeploymentView, ...]
    prices: tuple[PriceView, ...]
    price_entries: tuple[PriceEntryView, ...]
    price_form: PriceFormView
    news: str | None


@dataclass(frozen=True, slots=True)
class AdapterPage(PageContext):
    template: ClassVar[str] = "admin/adapter.html"
    adapter: AdapterView
    events: tuple[EventView, ...]
    commands: tuple[tuple[str, str], ...]
    news: str | None


@dataclass(frozen=True, slots=True)
class QualityPage(PageContext):
    template: ClassVar[str] = "admin/quality.html"
    quality: QualityView
    day_links: tuple[tuple[str, str, bool], ...]


@dataclass(frozen=True, slots=True)
class PolicyPage(PageContext):
    template: ClassVar[str] = "admin/quality_policy.html"
    policy: PolicyStateView
    form: PolicyFormView
    curve: CurveView | None
    news: str | None


@dataclass(frozen=True, slots=True)
class PromptsPage(PageContext):
    template: ClassVar[str] = "admin/prompts.html"
    rungs: tuple[RungPromptView, ...]
    prompts: tuple[PromptView, ...]
    events: tuple[PromptEventView, ...]
    news: str | None


@dataclass(frozen=True, slots=True)
class PromptPage(PageContext):
    template: ClassVar[str] = "admin/prompt.html"
    prompt: PromptView
    text: tuple[tuple[str, str], ...]
    cases: tuple[CaseView, ...]
    trials: tuple[TrialView, ...]
    speaks: bool
    share_form: ShareFormView
    try_command: str
    news: str | None


@dataclass(frozen=True, slots=True)
class TryPromptPage(PageContext):
    template: ClassVar[str] = "admin/prompt_try.html"
    prompt: PromptView
    form: TrialFormView
    plan: TrialPlanView | None


@dataclass(frozen=True, slots=True)
class TrialPage(PageContext):
    template: ClassVar[str] = "admin/prompt_trial.html"
    prompt: PromptView
    trial: TrialView
    speaks: bool
    news: str | None
    error: str | None
    code: str


@dataclass(frozen=True, slots=True)
class TrialFragment(Context):
    template: ClassVar[str] = "admin/prompt_trial_live.html"
    trial: TrialView


@dataclass(frozen=True, slots=True)
class ConfirmPage(PageContext):
    template: ClassVar[str] = "admin/confirm.html"
    confirm: ConfirmView
