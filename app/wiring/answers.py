"""The parts that answer and that count money: the ladder, the policy, the catalogue, the ledger."""

from functools import cached_property
from typing import TYPE_CHECKING

from app.core.identity import Caller
from app.wiring.documents import Documents

if TYPE_CHECKING:
    from billing.budgets.book import Budgets
    from billing.ledger import Ledger
    from retrieval.passage import Passage
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


class Answers(Documents):
    """Answers and money, on top of the documents."""

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
            search_as=self._search_as,
        )
        catalogue = build_catalogue(self.database, around)
        self._closing.callback(catalogue.close)
        return catalogue

    def _search_as(self, caller: Caller, query: str) -> "tuple[Passage, ...]":
        """What a question of this caller would find, as much of it as a question is given."""
        from routing.flow import PASSAGES

        return self.searcher.search(caller, query, limit=PASSAGES).passages[:PASSAGES]

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
            kind_of=self.kind_of_source,
            caller_of=self._caller_of,
            people_of=self._people,
            rung_with=lambda spec, adapters: self._ladder(spec, adapters=adapters).top,
        )
        return build_adapters(self.settings, self.database, around)

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

    @cached_property
    def reader_card(self) -> "ReaderCard":
        from routing.reading.card import reader_card

        return reader_card()
