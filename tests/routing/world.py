"""A small company for the tests of answering: documents with access, people, and the parts around them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path

from pydantic import SecretStr

from app.core.config import Settings
from app.core.db import Database
from app.core.identity import EVERYONE, PUBLIC, AccessList, Caller, Principal, may_read
from retrieval.passage import Passage, SearchFilters
from retrieval.search import SearchResult
from routing.answer import Answerer
from routing.history import History
from routing.tier import Ladder, TierRequest
from routing.tiers import build_ladder
from routing.updates import AnswerUpdate, ProblemUpdate, ReceiptUpdate, Update
from tests.fakes.embedder import HashEmbedder
from tests.fakes.meter import MemoryMeter
from tests.fakes.reader import WordReader


def caller(name: str, *, workspace_id: str = "default") -> Caller:
    email = f"{name}@example.com"
    principals = frozenset({Principal.user(email), EVERYONE, PUBLIC})
    return Caller(workspace_id, f"id-{workspace_id}-{name}", email, name, "company", principals)


_NO_FILTERS = SearchFilters()

ANA = caller("ana")
BEN = caller("ben")


@dataclass
class Document:
    """A stored document; each paragraph is a chunk."""

    id: str
    title: str
    text: str
    access: AccessList = frozenset({EVERYONE})

    def passages(self) -> Iterator[Passage]:
        position = 0
        for number, paragraph in enumerate(self.text.split("\n\n")):
            start = self.text.index(paragraph, position)
            position = start + len(paragraph)
            yield passage(
                paragraph, document_id=self.id, chunk_id=f"{self.id}:{number}", title=self.title, start=start
            )


def passage(
    text: str,
    *,
    document_id: str = "d",
    chunk_id: str = "",
    title: str = "",
    start: int = 0,
    dense_score: float | None = None,
    headings: tuple[str, ...] = (),
) -> Passage:
    return Passage(
        chunk_id=chunk_id or f"{document_id}:{start}",
        document_id=document_id,
        title=title,
        heading_path=headings,
        text=text,
        start=start,
        end=start + len(text),
        source="handbook",
        url=None,
        author=None,
        updated_at=None,
        score=1.0,
        dense_score=dense_score,
    )


@dataclass
class ExactFinder:
    """Compares the question with every passage the caller may read. `fails_with` makes it fail."""

    documents: Sequence[Document]
    embedder: HashEmbedder
    queries: list[str] = field(default_factory=list)
    fails_with: Exception | None = None

    def search(
        self, caller: Caller, query: str, *, filters: SearchFilters = _NO_FILTERS, limit: int = 20
    ) -> SearchResult:
        self.queries.append(query)
        if self.fails_with is not None:
            raise self.fails_with
        found = [p for d in self.documents if may_read(d.access, caller.principals) for p in d.passages()]
        vectors = self.embedder.embed([query, *(f"{p.title} {p.text}" for p in found)])
        scored = [
            replace(p, dense_score=float(v @ vectors[0]), sparse_score=float(v @ vectors[0]))
            for p, v in zip(found, vectors[1:], strict=True)
        ]
        best = tuple(sorted(scored, key=lambda p: -(p.dense_score or 0))[:limit])
        return SearchResult(query, best, (), 1.0, 0.5)


LEAVE = Document(
    "leave",
    "Annual leave",
    "Everyone has 28 days of annual leave a year. Ask your lead two weeks ahead."
    "\n\nUnused leave lapses in March.",
)
TRAVEL = Document(
    "travel",
    "Travel policy",
    "Flights are booked through the travel desk. Economy class is the rule."
    "\n\nThe hotel limit is 140 euros a night.",
)
SALARY = Document(
    "salary",
    "Salary letter",
    "The secret salary of the director is 190000 euros a year.",
    frozenset({Principal.user("ben@example.com")}),
)


@dataclass
class World:
    """Everything a question needs. Change `documents` or `meter` before asking."""

    database: Database
    settings: Settings
    documents: list[Document] = field(default_factory=lambda: [LEAVE, TRAVEL, SALARY])
    meter: MemoryMeter = field(default_factory=MemoryMeter)

    def __post_init__(self) -> None:
        self.embedder = HashEmbedder()
        self.finder = ExactFinder(self.documents, self.embedder)
        self.ladder: Ladder = build_ladder(self.settings, WordReader(), "EUR")
        self.answerer = Answerer(
            database=self.database,
            searcher=self.finder,
            ladder=self.ladder,
            meter=self.meter,
            may_read_document=self.may_read,
        )
        self.history = History(self.database, may_read_document=self.may_read, receipt_of=self.meter.receipt)

    def may_read(self, caller: Caller, document_id: str) -> bool:
        return any(d.id == document_id and may_read(d.access, caller.principals) for d in self.documents)


def with_premium(settings: Settings, base_url: str) -> Settings:
    """Settings with a premium model at an address: two euros in, ten out, a million tokens."""
    return settings.model_copy(
        update={
            "premium_model": "openai/fake-large",
            "premium_api_key": SecretStr("sk-of-the-tests"),
            "premium_base_url": base_url,
            "premium_input_price": Decimal(2),
            "premium_output_price": Decimal(10),
            "premium_timeout_seconds": 1.0,
        }
    )


def with_local(settings: Settings, url: str) -> Settings:
    """Settings with a local model at an address: one euro in, four out, a million tokens."""
    return settings.model_copy(
        update={
            "local_url": url,
            "local_api_key": SecretStr("key-of-the-local-server"),
            "local_timeout_seconds": 0.5,
            "local_input_price": Decimal(1),
            "local_output_price": Decimal(4),
        }
    )


def request(question: str, *passages: Passage, asker: Caller = ANA) -> TierRequest:
    return TierRequest(question, question, passages, asker)


def answer_of(updates: Sequence[Update]) -> AnswerUpdate:
    return next(u for u in updates if isinstance(u, AnswerUpdate))


def receipt_of(updates: Sequence[Update]) -> ReceiptUpdate:
    return next(u for u in updates if isinstance(u, ReceiptUpdate))


def problem_of(updates: Sequence[Update]) -> ProblemUpdate:
    return next(u for u in updates if isinstance(u, ProblemUpdate))


def kinds(updates: Sequence[Update]) -> list[str]:
    """The order of the updates, runs of deltas as one."""
    names = [type(u).__name__.removesuffix("Update") for u in updates]
    return [name for i, name in enumerate(names) if i == 0 or name != names[i - 1] or name != "Delta"]


def write_ladder(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path
