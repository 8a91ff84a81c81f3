"""Values of documents, sources and usage as their templates show them; those of questions are in `views`."""

from dataclasses import dataclass, field

from web.present.views import Piece, Tone, When


@dataclass(frozen=True, slots=True)
class ReceiptRowView:
    """A line of a table of attempts or answers."""

    label: str
    href: str | None
    when: When | None
    tier: str
    outcome: str
    tokens: str
    duration: str
    price: str
    cost: str


@dataclass(frozen=True, slots=True)
class TierUseView:
    tier: str
    height: int
    rungs: int
    questions: int
    share_percent: int
    price: str
    saved: str


@dataclass(frozen=True, slots=True)
class DocumentBlock:
    """A heading (`level` 2 to 4) or a paragraph (`level` 0) of a document."""

    level: int
    pieces: tuple[Piece, ...]
    anchor: bool = False


@dataclass(frozen=True, slots=True)
class DocumentView:
    title: str
    source: str
    path: str
    author: str | None
    date: When | None
    original_href: str | None
    blocks: tuple[DocumentBlock, ...]
    has_passage: bool
    characters: int


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
