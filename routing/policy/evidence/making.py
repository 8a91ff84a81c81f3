"""Makes the sampler of an installation."""

from collections.abc import Callable

import structlog

from app.core.config import Settings
from app.core.db import Database
from app.core.errors import ConfigurationError
from app.core.usage import Meter
from routing.llm.prices import DatedPrices
from routing.policy.evidence.sample import Judge
from routing.policy.evidence.shadow import ShadowSampler
from routing.tier import Ladder


def make_sampler(
    settings: Settings,
    database: Database,
    *,
    ladder: Callable[[], Ladder],
    meter: Meter,
    currency: str,
    prices: DatedPrices,
) -> ShadowSampler:
    """The sampler; where words do not decide, the premium model of the settings compares."""

    def judge() -> Judge | None:
        from routing.llm.chat import LiteLlmModel
        from routing.llm.judge import ModelJudge
        from routing.llm.prices import find_prices

        try:
            model = LiteLlmModel.of(settings)
            found = find_prices(settings, currency, prices)
        except ConfigurationError as error:
            structlog.get_logger().info("no judge of shadow samples", why=error.code)
            return None
        return ModelJudge(ladder().top.name, model, found)

    return ShadowSampler(database, ladder=ladder, meter=meter, judge=judge)
