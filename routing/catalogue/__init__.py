"""What answers, and at what price: prompts in service and on trial, dated prices, figures of each model.

`choice` and `prices` are what the rungs ask while they answer; `prompts`, `trials` and `figures` are what
people see and set.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.core.clock import Clock, utc_now
from app.core.db import Database

if TYPE_CHECKING:
    from app.core.usage import Meter
    from routing.adapters.choice import MayReadAll
    from routing.adapters.learning.examples import CallerOf
    from routing.catalogue.figures import FiguresDesk
    from routing.catalogue.prices import ModelPriceBook
    from routing.catalogue.prompts import PromptDesk
    from routing.catalogue.trials.desk import TierWith, Trials
    from routing.catalogue.trials.questions import SearchAs
    from routing.tier import TierSpec


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The catalogue of an installation."""

    prices: "ModelPriceBook"
    prompts: "PromptDesk"
    trials: "Trials"
    figures: "FiguresDesk"

    def close(self) -> None:
        """Ends trials that are under way."""
        self.trials.close()


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the catalogue is told of the rest of Rung.

    currency: the plan's. tier_with: a rung that asks this chooser for its prompt. meter: counts what
    trials cost. caller_of: the caller a user id stands for now. search_as: finds passages again for one.
    """

    currency: str
    tier_with: "TierWith"
    meter: "Meter"
    caller_of: "CallerOf"
    may_read_all: "MayReadAll"
    search_as: "SearchAs | None" = None


def build_catalogue(
    database: Database,
    around: Surroundings,
    *,
    specs: "Sequence[TierSpec] | None" = None,
    clock: Clock = utc_now,
) -> Catalogue:
    """The catalogue of an installation. `specs` are the ladder's; those of `tiers.toml` without."""
    from routing.catalogue.figures import FiguresDesk
    from routing.catalogue.files import PromptFiles
    from routing.catalogue.prices import ModelPriceBook
    from routing.catalogue.prompts import PromptDesk
    from routing.catalogue.trials.desk import Trials
    from routing.catalogue.trials.questions import Askers
    from routing.tier import load_specs

    ladder = tuple(specs or load_specs())
    prompts = PromptDesk(database, PromptFiles(ladder), clock)
    trials = Trials(
        database,
        prompts,
        ladder,
        tier_with=around.tier_with,
        meter=around.meter,
        askers=Askers(around.caller_of, around.may_read_all, around.search_as),
        clock=clock,
    )
    prices = ModelPriceBook(database, around.currency, clock)
    return Catalogue(prices, prompts, trials, FiguresDesk(database))
