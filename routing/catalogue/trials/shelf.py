"""Trials as they are kept: read back as values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any, Literal, cast

from sqlmodel import col, select

from app.core.clock import Clock, utc_now
from app.core.db import Database
from app.core.errors import NotFoundError
from routing.catalogue.tables import PromptTrialRow
from routing.catalogue.trials.differences import Difference

State = Literal["running", "ended", "lost"]
"""Lost: nothing was heard of it for so long that its process must have ended."""

LOST_AFTER = timedelta(minutes=15)
"""Longer than any two answers take."""


@dataclass(frozen=True, slots=True)
class Side:
    """What one prompt did in a trial.

    passed: test cases whose every rule it kept; `broken` names the others and what they broke. agreement: the
    mean over the `rated` past questions whose answer somebody accepted, from 0 to 1. abstained: past ones
    it found nothing for. failed: questions whose call failed. cost_nano, tokens: of all its calls. p50_ms,
    p95_ms: of an answer, over those that came but the trial's first; nothing where none did.
    """

    prompt_id: str
    tests: int
    passed: int
    broken: tuple[tuple[str, str], ...]
    past: int
    rated: int
    agreement: float | None
    abstained: int
    failed: int
    cost_nano: int
    input_tokens: int
    output_tokens: int
    p50_ms: int | None
    p95_ms: int | None

    @property
    def asked(self) -> int:
        return self.tests + self.past

    @property
    def cost_each_nano(self) -> int:
        return self.cost_nano // self.asked if self.asked else 0


@dataclass(frozen=True, slots=True)
class Trial:
    """A prompt tried against another one; the first side is the prompt tried. `left_out` past questions were
    not asked, since their asker may no longer read all they were answered from.

    `done` of `total` questions were asked of both. `most_cost_nano` ends it, so does `stop_by`, the person
    who stopped it; `stopped` says why it ended early. `differences` are of what both were asked.
    """

    id: str
    tier: str
    prompt_id: str
    against: str
    model: str
    at: datetime
    by: str
    cost_nano: int
    left_out: int
    stopped: str
    verdict: str
    sides: tuple[Side, ...]
    state: State
    done: int
    total: int
    most_cost_nano: int | None
    ended_at: datetime | None
    stop_by: str
    differences: tuple[Difference, ...]


class TrialShelf:
    """The trials of an installation."""

    def __init__(self, database: Database, clock: Clock = utc_now) -> None:
        self._database = database
        self._clock = clock

    def list(self, workspace_id: str, prompt_id: str | None = None) -> tuple[Trial, ...]:
        """Newest first."""
        chosen = select(PromptTrialRow).where(PromptTrialRow.workspace_id == workspace_id)
        if prompt_id is not None:
            chosen = chosen.where(PromptTrialRow.prompt_id == prompt_id)
        with self._database.read() as session:
            rows = session.exec(chosen.order_by(col(PromptTrialRow.id).desc())).all()
        return self._trials(rows)

    def get(self, workspace_id: str, trial_id: str) -> Trial:
        """Raises NotFoundError `no_such_trial`."""
        with self._database.read() as session:
            row = session.get(PromptTrialRow, trial_id)
        if row is None or row.workspace_id != workspace_id:
            raise NotFoundError(f"There is no trial {trial_id}.", code="no_such_trial")
        return self._trials([row])[0]

    def running(self, workspace_id: str) -> Trial | None:
        """The one that runs, if any."""
        return next((trial for trial in self.list(workspace_id) if trial.state == "running"), None)

    def _trials(self, rows: Sequence[PromptTrialRow]) -> tuple[Trial, ...]:
        now = self._clock()
        return tuple(_trial(row, now) for row in rows)


def _trial(row: PromptTrialRow, now: datetime) -> Trial:
    lost = row.state == "running" and (row.beat_at is None or now - row.beat_at > LOST_AFTER)
    return Trial(
        id=row.id,
        tier=row.tier,
        prompt_id=row.prompt_id,
        against=row.against,
        model=row.model,
        at=row.at,
        by=row.by,
        cost_nano=row.cost_nano,
        left_out=row.left_out,
        stopped="Its process ended before it was through." if lost else row.stopped,
        verdict=row.verdict,
        sides=tuple(_side(figures) for figures in row.figures),
        state="lost" if lost else cast(State, row.state),
        done=row.done,
        total=row.total,
        most_cost_nano=row.most_cost_nano,
        ended_at=row.ended_at,
        stop_by=row.stop_by,
        differences=tuple(Difference(**found) for found in row.differences),
    )


def _side(figures: Mapping[str, Any]) -> Side:
    kept = {field.name: figures[field.name] for field in fields(Side)}
    kept["broken"] = tuple((name, why) for name, why in figures["broken"])
    return Side(**kept)
