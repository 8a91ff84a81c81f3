"""`/api/v1/quality` and `/api/v1/policy`: how good the answers are, and what decides between the rungs."""

from typing import Annotated

from fastapi import APIRouter, Query

from web.api.admin.quality_shapes import (
    CalibrationOut,
    CurveOut,
    PolicyIn,
    PolicyOut,
    QualityOut,
    calibration_out,
    curve_out,
    limits_of,
    objective_of,
    policy_out,
    quality_out,
)
from web.api.shapes import PROBLEMS
from web.auth import Admin
from web.deps import Given

api = APIRouter(prefix="/api/v1", tags=["quality"], responses=PROBLEMS)

Days = Annotated[int, Query(ge=1, le=366)]


@api.get("/quality")
def quality(caller: Admin, services: Given, days: Days = 30) -> QualityOut:
    """How the last days went. Counts alone: nobody's questions."""
    return quality_out(services.policies.quality(caller.workspace_id, days))


@api.get("/policy")
def policy(caller: Admin, services: Given) -> PolicyOut:
    """What decides between the rungs, and who chose it."""
    return policy_out(services.policies.view(caller.workspace_id))


@api.put("/policy")
def choose(body: PolicyIn, caller: Admin, services: Given) -> PolicyOut:
    """Chooses an objective. It counts from the next question on; earlier choices stay in the history."""
    objective = objective_of(body.objective)
    chosen = services.policies.choose(
        caller, objective, shadow_share=body.shadow_share, limits=limits_of(body.limits)
    )
    return policy_out(chosen)


@api.post("/policy/calibrate")
def calibrate(caller: Admin, services: Given) -> CalibrationOut:
    """Fits the thresholds to the labels there are now."""
    return calibration_out(services.policies.calibrate(caller.workspace_id, by=caller.name))


@api.get("/policy/curve")
def curve(caller: Admin, services: Given, days: Days = 30) -> CurveOut:
    """What each threshold would have cost for the workspace's own past questions."""
    return curve_out(services.policies.curve(caller.workspace_id, days))
