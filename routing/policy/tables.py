"""The tables of policy: what was chosen, what is known of past answers, what was worked out from it."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import JSON, Index, Text
from sqlmodel import Field, SQLModel

from app.core.db import UtcDateTime


class ChoiceRow(SQLModel, table=True):
    """One choice of a person for a workspace. Only ever added to; the newest counts. `limits` are of one
    question."""

    __tablename__ = "policy_choice"
    __table_args__ = (Index("ix_policy_choice_newest", "workspace_id", "created_at"),)

    id: str = Field(primary_key=True)
    workspace_id: str
    objective: dict[str, Any] = Field(sa_type=JSON)
    shadow_share: float
    limits: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    by_user_id: str
    by_name: str
    created_at: datetime = Field(sa_type=UtcDateTime)


class LabelRow(SQLModel, table=True):
    """Whether the answer of a cheap rung was wrong, and how that is known.

    `how` is feedback, escalation (somebody asked the better model) or shadow (drawn at random). `tier` is the
    rung judged, `kind` its kind, `probability` its difficulty when it had answered. `judged_by` is the person
    or `agreement`, or the id of the prompt that compared.
    """

    __tablename__ = "policy_label"
    __table_args__ = (Index("ix_policy_label_workspace", "workspace_id", "created_at"),)

    query_id: str = Field(primary_key=True, foreign_key="query.id")
    how: str = Field(primary_key=True)
    workspace_id: str
    tier: str
    kind: str
    wrong: bool
    judged_by: str
    probability: float
    note: str = Field(default="", sa_type=Text)
    created_at: datetime = Field(sa_type=UtcDateTime)


class CalibrationRow(SQLModel, table=True):
    """Thresholds worked out at one time for one choice. Only ever added to; the newest of a choice counts.

    `thresholds` maps a kind of rung to where it climbs. `report` is what was told. `reference` is what drift
    is measured against. `digest` is that of everything it was worked out from and of its result.
    """

    __tablename__ = "policy_calibration"
    __table_args__ = (Index("ix_policy_calibration_newest", "workspace_id", "created_at"),)

    id: str = Field(primary_key=True)
    workspace_id: str
    choice_id: str
    state: str
    thresholds: dict[str, float] = Field(sa_type=JSON)
    statement: str = Field(sa_type=Text)
    report: list[dict[str, Any]] = Field(sa_type=JSON)
    reference: dict[str, Any] = Field(sa_type=JSON)
    digest: str
    by_name: str
    created_at: datetime = Field(sa_type=UtcDateTime)


class ShareDayRow(SQLModel, table=True):
    """How many questions of a day (UTC) Rung chose the rung for, and how many it sent to the top rung."""

    __tablename__ = "policy_share_day"

    workspace_id: str = Field(primary_key=True)
    day: date = Field(primary_key=True)
    questions: int = 0
    top: int = 0
