"""Values of what admins look after, as their templates show them."""

from dataclasses import dataclass, field

from web.present.views import Tone, When


@dataclass(frozen=True, slots=True)
class SourceView:
    name: str
    href: str
    sync_command: str
    kind: str
    location: str
    state: str
    tone: Tone
    documents: int
    last_run: When | None
    summary: str
    access: str = ""


@dataclass(frozen=True, slots=True)
class FailureView:
    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class FailureGroupView:
    code: str
    title: str
    advice: str
    items: tuple[FailureView, ...]
    more: int = 0


@dataclass(frozen=True, slots=True)
class RunView:
    started: When | None
    state: str
    tone: Tone
    summary: str
    counts: tuple[tuple[str, int], ...] = field(default=())
