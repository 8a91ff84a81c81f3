"""`GET /api/v1/usage`: what a month cost and saved, from the ledger."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel

from app.core.errors import ForbiddenError
from web.api.shapes import PROBLEMS, decimal_text
from web.auth import SignedIn
from web.deps import Given

api = APIRouter(prefix="/api/v1", tags=["usage"], responses=PROBLEMS)

Month = Annotated[str | None, Query(pattern=r"^\d{4}-(0[1-9]|1[0-2])$", description="Such as 2026-11.")]


class TierUsageOut(BaseModel):
    tier: str
    attempts: int
    answers: int
    price_nano: int
    cost_nano: int
    saved_nano: int
    input_tokens: int
    output_tokens: int


class UsageOut(BaseModel):
    """`budget_nano` is the workspace's, nothing where there is none. Amounts are of `currency`."""

    month: str
    scope: Literal["mine", "workspace"]
    currency: str
    questions: int
    answered: int
    spent: str
    saved: str
    spent_nano: int
    held_nano: int
    cost_nano: int
    saved_nano: int
    budget_nano: int | None
    tiers: list[TierUsageOut]


@api.get("/usage")
def usage(
    caller: SignedIn, services: Given, month: Month = None, scope: Literal["mine", "workspace"] = "mine"
) -> UsageOut:
    """A month's sums: your own, or as an admin the workspace's."""
    if scope == "workspace" and not caller.is_admin:
        raise ForbiddenError("Only an admin may see the whole workspace's usage.", code="admin_only")
    found = services.usage.summary(
        month, workspace_id=caller.workspace_id, user_id=caller.user_id if scope == "mine" else None
    )
    return UsageOut(
        month=found.period,
        scope=scope,
        currency=found.currency,
        questions=found.questions,
        answered=found.answered,
        spent=decimal_text(found.spent_nano),
        saved=decimal_text(found.saved_nano),
        spent_nano=found.spent_nano,
        held_nano=found.held_nano,
        cost_nano=found.cost_nano,
        saved_nano=found.saved_nano,
        budget_nano=found.cap_nano,
        tiers=[
            TierUsageOut(
                tier=tier.tier,
                attempts=tier.attempts,
                answers=tier.answers,
                price_nano=tier.price_nano,
                cost_nano=tier.cost_nano,
                saved_nano=tier.saved_nano,
                input_tokens=tier.input_tokens,
                output_tokens=tier.output_tokens,
            )
            for tier in found.tiers
        ],
    )
