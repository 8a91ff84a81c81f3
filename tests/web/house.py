"""A whole installation for tests of the pages: real database, ledger, sign-in, history and runner.

The search is exact and in memory; the rungs say what a test told them to.
"""

import threading
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from app.core.audit import AuditLog
from app.core.config import Settings
from app.core.db import Database
from app.core.directory import Directory
from app.core.errors import NotFoundError, ProviderError
from app.core.identity import AccessList, Caller, parse_access
from app.core.sign_in import SignIns
from app.core.usage import Outcome, Work
from billing.budgets.book import Budgets
from billing.ledger import Ledger
from billing.price_book import PriceBook
from ingest.credentials import Credentials, open_vault
from ingest.library import Library
from ingest.parsing import ParserProcess
from ingest.sources import SetUp, Sources
from ingest.sources.looking import Looks
from ingest.sources.preview import Previewer
from ingest.sync.control import SyncControl
from ingest.tables import DocumentRow, FailureRow, SourceRow, SyncRunRow
from retrieval.index.protocol import Point
from retrieval.search import Searcher
from routing.answer import Answerer
from routing.catalogue import Surroundings, build_catalogue
from routing.catalogue.choice import PromptChooser
from routing.citation import cite
from routing.history import History
from routing.history.access import MayRead
from routing.runner import AskRunner
from routing.text.sentences import Span
from routing.tier import (
    Ladder,
    RungKind,
    Signals,
    TierAnswer,
    TierAttempt,
    TierDelta,
    TierOutput,
    TierRequest,
    TierSpec,
    TierStep,
)
from tests.fakes.embedder import HashEmbedder
from tests.fakes.index import MemoryIndex
from tests.fakes.policy import ScriptedDesk
from tests.web.adapters import ScriptedAdapters
from web.deps import HealthCheck, Services

SURE = Signals(score=0.9, margin=0.4, coverage=1.0, agreement=1)
UNSURE = Signals(score=0.05, margin=0.0, coverage=0.0, names=0.0, kind=0.0, agreement=0)

SOURCE_ID = "source-1"
BOARD_ID = str(uuid.UUID(int=3))
LEAVE_ID = str(uuid.UUID(int=1))
HOTEL_ID = str(uuid.UUID(int=2))

DOCUMENTS = (
    (
        LEAVE_ID,
        "Parental leave, Spain",
        "everyone",
        "Marta Gil",
        "Parental leave, Spain\n\nHow long\n\nEach parent takes 16 weeks of parental leave, fully paid."
        "\n\nPart-time return is possible for four more weeks.",
    ),
    (
        HOTEL_ID,
        "Travel",
        "everyone",
        "Jordi Vidal",
        "Travel\n\nHotels\n\nThe hotel limit in Lisbon is 140 euros a night. <script>alert('x')</script>",
    ),
    (
        BOARD_ID,
        "Board minutes",
        "user:mei@example.com",
        "Helena Marsh",
        "Board minutes\n\nThe merger with Aquatrace is planned for June.",
    ),
)


