"""What the answering of a question tells while it goes on, in this order:

    Passages → Route → (Step | Delta)* → (Escalation → (Step | Delta)*)* → Answer → Receipt

or Problem at any point.

The browser, the API, the command line and Slack all render these same values.
"""

from dataclasses import dataclass, field

from app.core.usage import Outcome, Receipt
from retrieval.passage import Passage

CONFLICT_NOTE = "These sources differ: "
"""How a note about contradicting sources begins. It quotes documents: who may not read them is not told."""


@dataclass(frozen=True, slots=True)
class PassagesUpdate:
    """What was retrieved, best first, and how long it took."""

    query_id: str
    passages: tuple[Passage, ...]
    took_ms: float


@dataclass(frozen=True, slots=True)
class RouteUpdate:
    """The rung chosen: difficulty (probability that the cheap answer would be wrong) and why, in words."""

    query_id: str
    tier: str
    difficulty: float
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DeltaUpdate:
    """The next piece of the answer's text."""

    query_id: str
    text: str


@dataclass(frozen=True, slots=True)
class StepUpdate:
    """A rung that works in steps has done one: what for, and which passages it found that were not there
    before. `ordinal` counts from 1 over the whole question."""

    query_id: str
    ordinal: int
    tier: str
    kind: str
    text: str
    query: str
    passages: tuple[Passage, ...]
    input_tokens: int
    output_tokens: int
    cost_nano: int
    duration_ms: int


@dataclass(frozen=True, slots=True)
class EscalationUpdate:
    """The answer so far was not good enough, or the rung failed; the next one starts and its text replaces
    it. `difficulty` is how likely the answer so far is wrong, where it was judged."""

    query_id: str
    from_tier: str
    to_tier: str
    reason: str
    failed: bool = False
    difficulty: float | None = None


@dataclass(frozen=True, slots=True)
class Citation:
    """Supports a sentence of the answer: `[n]` in its text.

    `start` and `end` are character offsets of the quote in the document's stored text; `answer_start` and
    `answer_end` those of the words in it that answer, where the rung knows them.
    """

    n: int
    document_id: str
    chunk_id: str
    title: str
    url: str | None
    quote: str
    start: int
    end: int
    answer_start: int | None = None
    answer_end: int | None = None
    place: str = ""
    """Where in the document the quote stands, such as `page 7, section 3.2 Travel`, where that is known."""

    @property
    def answer(self) -> str | None:
        """The words of the quote that answer."""
        if self.answer_start is None or self.answer_end is None:
            return None
        return self.quote[self.answer_start - self.start : self.answer_end - self.start]


@dataclass(frozen=True, slots=True)
class AnswerUpdate:
    """The whole answer. `abstained` means that nothing was found that answers; the text says so."""

    query_id: str
    conversation_id: str
    text: str
    citations: tuple[Citation, ...]
    abstained: bool
    tier: str


@dataclass(frozen=True, slots=True)
class Attempt:
    """One rung that was tried."""

    tier: str
    model: str
    outcome: Outcome
    reason: str
    input_tokens: int
    output_tokens: int
    cost_nano: int
    duration_ms: int


@dataclass(frozen=True, slots=True)
class ReceiptUpdate:
    """What the answer cost and which attempts were made, after it is stored."""

    query_id: str
    receipt: Receipt
    attempts: tuple[Attempt, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class ProblemUpdate:
    """The question could not be answered. Nothing was charged; `code` is stable."""

    query_id: str
    code: str
    message: str


Update = (
    PassagesUpdate
    | RouteUpdate
    | DeltaUpdate
    | StepUpdate
    | EscalationUpdate
    | AnswerUpdate
    | ReceiptUpdate
    | ProblemUpdate
)
