"""A catalogue over the small company of the tests of answering, with a premium model on loopback."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest

from app.core.config import Settings
from app.core.db import Database
from app.core.identity import Caller
from routing.answer import Answerer
from routing.catalogue import Catalogue, Surroundings, build_catalogue
from routing.catalogue.choice import PromptChooser
from routing.question import AskRequest
from routing.tier import Tier, TierSpec
from routing.tiers import build_ladder
from routing.updates import Update
from tests.fakes.reader import WordReader
from tests.routing.world import ANA, BEN, World

ADMIN = replace(ANA, is_admin=True)


@dataclass
class Clock:
    now: datetime = datetime(2026, 3, 4, 9, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def pass_days(self, days: float) -> None:
        self.now += timedelta(days=days)


@dataclass
class Company:
    """The small company, its catalogue, and a ladder that asks it."""

    world: World
    catalogue: Catalogue
    clock: Clock
    people: dict[str, Caller]

    def ask(self, question: str, *, asker: Caller = ANA, tier: str = "premium") -> list[Update]:
        return list(self.world.answerer.ask(asker, AskRequest(question, tier=tier)))


def make_company(database: Database, settings: Settings) -> Company:
    world, clock = World(database, settings), Clock()
    people = {ANA.user_id: ANA, BEN.user_id: BEN}

    def tier_with(spec: TierSpec, prompts: PromptChooser) -> Tier:
        return build_ladder(
            settings, WordReader(), "EUR", specs=[spec], prompts=prompts, prices=catalogue.prices
        ).top

    around = Surroundings(
        currency="EUR",
        tier_with=tier_with,
        meter=world.meter,
        caller_of=people.get,
        may_read_all=lambda who, ids: all(world.may_read(who, document) for document in ids),
    )
    catalogue = build_catalogue(database, around, clock=clock)
    world.ladder = build_ladder(
        settings, WordReader(), "EUR", prompts=catalogue.prompts, prices=catalogue.prices
    )
    world.answerer = Answerer(
        database=database,
        searcher=world.finder,
        ladder=world.ladder,
        meter=world.meter,
        may_read_document=world.may_read,
    )
    return Company(world, catalogue, clock, people)


@pytest.fixture
def company(database: Database, premium_settings: Settings) -> Company:
    """On SQLite and on PostgreSQL."""
    return make_company(database, premium_settings)


@pytest.fixture
def small_company(sqlite_database: Database, premium_settings: Settings) -> Company:
    return make_company(sqlite_database, premium_settings)
