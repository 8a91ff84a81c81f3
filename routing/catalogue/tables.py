"""The tables of the catalogue: prompts put into service, trials of prompts, dated prices.

Rows are added, never changed; only a trial's row follows what it does.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Index, Text
from sqlmodel import Field, SQLModel

from app.core.db import BigInt, UtcDateTime


class PromptEntryRow(SQLModel, table=True):
    """What a person decided about the prompts of a rung.

    `action` is serve, share, stop or rollback. `prompt_id` is what it is about: for `rollback` the one that
    speaks again. `share_percent` is the share of questions, for `share` alone.
    """

    __tablename__ = "prompt_entry"
    __table_args__ = (Index("ix_prompt_entry_tier", "workspace_id", "tier", "id"),)

    id: str = Field(primary_key=True)
    workspace_id: str
    tier: str
    action: str
    prompt_id: str
    share_percent: int | None = None
    at: datetime = Field(sa_type=UtcDateTime)
    by: str


class PromptTrialRow(SQLModel, table=True):
    """A prompt tried against the one in service, on its test set and on past questions.

    `figures` are those of both, as `trials.shelf.Side` has them, and `differences` what lies between them.
    `state` is running or ended; `done` of `total` questions were asked, and `beat_at` is when that was last
    written. `cost_nano` is what both cost together, `most_cost_nano` what they may. `stop_by` wants it to
    end; `stopped` is why it ended before it was through, if it did. Its answers are stored as they come.
    """

    __tablename__ = "prompt_trial"
    __table_args__ = (Index("ix_prompt_trial_prompt", "workspace_id", "prompt_id"),)

    id: str = Field(primary_key=True)
    workspace_id: str
    tier: str
    prompt_id: str
    against: str
    model: str
    at: datetime = Field(sa_type=UtcDateTime)
    by: str
    cost_nano: int = Field(sa_type=BigInt)
    left_out: int
    stopped: str = Field(sa_type=Text)
    verdict: str = Field(sa_type=Text)
    figures: list[dict[str, Any]] = Field(sa_type=JSON)
    state: str
    done: int
    total: int
    most_cost_nano: int | None = Field(default=None, sa_type=BigInt)
    beat_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    ended_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    stop_by: str = Field(default="")
    differences: list[dict[str, Any]] = Field(default_factory=list, sa_type=JSON)


class PromptTrialAnswerRow(SQLModel, table=True):
    """One answer of a trial. `case_id` is a case of the test set, or the past question's id.

    Of an answer to a past question the text is not kept: it may come from documents that admins may not read.
    """

    __tablename__ = "prompt_trial_answer"

    trial_id: str = Field(primary_key=True)
    prompt_id: str = Field(primary_key=True)
    case_id: str = Field(primary_key=True)
    workspace_id: str
    kind: str
    text: str = Field(sa_type=Text)
    abstained: bool
    score: float | None = None
    problem: str = Field(sa_type=Text)
    input_tokens: int
    output_tokens: int
    cost_nano: int = Field(sa_type=BigInt)
    duration_ms: int


class ModelPriceRow(SQLModel, table=True):
    """A price from a moment on, a million tokens, as Decimal in text. The newest entry in force counts.

    `model` is the name that receipts give it, or `*` for whatever the deployment serves.
    """

    __tablename__ = "model_price"
    __table_args__ = (Index("ix_model_price_since", "deployment", "model", "since"),)

    id: str = Field(primary_key=True)
    deployment: str
    model: str
    currency: str
    input_price: str
    output_price: str
    cached_price: str
    since: datetime = Field(sa_type=UtcDateTime)
    source: str = Field(sa_type=Text)
    by: str
    at: datetime = Field(sa_type=UtcDateTime)
