"""The table of what has been copied into the generation that is being built."""

from datetime import datetime

from sqlalchemy import Column, Text
from sqlmodel import Field, SQLModel

from app.core.db import UtcDateTime


class CopyRow(SQLModel, table=True):
    """A document as the new generation has it. Where the document's row differs, it is copied again."""

    __tablename__ = "index_copy"

    generation: int = Field(primary_key=True)
    document_id: str = Field(primary_key=True)
    workspace_id: str
    title: str
    url: str | None = None
    author: str | None = None
    updated_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    access: str = Field(sa_column=Column(Text, nullable=False))
    indexed_at: datetime = Field(sa_type=UtcDateTime)
    chunk_count: int
