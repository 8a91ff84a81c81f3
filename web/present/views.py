"""Values as the templates show them: amounts and moments already in words, links already made."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from routing.history import ReasonCode

Tone = Literal["good", "warn", "bad", "quiet"]

FEEDBACK_REASONS: tuple[tuple[ReasonCode, str], ...] = (
    ("wrong", "It is wrong"),
    ("outdated", "It is outdated"),
    ("incomplete", "Something is missing"),
    ("wrong_source", "It comes from the wrong source"),
    ("not_what_i_asked", "It is not what I asked"),
    ("other", "Something else"),
)
"""What may be wrong with an answer, in the words of the page."""


@dataclass(frozen=True, slots=True)
class When:
    """A moment: how long ago in words, and exactly on hover."""

    iso: str
    relative: str
    exact: str


def when(moment: datetime | None, now: datetime) -> When | None:
    """The moment in words, seen from `now`."""
    if moment is None:
        return None
    moment = moment.astimezone(UTC)
    exact = f"{moment.day} {moment:%b %Y, %H:%M} UTC"
    return When(iso=moment.isoformat(timespec="seconds"), relative=_relative(moment, now), exact=exact)


def _relative(moment: datetime, now: datetime) -> str:
    seconds = (now - moment).total_seconds()
    # Clocks of several machines differ a little.
    if seconds < -60:
        return f"{moment.day} {moment:%b %Y}"
    for size, name in ((60, "second"), (60, "minute"), (24, "hour"), (14, "day")):
        if seconds < size:
            count = int(seconds)
            if name == "second":
                return "just now"
            return f"{count} {name}{'s' if count != 1 else ''} ago"
        seconds /= size
    return f"{moment.day} {moment:%b %Y}"


@dataclass(frozen=True, slots=True)
class Visitor:
    """The signed-in person, as the header shows them."""

    name: str
    email: str
    initials: str
    is_admin: bool


@dataclass(frozen=True, slots=True)
class Frame:
    """What stands around every page."""

    title: str
    visitor: Visitor | None
    section: str = ""


@dataclass(frozen=True, slots=True)
class Option:
    value: str
    label: str
    selected: bool


@dataclass(frozen=True, slots=True)
class Chip:
    """A filter in force, and the address without it."""

    label: str
    remove_href: str


@dataclass(frozen=True, slots=True)
class SearchFormView:
    """The box and its filters."""

    question: str = ""
    conversation_id: str | None = None
    sources: tuple[Option, ...] = ()
    after: str = ""
    before: str = ""
    chips: tuple[Chip, ...] = ()
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of text; `mark` says that it matches, `n` and `href` make it a citation's number."""

    text: str
    mark: bool = False
    n: int | None = None
    href: str | None = None
    place: str = ""


@dataclass(frozen=True, slots=True)
class CitationView:
    n: int
    title: str
    href: str
    quote: str
    place: str = ""


@dataclass(frozen=True, slots=True)
class AnswerView:
    """An answer in paragraphs of pieces. `withheld` says why its text is no longer shown."""

    query_id: str
    paragraphs: tuple[tuple[Piece, ...], ...]
    citations: tuple[CitationView, ...]
    abstained: bool
    ask_whom: tuple[str, ...] = ()
    """The authors of the closest documents, where nothing was found."""


@dataclass(frozen=True, slots=True)
class RouteView:
    """The rung: `height` of `rungs` steps are filled. Difficulty is nothing where it was not judged."""

    tier: str
    height: int
    rungs: int
    difficulty_percent: int | None
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BetterView:
    """The next rung up, what it will probably cost for this question, and what it may cost at most."""

    tier: str
    expected: str
    at_most: str


@dataclass(frozen=True, slots=True)
class FeedbackView:
    """What the asker said of an answer: `reason` is what was wrong, `words` are their own."""

    good: bool
    reason: str = ""
    words: str = ""


@dataclass(frozen=True, slots=True)
class ReceiptView:
    price: str
    baseline: str
    baseline_modelled: bool
    cheaper: bool
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ResultView:
    """A document in the results."""

    number: int
    document_id: str
    title: str
    href: str
    crumbs: tuple[str, ...]
    snippet: tuple[Piece, ...]
    date: When | None
    author: str | None
    cited: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class ProblemView:
    """A question without an answer: why, what to do, and where to see what was tried."""

    code: str
    message: str
    why_href: str
    href: str | None = None
    action: str | None = None


@dataclass(frozen=True, slots=True)
class StepView:
    """A step on the way to an answer: what was looked for, in words and as the search had it, and what came
    of it. `passages` are titles with addresses."""

    text: str
    query: str
    found: str
    passages: tuple[tuple[str, str], ...]
    tokens: str
    cost: str
    duration: str


TurnState = Literal["running", "done", "failed"]


@dataclass(frozen=True, slots=True)
class TurnView:
    """A question and what became of it."""

    query_id: str
    question: str
    state: TurnState
    conversation_id: str | None = None
    asked: When | None = None
    answer: AnswerView | None = None
    route: RouteView | None = None
    receipt: ReceiptView | None = None
    better: BetterView | None = None
    results: tuple[ResultView, ...] = ()
    took_ms: int | None = None
    problem: ProblemView | None = None
    feedback: FeedbackView | None = None
    reasons: tuple[tuple[ReasonCode, str], ...] = FEEDBACK_REASONS
    withheld: str | None = None
    filters: tuple[str, ...] = ()
    steps: tuple[StepView, ...] = ()


@dataclass(frozen=True, slots=True)
class ConversationView:
    title: str
    href: str
    questions: int
    updated: When | None


@dataclass(frozen=True, slots=True)
class StageView:
    """One of the difficulty scores: when it was made, what it said and why."""

    name: str
    percent: int | None
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PassageView:
    number: int
    title: str
    href: str
    crumbs: tuple[str, ...]
    cited: tuple[int, ...]
    score: str


def file_size(size_bytes: int) -> str:
    """A size in the unit that fits, such as `5.2 MB`."""
    size = float(size_bytes)
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"
