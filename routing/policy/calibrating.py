"""Keeps calibrations, and tells when what they were made from is no longer so."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from app.core.clock import Clock, new_id
from app.core.db import Database
from routing.policy.evidence.labels import Label
from routing.policy.proof import drift
from routing.policy.proof.binomial import fisher_greater
from routing.policy.proof.calibration import Fit, of_questions
from routing.policy.reports import CalibrationReport, Choice, DriftAlert
from routing.policy.shown import past
from routing.policy.shown.words import state as stored_state
from routing.policy.store import PolicyStore, calibrations, latest_calibration
from routing.policy.tables import CalibrationRow

_PERIOD = timedelta(days=30)
"""How far back a calibration looks for what questions and answers are like."""


class Calibrating:
    """Writes calibrations and compares with them."""

    def __init__(self, database: Database, store: PolicyStore, clock: Clock) -> None:
        self._database = database
        self._store = store
        self._clock = clock

    def keep(self, workspace_id: str, choice: Choice, fit: Fit, by: str) -> CalibrationReport:
        """Stores a calibration, unless the newest one of this choice says the same."""
        now, digest = self._clock(), _digest(choice, fit)
        with self._database.write() as session:
            row = latest_calibration(session, workspace_id, choice.id)
            changed = row is None or row.digest != digest
            if row is None or changed:
                row = CalibrationRow(
                    id=new_id(),
                    workspace_id=workspace_id,
                    choice_id=choice.id,
                    state=fit.state,
                    thresholds={str(kind): value for kind, value in fit.thresholds.items()},
                    statement=fit.statement,
                    report=[asdict(rung) for rung in fit.rungs],
                    reference={},
                    digest=digest,
                    by_name=by,
                    created_at=now,
                )
                asked = past.questions(session, workspace_id, now - _PERIOD)
                row.reference = _reference(asked)
                session.add(row)
        return CalibrationReport(
            id=row.id,
            at=row.created_at,
            by=row.by_name,
            state=stored_state(row.state),
            statement=row.statement,
            rungs=fit.rungs,
            changed=changed,
            objective=choice.objective,
        )

    def drift(self, workspace_id: str, choice: Choice, known: Sequence[Label]) -> tuple[DriftAlert, ...]:
        """What is no longer as it was when a person last chose the policy.

        The reference is the first calibration of that choice which had enough to compare with, and it stays:
        against the latest one a slow change would never be seen. Choosing again begins anew. What is compared
        with it is what came since, of the last 30 days.
        """
        with self._database.read() as session:
            rows = calibrations(session, workspace_id, choice.id)
        found = (self._of_quality(rows, known), self._of_questions(workspace_id, rows))
        return tuple(alert for alert in found if alert is not None)

    def _recent(self, row: CalibrationRow) -> datetime:
        """From when on is compared with this reference."""
        return max(row.created_at, self._clock() - _PERIOD)

    def _of_quality(self, rows: Sequence[CalibrationRow], known: Sequence[Label]) -> DriftAlert | None:
        kept = [label for label in known if label.shown]
        # Drawn ones where there are enough: others come and go with the mood of those who click.
        drawn = [label for label in kept if label.how == "shadow"]
        for labels in (drawn, kept):
            row = next((row for row in rows if _judged_before(labels, row) >= drift.LEAST_LABELS), None)
            if row is None:
                continue
            now = [one for one in labels if one.created_at > self._recent(row)]
            if _wrong(now)[1] >= drift.LEAST_LABELS:
                before = [one for one in labels if one.created_at <= row.created_at]
                return _worse(row, before, now)
        return None

    def _of_questions(self, workspace_id: str, rows: Sequence[CalibrationRow]) -> DriftAlert | None:
        enough = (row for row in rows if sum(row.reference["passages"]) >= drift.LEAST_QUESTIONS)
        row = next(enough, None)
        if row is None:
            return None
        with self._database.read() as session:
            asked = past.questions(session, workspace_id, self._recent(row))
        before, now = row.reference["passages"], drift.histogram(_stage2(asked))
        if sum(now) < drift.LEAST_QUESTIONS:
            return None
        index = drift.stability_index(before, now)
        if index < drift.ALERT_INDEX:
            return None
        return DriftAlert(
            kind="questions",
            says=(
                f"The questions since the calibration of {row.created_at:%Y-%m-%d} are spread otherwise over"
                f" the difficulties than those before (stability index {index:.2f}, {sum(now)} questions"
                f" against {sum(before)}). Calibrate again; to compare with today from now on, choose the"
                " policy anew."
            ),
            before=None,
            now=round(index, 4),
            n_before=sum(before),
            n_now=sum(now),
            since=row.created_at,
        )


def _judged_before(labels: Sequence[Label], row: CalibrationRow) -> int:
    return _wrong([label for label in labels if label.created_at <= row.created_at])[1]


def _worse(row: CalibrationRow, before: Sequence[Label], now: Sequence[Label]) -> DriftAlert | None:
    """Fisher's exact test, one-sided."""
    wrong_before, n_before = _wrong(before)
    wrong_now, n_now = _wrong(now)
    p_value = fisher_greater(wrong_before, n_before, wrong_now, n_now)
    if p_value >= drift.ALERT_P:
        return None
    return DriftAlert(
        kind="quality",
        says=(
            f"More answers below premium are wrong than before the calibration of"
            f" {row.created_at:%Y-%m-%d}: {wrong_now} of {n_now} now, {wrong_before} of {n_before} then."
            " Calibrate again; to compare with today from now on, choose the policy anew."
        ),
        before=wrong_before / n_before,
        now=wrong_now / n_now,
        n_before=n_before,
        n_now=n_now,
        since=_first(now),
        p_value=p_value,
    )


def _wrong(labels: Sequence[Label]) -> tuple[int, int]:
    judged = of_questions(labels)
    return sum(one.wrong for one in judged), len(judged)


def _first(labels: Sequence[Label]) -> datetime:
    return min(label.created_at for label in labels)


def _reference(asked: Sequence[past.PastQuestion]) -> dict[str, Any]:
    return {"passages": drift.histogram(_stage2(asked))}


def _stage2(asked: Sequence[past.PastQuestion]) -> list[float]:
    return [question.stage2 for question in asked if question.stage2 is not None]


def _digest(choice: Choice, fit: Fit) -> str:
    """Of all that a calibration says, but for where it climbed before."""
    said = {
        "choice": choice.id,
        "state": fit.state,
        "statement": fit.statement,
        "rungs": [{k: v for k, v in asdict(rung).items() if k != "before"} for rung in fit.rungs],
    }
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()
