"""What the API takes and gives, as pydantic models; programs rely on every name here.

Money is given twice: as a decimal string in the currency (`price`), and exactly as an integer of nano-units
(`price_nano`). It is never a float.
"""

from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from app.core.usage import BaselineMethod
from app.core.usage import Receipt as CoreReceipt
from billing.money import to_decimal
from retrieval.passage import Passage as CorePassage
from retrieval.passage import SearchFilters
from retrieval.snippet import Snippet
from routing.history import ReasonCode
from routing.updates import Attempt as CoreAttempt
from routing.updates import Citation as CoreCitation
from routing.updates import StepUpdate as CoreStep
from web.errors import Problem

MAX_RESULTS = 50

PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem, "description": description}
    for status, description in (
        (401, "No valid cookie or API key"),
        (402, "The budget has no room for it"),
        (403, "Not allowed, or sent from another site"),
        (404, "Not there, or nothing the caller may see"),
        (413, "The request is too large"),
        (422, "The input cannot be used; `code` says why"),
        (503, "A part that is needed does not answer"),
    )
}

CONFLICT: dict[int | str, dict[str, Any]] = {
    409: {"model": Problem, "description": "It cannot be done as things stand; `code` says why"}
}


class _In(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Filters(_In):
    """Narrows the search. `after` is inclusive, `before` exclusive; a date means its midnight in UTC."""

    sources: list[Annotated[str, Field(max_length=200)]] = Field(default_factory=list, max_length=50)
    after: datetime | date | None = None
    before: datetime | date | None = None

    def to_core(self) -> SearchFilters:
        return SearchFilters(tuple(self.sources), moment(self.after), moment(self.before))


def moment(value: datetime | date | None) -> datetime | None:
    """A moment in UTC; a date means its midnight, a moment without a zone is taken as UTC."""
    if value is None:
        return None
    if not isinstance(value, datetime):
        value = datetime.combine(value, time())
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class SearchIn(_In):
    query: str = Field(description="What to look for, up to 4,000 characters.")
    filters: Filters = Field(default_factory=Filters)
    limit: int = Field(10, ge=1, le=MAX_RESULTS)


class Mark(BaseModel):
    """A stretch of `text`, by character offsets, that matches a word of the query."""

    start: int
    end: int


class PassageOut(BaseModel):
    """`text` is the whole passage; in a search it is one line, so that `highlights` can point into it.

    `start` and `end` are character offsets of the passage in the document's stored text. `page` and `place`
    say where it begins, where that is known.
    """

    document_id: str
    title: str
    url: str | None
    source: str
    author: str | None
    updated_at: datetime | None
    heading_path: list[str]
    text: str
    highlights: list[Mark]
    score: float
    start: int
    end: int
    page: int | None = None
    place: str = ""


class SearchOut(BaseModel):
    passages: list[PassageOut]
    took_ms: float


class AskIn(_In):
    question: str = Field(description="Up to 4,000 characters.")
    conversation_id: str | None = Field(None, max_length=64, description="Makes it a follow-up.")
    tier: str = Field("auto", max_length=64, description="`auto`, or the name of a rung.")
    filters: Filters = Field(default_factory=Filters)
    stream: bool = Field(False, description="Server-sent events instead of one answer.")


class CitationOut(BaseModel):
    """`[n]` in the answer. `start` and `end` are character offsets of the quote in the document's text.
    `place` says where it stands there, such as `page 7, section 3.2 Travel`; empty where that is not known.

    `answer` holds the words of the quote that answer, where the rung knows them.
    """

    n: int
    document_id: str
    title: str
    url: str | None
    quote: str
    start: int
    end: int
    answer: str | None = None
    place: str = ""


class AttemptOut(BaseModel):
    tier: str
    model: str
    outcome: str
    reason: str
    input_tokens: int
    output_tokens: int
    cost_nano: int
    duration_ms: int


class StepOut(BaseModel):
    """One step of a rung that works in several: what it looked for, and the passages that it found first."""

    ordinal: int
    tier: str
    kind: str
    text: str
    query: str
    passages: list[PassageOut]
    input_tokens: int
    output_tokens: int
    cost_nano: int
    duration_ms: int


class RouteOut(BaseModel):
    """`difficulty` is the probability that the cheap rung's answer would be wrong."""

    difficulty: float | None
    tier: str
    reasons: list[str]
    attempts: list[AttemptOut] = Field(default_factory=list)
    steps: list[StepOut] = Field(default_factory=list)


class ReceiptOut(BaseModel):
    price: str
    cost: str
    baseline: str
    saved: str
    currency: str
    price_nano: int
    cost_nano: int
    baseline_nano: int
    baseline_method: BaselineMethod
    tier: str
    price_book: str
    input_tokens: int
    output_tokens: int
    duration_ms: int
    notes: list[str]


class AskOut(BaseModel):
    query_id: str
    conversation_id: str
    answer: str
    abstained: bool
    citations: list[CitationOut]
    route: RouteOut
    receipt: ReceiptOut | None


class FeedbackIn(_In):
    """Without a code, words are kept as `other`."""

    good: bool
    code: ReasonCode | None = Field(None, description="Why the answer was bad; not for a good one.")
    reason: str = Field("", max_length=1000, description="In the asker's own words.")


class FeedbackOut(BaseModel):
    """What the asker said last of the answer."""

    good: bool
    code: ReasonCode | None
    reason: str


class QueryOut(BaseModel):
    """A question asked before. `answer` is nothing while it runs, when it failed, or when it is withheld."""

    query_id: str
    conversation_id: str
    question: str
    state: str
    answer: str | None
    abstained: bool
    withheld: bool
    citations: list[CitationOut]
    route: RouteOut | None
    receipt: ReceiptOut | None
    error: Problem | None
    feedback: FeedbackOut | None = None
    created_at: datetime


class EscalateIn(_In):
    stream: bool = False


def decimal_text(nano: int) -> str:
    """An amount as a plain decimal, without an exponent and without needless zeros."""
    amount = to_decimal(nano)
    return format(amount.normalize() if amount else Decimal(0), "f")


def passage_out(passage: CorePassage, snippet: Snippet | None = None) -> PassageOut:
    """With a snippet, its text and marks; else the passage as it stands, without marks."""
    return PassageOut(
        document_id=passage.document_id,
        title=passage.title,
        url=passage.url,
        source=passage.source,
        author=passage.author,
        updated_at=passage.updated_at,
        heading_path=list(passage.heading_path),
        text=snippet.text if snippet else passage.text,
        highlights=[Mark(start=h.start, end=h.end) for h in snippet.highlights] if snippet else [],
        score=passage.score,
        start=passage.start,
        end=passage.end,
        page=passage.page,
        place=passage.place_at(passage.start),
    )


def citation_out(citation: CoreCitation) -> CitationOut:
    return CitationOut(
        n=citation.n,
        document_id=citation.document_id,
        title=citation.title,
        url=citation.url,
        quote=citation.quote,
        start=citation.start,
        end=citation.end,
        answer=citation.answer,
        place=citation.place,
    )


def attempt_out(attempt: CoreAttempt) -> AttemptOut:
    return AttemptOut(
        tier=attempt.tier,
        model=attempt.model,
        outcome=attempt.outcome,
        reason=attempt.reason,
        input_tokens=attempt.input_tokens,
        output_tokens=attempt.output_tokens,
        cost_nano=attempt.cost_nano,
        duration_ms=attempt.duration_ms,
    )


def step_out(step: CoreStep) -> StepOut:
    return StepOut(
        ordinal=step.ordinal,
        tier=step.tier,
        kind=step.kind,
        text=step.text,
        query=step.query,
        passages=[passage_out(passage) for passage in step.passages],
        input_tokens=step.input_tokens,
        output_tokens=step.output_tokens,
        cost_nano=step.cost_nano,
        duration_ms=step.duration_ms,
    )


def receipt_out(receipt: CoreReceipt) -> ReceiptOut:
    return ReceiptOut(
        price=decimal_text(receipt.price_nano),
        cost=decimal_text(receipt.cost_nano),
        baseline=decimal_text(receipt.baseline_nano),
        saved=decimal_text(receipt.saved_nano),
        currency=receipt.currency,
        price_nano=receipt.price_nano,
        cost_nano=receipt.cost_nano,
        baseline_nano=receipt.baseline_nano,
        baseline_method=receipt.baseline_method,
        tier=receipt.tier,
        price_book=receipt.price_book,
        input_tokens=receipt.input_tokens,
        output_tokens=receipt.output_tokens,
        duration_ms=receipt.duration_ms,
        notes=list(receipt.notes),
    )
