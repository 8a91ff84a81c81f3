"""The table of the index's generations."""

from datetime import datetime

from sqlmodel import Field, SQLModel

from app.core.db import UtcDateTime


class GenerationRow(SQLModel, table=True):
    """One generation of the index. Exactly one is `current`; at most one is `building`.

    A `retired` one still gets access lists and deletions, because a process may search it for some seconds
    more; one that is `dropping` is no longer used by anybody, and `gone` is what remains of its row.
    `holder` is the process that builds it.
    """

    __tablename__ = "index_generation"

    number: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    state: str
    embedder: str
    dimensions: int
    embedding_model: str
    recipe: str
    documents_done: int = 0
    documents_total: int = 0
    holder: str = ""
    heartbeat_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    created_at: datetime = Field(sa_type=UtcDateTime)
    switched_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    retired_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