@dataclass
class ScriptedTier:
    """A rung that answers with a passage's first sentence, or as it was told to."""

    name: str
    label: str
    kind: RungKind = "chat"
    immediate: bool = False
    unavailable: str | None = None
    baseline_note: str | None = None
    cost_nano: int = 0
    abstain: bool = False
    signals: Signals = SURE
    text: str | None = None
    error: Exception | None = None
    failed: str | None = None
    notes: tuple[str, ...] = ()
    looks_for: tuple[str, ...] = ()
    says_first: str = ""
    gate: threading.Event = field(default_factory=threading.Event)
    asked: list[TierRequest] = field(default_factory=list)
    priced: list[TierRequest] = field(default_factory=list)
    expected_nano: int | None = None

    def __post_init__(self) -> None:
        self.gate.set()

    def at_most(self) -> Work:
        return Work(self.name, "scripted", "answered", cost_nano=self.cost_nano)

    def _steps(self, request: TierRequest) -> Iterator[TierOutput]:
        """Looks for each of `looks_for`, and waits at the gate after the first."""
        for position, query in enumerate(self.looks_for):
            work = Work(self.name, "scripted", "step", 100, 5, 20_000, 40)
            text = f"Looking for {query}"
            yield TierAttempt(work, text)
            found = replace(request.passages[0], chunk_id=f"found-{query}")
            yield TierStep("search", text, query, (found,) if position == 0 else (), work)
            if position == 0:
                self.gate.wait(20)

    def expected(self, request: TierRequest) -> Work:
        self.priced.append(request)
        if self.expected_nano is None:
            return self.at_most()
        return replace(self.at_most(), cost_nano=self.expected_nano)

    def answer(self, request: TierRequest) -> Iterator[TierOutput]:
        self.asked.append(request)
        if self.failed is not None:
            yield TierAttempt(replace(self.at_most(), outcome="failed", duration_ms=30), self.failed)
            raise ProviderError(self.failed, code="provider_unreachable")
        if self.error is not None:
            raise self.error
        if self.says_first:
            yield TierDelta(self.says_first)
        yield from self._steps(request)
        passage = request.passages[0] if request.passages else None
        end = passage.text.find(".") + 1 if passage else 0
        text = self.text or (f"{passage.text[:end]} [1]" if passage else "I found nothing that answers this.")
        words = text.split(" ")
        for position, word in enumerate(words):
            yield TierDelta(word if position == len(words) - 1 else word + " ")
            if position == 1:
                self.gate.wait(20)
        citations = (cite(1, passage, Span(0, end)),) if passage and "[1]" in text else ()
        abstained = self.abstain or passage is None
        outcome: Outcome = "abstained" if abstained else "answered"
        work = Work(self.name, "scripted", outcome, cost_nano=self.cost_nano, duration_ms=12)
        yield TierAnswer(
            text,
            citations,
            abstained,
            self.signals,
            work,
            notes=self.notes,
        )


@dataclass
class House:
    """One installation and what tests turn in it."""

    services: Services
    database: Database
    reader: ScriptedTier
    local: ScriptedTier
    premium: ScriptedTier
    health: list[HealthCheck]
    adapters: ScriptedAdapters
    policies: ScriptedDesk

    def caller(self, email: str) -> Caller:
        return self.services.directory.caller(email)


def make_house(database: Database, settings: Settings, *, budget_nano: int | None = None) -> House:
    directory = Directory(database)
    sign_ins = SignIns(database, directory)
    for email, name, groups, admin in (
        ("ana@example.com", "Ana Ferreira", ("finance",), True),
        ("tom@example.com", "Tom Okafor", ("engineering",), False),
        ("mei@example.com", "Mei Lindqvist", ("people",), False),
    ):
        directory.add(email, name=name, groups=groups, is_admin=admin)
    embedder, index = HashEmbedder(), MemoryIndex()
    _fill(database, index, embedder)
    ledger = Ledger(database, PriceBook.load(), settings.price_plan, budget_cap_nano=budget_nano)
    library = Library(database)
    searcher = Searcher(index, embedder)
    reader = ScriptedTier("reader", "Reader", kind="reader", immediate=True)
    local = ScriptedTier(
        "local", "Local model", unavailable="No local model is set up: set RUNG_LOCAL_URL.", cost_nano=40_000
    )
    premium = ScriptedTier("premium", "Premium model", cost_nano=8_000_000)
    may_read = _may_read(library)
    answerer = Answerer(
        database=database,
        searcher=searcher,
        ladder=Ladder([reader, local, premium]),
        meter=ledger,
        may_read_document=may_read,
    )
    history = History(database, may_read_document=may_read, receipt_of=ledger.receipt)
    health = [HealthCheck("database", True), HealthCheck("index", True)]
    adapters, policies = ScriptedAdapters(), ScriptedDesk()
    rungs = {tier.name: tier for tier in (reader, local, premium)}

    def tier_with(spec: TierSpec, prompts: PromptChooser) -> ScriptedTier:
        return rungs[spec.name]

    around = Surroundings(
        currency=ledger.plan.currency,
        tier_with=tier_with,
        meter=ledger,
        caller_of=directory.caller_by_id,
        may_read_all=library.may_read_all,
    )
    audit = AuditLog(database)
    credentials = Credentials(database, lambda: open_vault(settings.data_dir, None), audit)
    sources = Sources(database, index, credentials=credentials, audit=audit)
    syncs = SyncControl(database, audit)
    set_up = SetUp(
        database,
        index,
        sources=sources,
        credentials=credentials,
        audit=audit,
        directory=directory,
        syncs=syncs,
        looks=Looks(seconds=10.0),
        previewer=Previewer(ParserProcess, lambda: embedder),
    )
    services = Services(
        settings=settings,
        sign_ins=sign_ins,
        directory=directory,
        searcher=searcher,
        asks=AskRunner(answerer, history),
        history=history,
        library=library,
        sources=sources,
        set_up=set_up,
        syncs=syncs,
        audit=audit,
        usage=ledger,
        budgets=Budgets(database, directory, currency=ledger.plan.currency, setting_nano=budget_nano),
        adapters=adapters,
        policies=policies,
        catalogue=build_catalogue(database, around),
        suggestions=("How many weeks of parental leave are there in Spain?",),
        health=lambda: tuple(health),
    )
    return House(services, database, reader, local, premium, health, adapters, policies)


