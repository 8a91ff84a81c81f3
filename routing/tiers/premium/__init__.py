"""The rung of a frontier model: one agent loop that may search again, with limits on steps, tokens and money.

`tier` is the rung, `loop` one question's way through it, `calls` one call with its retries and fallbacks;
`allowance` counts, `asking` reads what the model asks for, `conflicts` compares what is cited.
"""

from routing.tiers.premium.tier import PremiumTier

__all__ = ["PremiumTier"]
