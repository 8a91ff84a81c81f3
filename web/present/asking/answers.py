"""Questions, answers and results as the templates show them. Links to documents are made here alone."""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from email.utils import parseaddr
from functools import lru_cache

from app.core.usage import Receipt
from billing.money import format_money
from retrieval.passage import Passage
from retrieval.snippet import Highlight, Snippet, make_snippet
from routing.tier import TierSpec, load_specs
from routing.updates import Citation
from web.present.views import (
    AnswerView,
    CitationView,
    Piece,
    ReceiptView,
    ResultView,
    RouteView,
    Tone,
    when,
)

_CITE = re.compile(r"\[(\d{1,3})\]")
_PARAGRAPH = re.compile(r"\n\s*\n")


@lru_cache(maxsize=1)
def _specs() -> tuple[TierSpec, ...]:
    return load_specs()


def tier_label(name: str) -> str:
    """What people call a rung; a name that is no longer in the ladder stays as it is."""
    return next((spec.label for spec in _specs() if spec.name == name), name)


def tier_height(name: str) -> tuple[int, int]:
    """How many steps up the rung is, and how many the ladder has; 0 for one that it no longer has."""
    names = [spec.name for spec in _specs()]
    return (names.index(name) + 1 if name in names else 0), len(names)


def document_href(document_id: str, start: int, end: int, query_id: str | None = None) -> str:
    """The address of a document at a passage of it; `query_id` leads back to the answer."""
    back = f"&query={query_id}" if query_id else ""
    return f"/documents/{document_id}?from={start}&to={end}{back}#passage"


def answer_view(
    query_id: str, text: str, citations: Sequence[Citation], abstained: bool, ask_whom: tuple[str, ...] = ()
) -> AnswerView:
    """An answer whose `[n]` are links; a number without a citation stays plain text.

    The words that answer are marked, where the rung knows them.
    """
    links = {c.n: document_href(c.document_id, c.start, c.end, query_id) for c in citations}
    places = {c.n: c.place for c in citations if c.place}
    answers = {} if abstained else {c.n: c.answer for c in citations if c.answer}
    return AnswerView(
        query_id=query_id,
        paragraphs=tuple(
            tuple(_pieces(part, links, answers, places)) for part in _PARAGRAPH.split(text.strip()) if part
        ),
        citations=tuple(CitationView(c.n, c.title, links[c.n], c.quote, c.place) for c in citations),
        abstained=abstained,
        ask_whom=ask_whom if abstained else (),
    )


def _pieces(
    text: str, links: Mapping[int, str], answers: Mapping[int, str], places: Mapping[int, str]
) -> Iterable[Piece]:
    position = 0
    for found in _CITE.finditer(text):
        number = int(found[1])
        if number not in links:
            continue
        yield from _emphasised(text[position : found.start()].rstrip(" "), answers.get(number))
        yield Piece("", n=number, href=links[number], place=places.get(number, ""))
        position = found.end()
    yield from _emphasised(text[position:], None)


def _emphasised(text: str, answer: str | None) -> Iterable[Piece]:
    """The text before a citation's number, with the words marked that answer."""
    before, words, after = text.partition(answer) if answer else (text, "", "")
    if before:
        yield Piece(before)
    if words:
        yield Piece(words, mark=True)
    if after:
        yield Piece(after)


def snippet_pieces(snippet: Snippet) -> tuple[Piece, ...]:
    """A snippet with the words that match marked."""
    pieces: list[Piece] = []
    position = 0
    for mark in _joined(snippet):
        if mark.start > position:
            pieces.append(Piece(snippet.text[position : mark.start]))
        pieces.append(Piece(snippet.text[mark.start : mark.end], mark=True))
        position = mark.end
    if position < len(snippet.text):
        pieces.append(Piece(snippet.text[position:]))
    return tuple(pieces)


def _joined(snippet: Snippet) -> list[Highlight]:
    """Marks with nothing but a space between them as one: calmer to look at."""
    joined: list[Highlight] = []
    for mark in snippet.highlights:
        if joined and not snippet.text[joined[-1].end : mark.start].strip():
            joined[-1] = Highlight(joined[-1].start, mark.end)
        else:
            joined.append(mark)
    return joined


def crumbs(passage: Passage, page: int | None = None) -> tuple[str, ...]:
    """Where a passage stands: source, headings above it but for the document's own title, page."""
    headings = (heading for heading in passage.heading_path if heading != passage.title)
    shown = page if page is not None else passage.page
    return (passage.source, *headings, *([f"page {shown}"] if shown is not None else []))


