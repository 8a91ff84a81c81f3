"""Builds the objects of one installation: the only file that names concrete classes.

Each part is made on first use, so that a command pays only for what it needs.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING

import structlog

from app.core.config import Settings, get_settings
from app.core.db import Database
from app.core.directory import Directory
from app.core.errors import NotFoundError, RungError
from app.core.identity import DEFAULT_WORKSPACE_ID, EVERYONE, PUBLIC, Caller
from app.core.sign_in import SignIns

_LONGEST_ANSWER = timedelta(hours=1)

if TYPE_CHECKING:
    from billing.budgets.book import Budgets
    from billing.ledger import Ledger
    from ingest.library import Library
    from ingest.sources import Sources
    from ingest.sync import SyncEngine
    from retrieval.embedder import Embedder
    from retrieval.index import Index
    from retrieval.search import Searcher
    from routing.adapters.adapter import AdapterChooser
    from routing.adapters.registry import Adapters
    from routing.answer import Answerer
    from routing.catalogue import Catalogue
    from routing.catalogue.choice import PromptChooser
    from routing.history import History
    from routing.policy.evidence.shadow import ShadowSampler
    from routing.policy.service import PolicyDesk
    from routing.reading.card import ReaderCard
    from routing.reading.reader import Reader
    from routing.runner import AskRunner
    from routing.tier import Ladder, TierSpec
    from web.deps import HealthCheck, Services


class House:
    """One installation, as its settings describe it. Close it, so that nothing is left open."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        # It will hold documents and questions: other users of this machine have no business there.
        settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._closing = ExitStack()

    def close(self) -> None:
        self._closing.close()

    # records and people

    @cached_property
    def database(self) -> Database:
        """The database, its tables made where there were none; refuses one of another version."""
        from app.migrations import require_current

        database = Database(self.settings.database_address)
        self._closing.callback(database.close)
        database.ping()
        require_current(database)
        return database

    @cached_property
    def directory(self) -> Directory:
        return Directory(self.database)

    @cached_property
    def sign_ins(self) -> SignIns:
        return SignIns(self.database, self.directory, session_days=self.settings.session_days)

    def sign_in_url(self, link_secret: str) -> str:
        return f"{self.settings.base_url}/sign-in/link/{link_secret}"

    def caller(self, email: str | None) -> Caller:
        """The person with this address; without one, the operator, who may read what everyone may."""
        if email is not None:
            return self.directory.caller(email)
        return Caller(
            workspace_id=DEFAULT_WORKSPACE_ID,
            user_id="operator",
            email="",
            name="Operator",
            team="company",
            principals=frozenset({EVERYONE, PUBLIC}),
        )

    def operator(self) -> Caller:
        """Whoever runs the command line: the machine is theirs, so they may change what admins may."""
        return replace(self.caller(None), is_admin=True)

    # documents and passages

    @cached_property
    def embedder(self) -> "Embedder":
        from retrieval.embedder import make_embedder

        return make_embedder(self.settings)

    @cached_property
    def index(self) -> "Index":
        index = self._make_index()
        self._closing.callback(index.close)
        return index

    def _make_index(self) -> "Index":
        name, dimensions = self.embedder.name, self.embedder.dimensions
        if self.settings.qdrant_url is None:
            from retrieval.index.edge import EdgeIndex

            return EdgeIndex(self.settings.data_dir, embedder=name, dimensions=dimensions)
        from retrieval.index.server import ServerIndex

        key = self.settings.qdrant_api_key
        return ServerIndex.connect(
            self.settings.qdrant_url,
            api_key=key.get_secret_value() if key else None,
            collection=self.settings.qdrant_collection,
            embedder=name,
            dimensions=dimensions,
        )

    @cached_property
    def searcher(self) -> "Searcher":
        from retrieval.search import Searcher

        return Searcher(self.index, self.embedder)

    @cached_property
    def sources(self) -> "Sources":
        from ingest.sources import Sources

        return Sources(self.database, self.index)

    @cached_property
    def library(self) -> "Library":
        from ingest.library import Library

        return Library(self.database)

    @cached_property
    def sync(self) -> "SyncEngine":
        from ingest.sync import SyncEngine

        return SyncEngine(self.database, self.index, self.embedder, self.settings)

    # answers and money

    @cached_property
    def ledger(self) -> "Ledger":
        from billing.ledger import Ledger
        from billing.price_book import PriceBook

        return Ledger(
            self.database, PriceBook.load(), self.settings.price_plan, budget_cap_nano=self._setting_nano
        )

    @cached_property
    def budgets(self) -> "Budgets":
        """What admins let the company, its teams and its people spend in a month."""
        from billing.budgets.book import Budgets

        return Budgets(
            self.database,
            self.directory,
            currency=self.ledger.plan.currency,
            setting_nano=self._setting_nano,
        )

    @property
    def _setting_nano(self) -> int | None:
        from billing.money import from_decimal

        cap = self.settings.budget_monthly
        return None if cap is None else from_decimal(cap)

    def warm_up(self) -> None:
        """Loads the models in process, so that the first question does not wait for them.

        Raises:
            IntegrityError: a file of theirs is not what it should be.
        """
        self.embedder.warm_up()
        self.reader.warm_up()

    @cached_property
    def reader(self) -> "Reader":
        from routing.reading.reader import make_reader

        reader = make_reader(self.settings)
        self._closing.callback(reader.close)
        return reader

    @cached_property
    def answerer(self) -> "Answerer":
        from routing.answer import Answerer

        return Answerer(
            database=self.database,
            searcher=self.searcher,
            ladder=self._ladder(),
            meter=self.ledger,
            may_read_document=self.library.may_read,
            policies=self.policies,
            sampler=self.sampler,
        )

    @cached_property
    def sampler(self) -> "ShadowSampler":
        """What checks some of the questions in the background."""
        from routing.policy.evidence.making import make_sampler

        sampler = make_sampler(
            self.settings,
            self.database,
            ladder=lambda: self.answerer.ladder,
            meter=self.ledger,
            currency=self.ledger.plan.currency,
            prices=self.catalogue.prices,
        )
        self._closing.callback(sampler.close)
        return sampler

    @cached_property
    def policies(self) -> "PolicyDesk":
        """What each workspace chose for quality and price, and what was worked out for it."""
        from routing.policy.service import PolicyDesk

        return PolicyDesk(
            self.database,
            ladder=lambda: self.answerer.ladder,
            charges=self.ledger.charges,
            currency=self.ledger.plan.currency,
            shadow_share=self.settings.shadow_share,
        )

    @cached_property
    def catalogue(self) -> "Catalogue":
        """Prompts, dated prices, and figures of what answers."""
        from routing.catalogue import Surroundings, build_catalogue

        around = Surroundings(
            currency=self.ledger.plan.currency,
            tier_with=lambda spec, prompts: self._ladder(spec, prompts=prompts).top,
            meter=self.ledger,
            caller_of=self._caller_of,
            may_read_all=self.library.may_read_all,
        )
        return build_catalogue(self.database, around)

    def _ladder(
        self,
        *specs: "TierSpec",
        adapters: "AdapterChooser | None" = None,
        prompts: "PromptChooser | None" = None,
    ) -> "Ladder":
        """The rungs as they are in service, but for what is given."""
        from routing.tiers import build_ladder

        return build_ladder(
            self.settings,
            self.reader,
            self.ledger.plan.currency,
            specs=specs or None,
            adapters=adapters or self.adapters,
            prompts=prompts or self.catalogue.prompts,
            prices=self.catalogue.prices,
        )

    @cached_property
    def adapters(self) -> "Adapters":
        """The local model's adapters: what manages them, and what chooses one for a question."""
        from routing.adapters import Surroundings, build_adapters

        around = Surroundings(
            may_read_all=self.library.may_read_all,
            kind_of=self._kind_of_source,
            caller_of=self._caller_of,
            people_of=self._people,
            rung_with=lambda spec, adapters: self._ladder(spec, adapters=adapters).top,
        )
        return build_adapters(self.settings, self.database, around)

    def _kind_of_source(self, workspace_id: str, name: str) -> str | None:
        from ingest.sync.runs import find_source

        try:
            with self.database.read() as session:
                return find_source(session, name, workspace_id).kind
        except NotFoundError:
            return None

    def _caller_of(self, user_id: str) -> Caller | None:
        """The caller that past questions were asked by; the command line asks as the operator."""
        operator = self.caller(None)
        return operator if user_id == operator.user_id else self.directory.caller_by_id(user_id)

    def _people(self, workspace_id: str) -> list[Caller]:
        found = (self.directory.caller_by_id(person.id) for person in self.directory.list())
        return [person for person in found if person is not None and person.workspace_id == workspace_id]

    @cached_property
    def history(self) -> "History":
        from routing.history import History

        return History(self.database, may_read_document=self.library.may_read, receipt_of=self.ledger.receipt)

    @cached_property
    def asks(self) -> "AskRunner":
        from routing.runner import AskRunner

        asks = AskRunner(self.answerer, self.history)
        self._closing.callback(asks.close)
        return asks

    # the web

    @cached_property
    def reader_card(self) -> "ReaderCard":
        from routing.reading.card import reader_card

        return reader_card()

    @cached_property
    def services(self) -> "Services":
        from web.deps import Services

        return Services(
            settings=self.settings,
            sign_ins=self.sign_ins,
            directory=self.directory,
            searcher=self.searcher,
            asks=self.asks,
            history=self.history,
            library=self.library,
            sources=self.sources,
            usage=self.ledger,
            budgets=self.budgets,
            adapters=self.adapters,
            policies=self.policies,
            catalogue=self.catalogue,
            suggestions=self._suggestions(),
            health=self.health,
            reader_card=lambda: self.reader_card,
        )

    def tidy_up(self) -> None:
        """Closes what an ended process left open: questions without an end, and the money held for them.

        Only what is older than any answer can take is touched, since another process may be answering now.

        Raises:
            IntegrityError: `plan_edited`, where a price plan was changed after it was used.
        """
        self.ledger.check_plans()
        questions = self.answerer.close_interrupted()
        holds = self.ledger.settle_open("the process ended before the answer", older_than=_LONGEST_ANSWER)
        if questions or holds:
            structlog.get_logger().warning("closed_interrupted", questions=questions, reservations=len(holds))

    def health(self) -> "tuple[HealthCheck, ...]":
        """Whether the database and the index answer."""
        return (self._health("database", self.database.ping), self._health("index", self.index.stats))

    @staticmethod
    def _health(name: str, look: Callable[[], object]) -> "HealthCheck":
        from web.deps import HealthCheck

        try:
            look()
        except RungError as error:
            return HealthCheck(name, ok=False, detail=error.message)
        return HealthCheck(name, ok=True)

    def _suggestions(self) -> tuple[str, ...]:
        """The demo's questions where the demo is what is indexed: elsewhere they would lead nowhere."""
        from app.demo.company import SOURCE_NAME, load_suggestions

        has_demo = any(source.name == SOURCE_NAME for source in self.sources.list())
        return tuple(load_suggestions()) if has_demo else ()


@contextmanager
def house() -> Iterator[House]:
    """The installation of this process' settings, closed at the end."""
    it = House(get_settings())
    try:
        yield it
    finally:
        it.close()
