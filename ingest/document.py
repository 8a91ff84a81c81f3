"""What a connector hands over, before parsing."""

from dataclasses import dataclass
from datetime import datetime

from app.core.identity import AccessList


@dataclass(frozen=True, slots=True)
class SourceDocument:
    """One item at the source.

    `external_id` names it at the source for ever (a relative path, a page id). `content` is its bytes and
    `media_type` or the file name says how to parse them. `revision` is cheap to get at the source (size
    and time, an ETag) and changes whenever the content may have changed. `moved_from` is the id that it had
    at the source before it was renamed, where the source can tell: what Rung keeps of it goes along.
    """

    external_id: str
    file_name: str
    content: bytes
    revision: str
    access: AccessList
    url: str | None = None
    title: str | None = None
    author: str | None = None
    updated_at: datetime | None = None
    media_type: str | None = None
    moved_from: str | None = None
