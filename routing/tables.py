"""The tables of what was asked, how it was answered, and what people thought of it.

What it cost is in the ledger and nowhere else; the attempts here say what was tried, for the trail.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Index, Text
from sqlmodel import Field, SQLModel

from app.core.db import BigInt, UtcDateTime


class ConversationRow(SQLModel, table=True):
    """A thread of questions by one person. Nobody else may open it."""

    __tablename__ = "conversation"
    __table_args__ = (Index("ix_conversation_newest", "workspace_id", "user_id", "updated_at"),)

    id: str = Field(primary_key=True)
    workspace_id: str
    user_id: str
    title: str = Field(sa_type=Text)
    created_at: datetime = Field(sa_type=UtcDateTime)
    updated_at: datetime = Field(sa_type=UtcDateTime)


class QueryRow(SQLModel, table=True):
    """One question with its answer and the route decision.

    `state` is running, finished or failed. `filters` are what the search was narrowed to, if it was.
    `search_text` is what was looked up: the question, with what it
    refers to in front where it is a follow-up. `stage1` to `stage3` are the difficulty at each stage that
    was reached. `route_difficulty` and `reasons` are what the asker was told. `timings_ms` maps a stage of
    the work to its duration. `features` are what the last stage's difficulty was worked out from, and
    `difficulty_model` by what.
    """

    __tablename__ = "query"
    __table_args__ = (Index("ix_query_state", "state", "created_at"),)

    id: str = Field(primary_key=True)
    workspace_id: str = Field(index=True)
    conversation_id: str = Field(foreign_key="conversation.id", index=True)
    user_id: str
    asked_tier: str
    escalated_from: str | None = None
    question: str = Field(sa_type=Text)
    search_text: str = Field(default="", sa_type=Text)
    filters: dict[str, Any] | None = Field(default=None, sa_type=JSON)
    state: str = "running"
    answer_text: str = Field(default="", sa_type=Text)
    abstained: bool = False
    tier: str = ""
    stage1: float | None = None
    stage2: float | None = None
    stage3: float | None = None
    route_tier: str = ""
    route_difficulty: float | None = None
    reasons: list[str] = Field(default_factory=list, sa_type=JSON)
    escalation_reason: str | None = Field(default=None, sa_type=Text)
    notes: list[str] = Field(default_factory=list, sa_type=JSON)
    prompt_id: str | None = None
    problem_code: str | None = None
    problem_message: str | None = Field(default=None, sa_type=Text)
    timings_ms: dict[str, float] = Field(default_factory=dict, sa_type=JSON)
    features: dict[str, float] | None = Field(default=None, sa_type=JSON)
    difficulty_model: str | None = None
    created_at: datetime = Field(sa_type=UtcDateTime)
    finished_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class AttemptRow(SQLModel, table=True):
    """One call of one rung, failed ones included, in the order they were made."""

    __tablename__ = "attempt"

    query_id: str = Field(primary_key=True, foreign_key="query.id")
    ordinal: int = Field(primary_key=True)
    workspace_id: str
    tier: str
    model: str
    outcome: str
    reason: str = Field(sa_type=Text)
    input_tokens: int
    output_tokens: int
    cost_nano: int = Field(sa_type=BigInt)
    duration_ms: int
    provider_request_id: str | None = None
    estimated: bool = False


class StepRow(SQLModel, table=True):
    """One step of a rung that works in several. `chunk_ids` are the passages that it found first."""

    __tablename__ = "query_step"

    query_id: str = Field(primary_key=True, foreign_key="query.id")
    ordinal: int = Field(primary_key=True)
    workspace_id: str
    tier: str
    kind: str
    text: str = Field(sa_type=Text)
    query: str = Field(sa_type=Text)
    chunk_ids: list[str] = Field(default_factory=list, sa_type=JSON)
    input_tokens: int
    output_tokens: int
    cost_nano: int = Field(sa_type=BigInt)
    duration_ms: int


class CitationRow(SQLModel, table=True):
    """The span that supports a sentence of an answer."""

    __tablename__ = "citation"

    query_id: str = Field(primary_key=True, foreign_key="query.id")
    n: int = Field(primary_key=True)
    workspace_id: str
    document_id: str = Field(index=True)
    chunk_id: str
    title: str = Field(sa_type=Text)
    url: str | None = Field(default=None, sa_type=Text)
    quote: str = Field(sa_type=Text)
    start: int
    end: int
    answer_start: int | None = None
    answer_end: int | None = None
    place: str = Field(default="", sa_type=Text)


class QueryPassageRow(SQLModel, table=True):
    """A passage that was retrieved for a question, best first."""

    __tablename__ = "query_passage"

    query_id: str = Field(primary_key=True, foreign_key="query.id")
    rank: int = Field(primary_key=True)
    workspace_id: str
    document_id: str = Field(index=True)
    chunk_id: str
    title: str = Field(sa_type=Text)
    heading_path: list[str] = Field(default_factory=list, sa_type=JSON)
    text: str = Field(sa_type=Text)
    start: int
    end: int
    source: str
    url: str | None = Field(default=None, sa_type=Text)
    author: str | None = None
    updated_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    score: float
    dense_score: float | None = None
    sparse_score: float | None = None
    page: int | None = None
    page_breaks: list[int] = Field(default_factory=list, sa_type=JSON)


class FeedbackRow(SQLModel, table=True):
    """What the asker thought of an answer: the last thing they said counts. `reason` is `code: words`."""

    __tablename__ = "feedback"

    query_id: str = Field(primary_key=True, foreign_key="query.id")
    user_id: str = Field(primary_key=True)
    workspace_id: str
    good: bool
    reason: str = Field(default="", sa_type=Text)
    created_at: datetime = Field(sa_type=UtcDateTime)
