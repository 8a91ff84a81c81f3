"""Figures of what answers: calls, tokens, cost, latency, failures and quality, by model and by prompt.

They are counted from stored attempts; what customers were charged is in the ledger and not here.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from sqlmodel import Session, col, select

from app.core.db import Database
from routing.catalogue.trials.differences import (
    NO_SPREAD,
    Difference,
    Spread,
    of_means,
    of_shares,
    spread,
)
from routing.policy.tables import LabelRow
from routing.tables import AttemptRow, FeedbackRow, QueryRow

PERIODS_DAYS = (7, 30)

_Z = 1.959963984540054
"""Of a two-sided interval of 95%."""


@dataclass(frozen=True, slots=True)
class Quality:
    """The share of judged answers that were right, with its 95% interval (Wilson, JASA 22, 1927)."""

    right: int
    judged: int
    low: float
    high: float

    @property
    def share(self) -> float:
        return self.right / self.judged


@dataclass(frozen=True, slots=True)
class Day:
    """One day of a model, by the clock of UTC."""

    day: date
    calls: int = 0
    tokens: int = 0
    cost_nano: int = 0


@dataclass(frozen=True, slots=True)
class ModelFigures:
    """What one model did on one rung. `days` has every day of the period, the oldest first.

    A call is a stored attempt. p50_ms, p95_ms: of calls that did not fail; nothing where there is none.
    quality: nothing where no answer was judged.
    """

    tier: str
    model: str
    calls: int
    failed: int
    answers: int
    input_tokens: int
    output_tokens: int
    cost_nano: int
    p50_ms: int | None
    p95_ms: int | None
    quality: Quality | None
    days: tuple[Day, ...]

    @property
    def error_rate(self) -> float:
        return self.failed / self.calls if self.calls else 0.0


@dataclass(frozen=True, slots=True)
class PromptFigures:
    """What was answered with one prompt since a moment, to compare it with another one on real questions.

    costs, times: nano-units and milliseconds a question, with all its calls on the rung.
    """

    prompt_id: str
    answers: int
    abstained: int
    quality: Quality | None
    cost_each_nano: int
    p50_ms: int | None
    p95_ms: int | None
    costs: Spread = NO_SPREAD
    times: Spread = NO_SPREAD


@dataclass
class _Sum:
    calls: int = 0
    failed: int = 0
    answers: int = 0
    abstained: int = 0
    read: int = 0
    written: int = 0
    cost_nano: int = 0
    times: list[int] = field(default_factory=list)
    verdicts: list[bool] = field(default_factory=list)
    days: dict[date, Day] = field(default_factory=dict)
    by_question: dict[str, tuple[int, int]] = field(default_factory=dict)


class FiguresDesk:
    """Counts for one workspace at a time."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def models(self, workspace_id: str, days: int, now: datetime) -> tuple[ModelFigures, ...]:
        """Every model that was called in the last `days` days, today among them; the most called first."""
        last = now.astimezone(UTC).date()
        period = [last - timedelta(days=back) for back in range(days - 1, -1, -1)]
        since = datetime(period[0].year, period[0].month, period[0].day, tzinfo=UTC)
        sums: dict[tuple[str, str], _Sum] = {}
        with self._database.read() as session:
            verdicts = _verdicts(session, workspace_id, since)
            for attempt, asked_at in _attempts(session, workspace_id, since):
                found = sums.setdefault((attempt.tier, attempt.model), _Sum())
                _count(found, attempt, verdicts)
                day = asked_at.astimezone(UTC).date()
                before = found.days.get(day, Day(day))
                tokens = attempt.input_tokens + attempt.output_tokens
                found.days[day] = Day(
                    day, before.calls + 1, before.tokens + tokens, before.cost_nano + attempt.cost_nano
                )
        ordered = sorted(sums.items(), key=lambda item: (-item[1].calls, item[0]))
        return tuple(_model(tier, model, found, period) for (tier, model), found in ordered)

    def prompts(self, workspace_id: str, tier: str, since: datetime) -> tuple[PromptFigures, ...]:
        """Each prompt that answered on a rung since then, by name."""
        sums: dict[str, _Sum] = {}
        with self._database.read() as session:
            verdicts = _verdicts(session, workspace_id, since)
            chosen = select(QueryRow.id, QueryRow.prompt_id).where(
                QueryRow.workspace_id == workspace_id,
                QueryRow.tier == tier,
                col(QueryRow.prompt_id).is_not(None),
                col(QueryRow.created_at) >= since,
            )
            prompts = {query_id: prompt for query_id, prompt in session.exec(chosen).all() if prompt}
            for attempt, _ in _attempts(session, workspace_id, since):
                prompt = prompts.get(attempt.query_id)
                if prompt is not None and attempt.tier == tier:
                    found = sums.setdefault(prompt, _Sum())
                    _count(found, attempt, verdicts)
                    cost, took = found.by_question.get(attempt.query_id, (0, 0))
                    together = (cost + attempt.cost_nano, took + attempt.duration_ms)
                    found.by_question[attempt.query_id] = together
        return tuple(_prompt(prompt_id, sums[prompt_id]) for prompt_id in sorted(sums))


