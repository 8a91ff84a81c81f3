"""The contexts of the pages of sources, and of the parts of them that are loaded later."""

from dataclasses import dataclass
from typing import ClassVar

from web.contexts.base import Context, PageContext
from web.present.admin.sources.views import (
    AccessFormView,
    AuditView,
    ChangeView,
    CheckView,
    EstimateView,
    FailureGroupView,
    FailureListView,
    LiveView,
    PreviewView,
    RunRowView,
    SettingsFormView,
    SourceRowView,
    StatusView,
    StepView,
    TileView,
)


@dataclass(frozen=True, slots=True)
class SourcesPage(PageContext):
    template: ClassVar[str] = "admin/sources/list.html"
    sources: tuple[SourceRowView, ...]
    total: int
    filter_text: str
    news: str | None
    reindexing: str | None
    worker_trouble: str | None


@dataclass(frozen=True, slots=True)
class AddSourcePage(PageContext):
    template: ClassVar[str] = "admin/sources/add.html"
    steps: tuple[StepView, ...]
    tiles: tuple[TileView, ...]


@dataclass(frozen=True, slots=True)
class SourceFormPage(PageContext):
    """The settings: of a new source, of a draft, or of one that is there (without `steps`)."""

    template: ClassVar[str] = "admin/sources/form.html"
    title: str
    symbol: str
    needs: str
    steps: tuple[StepView, ...]
    form: SettingsFormView


@dataclass(frozen=True, slots=True)
class CheckPage(PageContext):
    """`result` is nothing until the check has run."""

    template: ClassVar[str] = "admin/sources/check.html"
    name: str
    action: str
    back_href: str
    steps: tuple[StepView, ...]
    result: CheckView | None


@dataclass(frozen=True, slots=True)
class CheckedFragment(Context):
    template: ClassVar[str] = "admin/sources/checked.html"
    result: CheckView


@dataclass(frozen=True, slots=True)
class PreviewPage(PageContext):
    """`result` is nothing until documents were read."""

    template: ClassVar[str] = "admin/sources/preview.html"
    name: str
    action: str
    back_href: str
    steps: tuple[StepView, ...]
    result: PreviewView | None


@dataclass(frozen=True, slots=True)
class PreviewedFragment(Context):
    template: ClassVar[str] = "admin/sources/previewed.html"
    result: PreviewView


@dataclass(frozen=True, slots=True)
class AccessPage(PageContext):
    """Who may see a source and how often it is read; for a draft, what the first sync would take too."""

    template: ClassVar[str] = "admin/sources/access.html"
    name: str
    estimate_action: str
    steps: tuple[StepView, ...]
    form: AccessFormView
    estimate: EstimateView | None


@dataclass(frozen=True, slots=True)
class EstimatedFragment(Context):
    template: ClassVar[str] = "admin/sources/estimated.html"
    estimate: EstimateView


@dataclass(frozen=True, slots=True)
class SourcePage(PageContext):
    template: ClassVar[str] = "admin/sources/source.html"
    source: StatusView
    live: LiveView
    failures: tuple[FailureGroupView, ...]
    changes: tuple[ChangeView, ...]
    changed: str
    runs: tuple[RunRowView, ...]
    audit: tuple[AuditView, ...]
    news: str | None
    error: str | None
    code: str


@dataclass(frozen=True, slots=True)
class FailuresPage(PageContext):
    """All failures of one cause, a page at a time."""

    template: ClassVar[str] = "admin/sources/failures.html"
    name: str
    failures: FailureListView


@dataclass(frozen=True, slots=True)
class LiveFragment(Context):
    """`says` is what screen readers are told of the progress; empty where they were told already."""

    template: ClassVar[str] = "admin/sources/live.html"
    live: LiveView
    says: str = ""