def _may_read(library: Library) -> MayRead:
    def may_read(caller: Caller, document_id: str) -> bool:
        try:
            library.document(caller, document_id)
        except NotFoundError:
            return False
        return True

    return may_read


def _fill(database: Database, index: MemoryIndex, embedder: HashEmbedder) -> None:
    moment = datetime(2026, 3, 4, 9, tzinfo=UTC)
    with database.write() as session:
        session.add(
            SourceRow(
                id=SOURCE_ID,
                workspace_id="default",
                name="handbook",
                kind="folder",
                settings={"path": "/srv/handbook"},
                default_access=["everyone"],
                created_at=moment,
            )
        )
        session.flush()
        run = SyncRunRow(
            id="run-1",
            workspace_id="default",
            source_id=SOURCE_ID,
            state="complete",
            listed=4,
            held=3,
            upserted=3,
            failed=1,
            message="Complete with 1 failure: 3 new or changed.",
            started_at=moment,
            heartbeat_at=moment,
            finished_at=moment,
        )
        session.add(run)
        session.flush()
        session.add(
            FailureRow(
                source_id=SOURCE_ID,
                run_id="run-1",
                external_id="finance/old.pdf",
                code="encrypted",
                workspace_id="default",
                reason="The PDF needs a password.",
                first_failed_at=moment,
                failed_at=moment,
            )
        )
        for document_id, title, access, author, text in DOCUMENTS:
            session.add(
                DocumentRow(
                    id=document_id,
                    workspace_id="default",
                    source_id=SOURCE_ID,
                    external_id=f"{title}.md",
                    state="indexed",
                    title=title,
                    author=author,
                    updated_at=moment,
                    access=[access],
                    text=text,
                    headings=[[1, title, 0]],
                    chunk_count=1,
                    created_at=moment,
                    indexed_at=moment,
                )
            )
            index.upsert([_point(embedder, document_id, title, parse_access([access]), author, text, moment)])


def _point(
    embedder: HashEmbedder,
    document_id: str,
    title: str,
    access: AccessList,
    author: str,
    text: str,
    moment: datetime,
) -> Point:
    start = text.rindex("\n\n", 0, text.index(".")) + 2
    return Point(
        id=str(uuid.uuid5(uuid.UUID(document_id), "chunk")),
        vector=embedder.embed([text])[0],
        embedded_text=text,
        workspace_id="default",
        document_id=document_id,
        access=access,
        source="handbook",
        title=title,
        heading_path=(title,),
        text=text[start:],
        start=start,
        end=len(text),
        url=None,
        author=author,
        updated_at=moment,
    )