def differences_of(ours: PromptFigures, theirs: PromptFigures) -> tuple[Difference, ...]:
    """What lies between two prompts that answered different questions: quality, cost and time."""
    right = Difference("right", 0)
    if ours.quality is not None and theirs.quality is not None:
        right = of_shares("right", _share(ours.quality), _share(theirs.quality))
    cost, took = of_means("cost", ours.costs, theirs.costs), of_means("time", ours.times, theirs.times)
    return right, cost, took


def wilson(right: int, judged: int) -> Quality | None:
    """A share with its 95% interval by Wilson's score; nothing of nothing."""
    if judged == 0:
        return None
    share, square = right / judged, _Z * _Z
    middle = share + square / (2 * judged)
    reach = _Z * math.sqrt(share * (1 - share) / judged + square / (4 * judged * judged))
    low, high = (middle - reach) / (1 + square / judged), (middle + reach) / (1 + square / judged)
    return Quality(right, judged, max(0.0, low), min(1.0, high))


def percentile(ordered: Sequence[int], percent: int) -> int | None:
    """The smallest of these ordered numbers that so many per cent do not exceed; nothing of nothing."""
    if not ordered:
        return None
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]


def _share(found: Quality) -> tuple[int, float, float, float]:
    return found.judged, found.share, found.low, found.high


def _attempts(session: Session, workspace_id: str, since: datetime) -> Iterable[tuple[AttemptRow, datetime]]:
    chosen = (
        select(AttemptRow, QueryRow.created_at)
        .join(QueryRow, col(AttemptRow.query_id) == col(QueryRow.id))
        .where(AttemptRow.workspace_id == workspace_id, col(QueryRow.created_at) >= since)
    )
    return session.exec(chosen)


def _verdicts(session: Session, workspace_id: str, since: datetime) -> dict[tuple[str, str], bool]:
    """Whether the answer of a rung to a question was right, by question and rung.

    What the asker said counts before what a comparison found.
    """
    found: dict[tuple[str, str], bool] = {}
    of_workspace = select(LabelRow).where(
        LabelRow.workspace_id == workspace_id, col(LabelRow.created_at) >= since
    )
    labels = session.exec(of_workspace).all()
    for label in labels:
        key = (label.query_id, label.tier)
        if key not in found or label.how == "feedback":
            found[key] = not label.wrong
    said = (
        select(FeedbackRow.query_id, QueryRow.tier, FeedbackRow.good)
        .join(QueryRow, col(FeedbackRow.query_id) == col(QueryRow.id))
        .where(FeedbackRow.workspace_id == workspace_id, col(QueryRow.created_at) >= since)
    )
    weighed = {(label.query_id, label.tier) for label in labels if label.how == "feedback"}
    for query_id, tier, good in session.exec(said).all():
        if (query_id, tier) not in weighed:
            found[query_id, tier] = good
    return found


def _count(found: _Sum, attempt: AttemptRow, verdicts: dict[tuple[str, str], bool]) -> None:
    found.calls += 1
    found.read += attempt.input_tokens
    found.written += attempt.output_tokens
    found.cost_nano += attempt.cost_nano
    if attempt.outcome == "failed":
        found.failed += 1
        return
    found.times.append(attempt.duration_ms)
    found.abstained += attempt.outcome == "abstained"
    if attempt.outcome in ("answered", "escalated"):
        found.answers += 1
        right = verdicts.get((attempt.query_id, attempt.tier))
        if right is not None:
            found.verdicts.append(right)


def _model(tier: str, model: str, found: _Sum, period: Sequence[date]) -> ModelFigures:
    times = sorted(found.times)
    return ModelFigures(
        tier=tier,
        model=model,
        calls=found.calls,
        failed=found.failed,
        answers=found.answers,
        input_tokens=found.read,
        output_tokens=found.written,
        cost_nano=found.cost_nano,
        p50_ms=percentile(times, 50),
        p95_ms=percentile(times, 95),
        quality=wilson(sum(found.verdicts), len(found.verdicts)),
        days=tuple(found.days.get(day, Day(day)) for day in period),
    )


def _prompt(prompt_id: str, found: _Sum) -> PromptFigures:
    times = sorted(found.times)
    asked = found.answers + found.abstained
    each = found.by_question.values()
    return PromptFigures(
        prompt_id=prompt_id,
        answers=found.answers,
        abstained=found.abstained,
        quality=wilson(sum(found.verdicts), len(found.verdicts)),
        cost_each_nano=found.cost_nano // asked if asked else 0,
        p50_ms=percentile(times, 50),
        p95_ms=percentile(times, 95),
        costs=spread([cost for cost, _ in each]),
        times=spread([took for _, took in each]),
    )
