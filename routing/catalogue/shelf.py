"""Trials as they are kept: read back as values."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from sqlmodel import col, select

from app.core.db import Database
from app.core.errors import NotFoundError
from routing.catalogue.tables import PromptTrialRow


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
    not asked, since their asker may no longer read all they were answered from."""

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


class TrialShelf:
    """The trials of an installation."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def list(self, workspace_id: str, prompt_id: str | None = None) -> tuple[Trial, ...]:
        """Newest first."""
        chosen = select(PromptTrialRow).where(PromptTrialRow.workspace_id == workspace_id)
        if prompt_id is not None:
            chosen = chosen.where(PromptTrialRow.prompt_id == prompt_id)
        with self._database.read() as session:
            rows = session.exec(chosen.order_by(col(PromptTrialRow.id).desc())).all()
        return tuple(_trial(row) for row in rows)

    def get(self, workspace_id: str, trial_id: str) -> Trial:
        """Raises NotFoundError `no_such_trial`."""
        with self._database.read() as session:
            row = session.get(PromptTrialRow, trial_id)
        if row is None or row.workspace_id != workspace_id:
            raise NotFoundError(f"There is no trial {trial_id}.", code="no_such_trial")
        return _trial(row)


def _trial(row: PromptTrialRow) -> Trial:
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
        stopped=row.stopped,
        verdict=row.verdict,
        sides=tuple(_side(figures) for figures in row.figures),
    )


def _side(figures: Mapping[str, Any]) -> Side:
    kept = {field.name: figures[field.name] for field in fields(Side)}
    kept["broken"] = tuple((name, why) for name, why in figures["broken"])
    return Side(**kept)
