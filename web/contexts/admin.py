"""The contexts of the pages of admins."""

from dataclasses import dataclass
from typing import ClassVar

from web.contexts.base import PageContext
from web.present.admin.quality_views import CurveView, PolicyFormView, PolicyStateView, QualityView
from web.present.admin.views import (
    AdapterView,
    AssignFormView,
    AssignmentView,
    ConfirmView,
    EventView,
    ExamplesView,
    FailureGroupView,
    ReaderView,
    RungView,
    RunView,
    ServerView,
    SourceView,
)
from web.present.views import Option


@dataclass(frozen=True, slots=True)
class SourcesPage(PageContext):
    template: ClassVar[str] = "admin/sources.html"
    sources: tuple[SourceView, ...]


@dataclass(frozen=True, slots=True)
class SourcePage(PageContext):
    template: ClassVar[str] = "admin/source.html"
    source: SourceView
    failures: tuple[FailureGroupView, ...]
    runs: tuple[RunView, ...]


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
class ConfirmPage(PageContext):
    template: ClassVar[str] = "admin/confirm.html"
    confirm: ConfirmView