def result_view(
    number: int,
    passage: Passage,
    snippet: Snippet,
    now: datetime,
    *,
    cited: tuple[int, ...] = (),
    query_id: str | None = None,
    page: int | None = None,
) -> ResultView:
    return ResultView(
        number=number,
        document_id=passage.document_id,
        title=passage.title or "Untitled",
        href=document_href(passage.document_id, passage.start, passage.end, query_id),
        crumbs=crumbs(passage, page),
        snippet=snippet_pieces(snippet),
        date=when(passage.updated_at, now),
        author=person_name(passage.author),
        cited=cited,
    )


def results_of(
    passages: Sequence[Passage],
    question: str,
    now: datetime,
    *,
    query_id: str | None = None,
    citations: Sequence[Citation] = (),
) -> tuple[ResultView, ...]:
    """One result a document, in the order of its best passage; a cited document shows what was cited."""
    numbers: dict[str, tuple[int, ...]] = {}
    for citation in citations:
        numbers[citation.document_id] = (*numbers.get(citation.document_id, ()), citation.n)
    quoted_at = {citation.chunk_id: citation.start for citation in reversed(citations)}
    cited_chunks = quoted_at.keys()
    best: dict[str, Passage] = {}
    for passage in passages:
        shown = best.setdefault(passage.document_id, passage)
        if passage.chunk_id in cited_chunks and shown.chunk_id not in cited_chunks:
            best[passage.document_id] = passage
    return tuple(
        result_view(
            position,
            passage,
            make_snippet(passage.text, question),
            now,
            cited=numbers.get(document_id, ()),
            query_id=query_id,
            page=passage.page_at(quoted_at.get(passage.chunk_id, passage.start)),
        )
        for position, (document_id, passage) in enumerate(best.items(), start=1)
    )


def person_name(author: str | None) -> str | None:
    """The name in an author as mail writes them, `Femi Adeyemi <femi@example.com>`."""
    name = parseaddr(author)[0] if author and "<" in author else author
    return name or author


def authors_of(passages: Sequence[Passage], *, asker: str, most: int = 2) -> tuple[str, ...]:
    """Who wrote the closest documents: whom to ask when nothing was found, but not the asker."""
    names = (person_name(passage.author) for passage in passages[:4])
    return tuple(dict.fromkeys(name for name in names if name and name != asker))[:most]


def route_view(tier: str, difficulty: float | None, reasons: Sequence[str]) -> RouteView:
    height, rungs = tier_height(tier)
    percent = None if difficulty is None else round(difficulty * 100)
    return RouteView(tier_label(tier), height, rungs, percent, tuple(short_reason(r) for r in reasons))


def is_sentence(reason: str) -> bool:
    """True for what failed, which is told in sentences; why an answer was not good enough is a phrase."""
    return reason.endswith(".")


def short_reason(reason: str) -> str:
    """A reason as a phrase that can stand between others: of sentences the first, without its end."""
    if not is_sentence(reason):
        return reason
    first = reason.partition(". ")[0].rstrip(".")
    return first[:1].lower() + first[1:] if first[1:2].islower() else first


_OUTCOMES: dict[str, tuple[str, Tone]] = {
    "answered": ("answered", "good"),
    "abstained": ("found nothing sure", "quiet"),
    "escalated": ("not sure enough", "warn"),
    "failed": ("failed", "bad"),
    "step": ("a step on the way", "quiet"),
    "shadow": ("checked unseen", "quiet"),
}


def outcome_words(outcome: str) -> tuple[str, Tone]:
    """How an attempt ended, in words, with its tone."""
    return _OUTCOMES.get(outcome, (outcome, "quiet"))


_ADAPTER_NOTE = "Adapter "
_FORM_NOTE = "The local model's server takes no structured output"


def is_for_the_trail(note: str) -> bool:
    """Notes on how an answer was made, which nobody needs beside the answer itself."""
    return note.startswith((_ADAPTER_NOTE, _FORM_NOTE))


def adapter_of(notes: Sequence[str]) -> tuple[str, str] | None:
    """The adapter that the notes name, and why it was chosen."""
    for note in notes:
        if note.startswith(_ADAPTER_NOTE):
            name, _, why = note.removeprefix(_ADAPTER_NOTE).partition(": ")
            return name, why
    return None


def receipt_view(receipt: Receipt, without: frozenset[str] = frozenset()) -> ReceiptView:
    """The receipt in words, but for some notes. The baseline is shown where the answer was cheaper."""
    return ReceiptView(
        price=format_money(receipt.price_nano, receipt.currency),
        baseline=format_money(receipt.baseline_nano, receipt.currency),
        baseline_modelled=receipt.baseline_method != "observed",
        cheaper=receipt.baseline_nano > receipt.price_nano > 0,
        notes=tuple(
            note
            for note in dict.fromkeys(receipt.notes)
            if note not in without and not is_for_the_trail(note)
        ),
    )
