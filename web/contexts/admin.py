"""The contexts of the pages of admins."""

from dataclasses import dataclass
from typing import ClassVar

from web.contexts.base import PageContext
from web.present.admin.views import FailureGroupView, RunView, SourceView


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
