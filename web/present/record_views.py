"""Values of documents, receipts and usage as their templates show them."""

from dataclasses import dataclass

from web.present.views import Piece, Tone, When


@dataclass(frozen=True, slots=True)
class ReceiptRowView:
    """A line of a table of attempts or answers. `reason` says why an attempt was not the last."""

    label: str
    href: str | None
    when: When | None
    tier: str
    outcome: str
    tone: Tone
    tokens: str
    duration: str
    price: str
    cost: str
    reason: str = ""


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
    page: int | None = None
    """The number of the page that begins here."""


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
    language: str = ""
    pages: int = 0
    notes: tuple[str, ...] = ()
