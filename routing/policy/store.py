"""Writes and reads choices, calibrations and the count of the top rung. Labels have a file of their own."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Date, bindparam, text
from sqlmodel import Session, col, func, select, update

from app.core.clock import Clock, new_id
from app.core.db import Database
from app.core.identity import Caller
from routing.policy.objectives import (
    DEFAULT,
    Objective,
    from_json,
    limits_from_json,
    limits_to_json,
    to_json,
)
from routing.policy.reports import Choice
from routing.policy.tables import CalibrationRow, ChoiceRow, ShareDayRow
from routing.tier import TierLimits

DEFAULT_CHOICE = "default"
"""The id of the choice that nobody made."""

_NEW_DAY = text(
    "INSERT INTO policy_share_day (workspace_id, day, questions, top) VALUES (:workspace_id, :day, 0, 0)"
    " ON CONFLICT DO NOTHING"
).bindparams(bindparam("day", type_=Date))


_ROUNDING = 1e-9


class PolicyStore:
    """What people chose, and what was worked out for it."""

    def __init__(self, database: Database, clock: Clock, shadow_share: float) -> None:
        self._database = database
        self._clock = clock
        self._default = Choice(DEFAULT_CHOICE, DEFAULT, shadow_share, None, "")

    def history(self, workspace_id: str) -> tuple[Choice, ...]:
        """Every choice, newest first; the default that nobody chose where there is none."""
        chosen = select(ChoiceRow).where(ChoiceRow.workspace_id == workspace_id)
        newest = chosen.order_by(col(ChoiceRow.created_at).desc(), col(ChoiceRow.id).desc())
        with self._database.read() as session:
            rows = session.exec(newest).all()
        return tuple(_choice(row) for row in rows) or (self._default,)

    def current(self, workspace_id: str) -> tuple[Choice, CalibrationRow | None]:
        """The choice in force, and its newest calibration."""
        chosen = select(ChoiceRow).where(ChoiceRow.workspace_id == workspace_id)
        newest = chosen.order_by(col(ChoiceRow.created_at).desc(), col(ChoiceRow.id).desc()).limit(1)
        with self._database.read() as session:
            row = session.exec(newest).first()
            choice = self._default if row is None else _choice(row)
            return choice, latest_calibration(session, workspace_id, choice.id)

    def add_choice(
        self, caller: Caller, objective: Objective, shadow_share: float, limits: TierLimits
    ) -> None:
        """Writes a dated choice."""
        with self._database.write() as session:
            session.add(
                ChoiceRow(
                    id=new_id(),
                    workspace_id=caller.workspace_id,
                    objective=to_json(objective),
                    shadow_share=shadow_share,
                    limits=limits_to_json(limits),
                    by_user_id=caller.user_id,
                    by_name=caller.name,
                    created_at=self._clock(),
                )
            )


def latest_calibration(session: Session, workspace_id: str, choice_id: str) -> CalibrationRow | None:
    """The newest calibration of a choice."""
    of_choice = select(CalibrationRow).where(
        CalibrationRow.workspace_id == workspace_id, CalibrationRow.choice_id == choice_id
    )
    newest = of_choice.order_by(col(CalibrationRow.created_at).desc(), col(CalibrationRow.id).desc())
    return session.exec(newest.limit(1)).first()


def calibrations(session: Session, workspace_id: str, choice_id: str) -> list[CalibrationRow]:
    """Every calibration of a choice, oldest first."""
    of_choice = select(CalibrationRow).where(
        CalibrationRow.workspace_id == workspace_id, CalibrationRow.choice_id == choice_id
    )
    oldest = of_choice.order_by(col(CalibrationRow.created_at), col(CalibrationRow.id))
    return list(session.exec(oldest).all())


def _choice(row: ChoiceRow) -> Choice:
    return Choice(
        row.id,
        from_json(row.objective),
        row.shadow_share,
        row.created_at,
        row.by_name,
        row.by_user_id,
        limits_from_json(row.limits),
    )


class ShareGate:
    """Keeps the share of the top rung over a rolling window; implements `decisions.Gate`.

    The count is kept in the database, so that racing questions and several processes together stay within it:
    whoever asks for admission first locks the row of the day.
    """

    def __init__(
        self, database: Database, clock: Clock, workspace_id: str, share: float, window_days: int
    ) -> None:
        self._database = database
        self._clock = clock
        self._workspace_id = workspace_id
        self._share = share
        self._window = timedelta(days=window_days - 1)

    def asked(self) -> None:
        """See `Gate.asked`."""
        self._add(questions=1)

    def admit(self) -> bool:
        """See `Gate.admit`. So many of so many questions are admitted, rounded down."""
        now = self._clock()
        with self._database.write() as session:
            self._open(session, now)
            today = self._of_day(now)
            session.exec(select(ShareDayRow).where(*today).with_for_update()).one()
            asked, top = self._sums(session, now)
            if not self.fits(asked, top):
                return False
            session.exec(update(ShareDayRow).where(*today).values(top=col(ShareDayRow.top) + 1))
        return True

    def fits(self, asked: int, top: int) -> bool:
        """Whether one more question may go to the top rung after so many."""
        return top + 1 <= self._share * asked + _ROUNDING

    def looking(self) -> "LookingGate":
        """See `Gate.looking`."""
        return LookingGate(self)

    def used(self) -> tuple[int, int]:
        """Questions in the window, and those of them that went to the top rung."""
        with self._database.read() as session:
            return self._sums(session, self._clock())

    def _add(self, *, questions: int) -> None:
        now = self._clock()
        with self._database.write() as session:
            self._open(session, now)
            raised = col(ShareDayRow.questions) + questions
            session.exec(update(ShareDayRow).where(*self._of_day(now)).values(questions=raised))

    def _open(self, session: Session, now: datetime) -> None:
        session.connection().execute(_NEW_DAY, {"workspace_id": self._workspace_id, "day": now.date()})

    def _of_day(self, now: datetime) -> tuple[ColumnElement[bool], ...]:
        return (
            col(ShareDayRow.workspace_id) == self._workspace_id,
            col(ShareDayRow.day) == now.date(),
        )

    def _sums(self, session: Session, now: datetime) -> tuple[int, int]:
        asked, top = session.exec(
            select(func.sum(ShareDayRow.questions), func.sum(ShareDayRow.top)).where(
                ShareDayRow.workspace_id == self._workspace_id,
                col(ShareDayRow.day) >= now.date() - self._window,
            )
        ).one()
        return int(asked or 0), int(top or 0)


@dataclass(frozen=True, slots=True)
class LookingGate:
    """Tells what a gate would do, for a decision that is only explained: counts nothing."""

    gate: ShareGate

    def asked(self) -> None:
        """Counts nothing."""

    def admit(self) -> bool:
        """Whether one more question would be admitted."""
        asked, top = self.gate.used()
        return self.gate.fits(asked + 1, top)

    def looking(self) -> "LookingGate":
        """Itself: it counts nothing already."""
        return self
