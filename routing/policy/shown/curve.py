"""What each threshold would have cost, and answered locally, over a workspace's own past questions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from routing.policy.proof.guarantee import GRID
from routing.policy.reports import CurvePoint
from routing.policy.shown.past import Charge, PastQuestion

THRESHOLDS = (0.0, *GRID)


@dataclass(frozen=True, slots=True)
class _Usual:
    """Average prices, for where a question has none of its own."""

    local_nano: int
    top_nano: int


def points(
    asked: Sequence[PastQuestion],
    charges: Mapping[str, Charge],
    top: str,
    thresholds: Sequence[float] = THRESHOLDS,
) -> tuple[CurvePoint, ...]:
    """One point a threshold: below it a question is answered locally, from it on by the top rung.

    A local answer costs what it was charged, or where the top rung answered what local answers cost on
    average; a top answer what it was charged, or its modelled price. Locally, a question is expected to be
    wrong with its difficulty; on the top rung with none, since that is what answers are compared with.
    A question that got no answer has no modelled price of its own: it takes the average. Questions without a
    charge are left out.
    """
    known = [(question, charges[question.query_id]) for question in asked if question.query_id in charges]
    local = [charge.price_nano for question, charge in known if question.tier != top]
    modelled = [charge.baseline_nano for _, charge in known if charge.baseline_nano > 0]
    usual = _Usual(round(fmean(local)) if local else 0, round(fmean(modelled)) if modelled else 0)
    return tuple(_point(threshold, known, usual) for threshold in thresholds)


def _point(threshold: float, known: Sequence[tuple[PastQuestion, Charge]], usual: _Usual) -> CurvePoint:
    locals_, cost_nano, wrong = 0, 0, 0.0
    for question, charge in known:
        if question.probability < threshold:
            locals_ += 1
            wrong += question.probability
            cost_nano += usual.local_nano if charge.observed else charge.price_nano
        else:
            cost_nano += charge.baseline_nano or usual.top_nano
    share = locals_ / len(known) if known else 0.0
    return CurvePoint(threshold, share, cost_nano, round(wrong, 3))
