"""What each workspace wants of its answers, and what follows from it: answer here, climb, or abstain.

`decisions` decides about one question; `service` is what people set and see; `proof` holds the statistics and
`evidence` the labels they stand on.
"""

from routing.policy.decisions import (
    NOT_SURE,
    TOO_HARD_BUDGET,
    TOO_HARD_LEFT_OUT,
    TOO_HARD_UNAVAILABLE,
    Decision,
    OnePolicy,
    Policies,
    Policy,
    Room,
    anything_near,
)

__all__ = [
    "NOT_SURE",
    "TOO_HARD_BUDGET",
    "TOO_HARD_LEFT_OUT",
    "TOO_HARD_UNAVAILABLE",
    "Decision",
    "OnePolicy",
    "Policies",
    "Policy",
    "Room",
    "anything_near",
]
