"""`GET /api/v1/sources`: what Rung reads, for admins."""

from datetime import datetime

from fastapi import APIRouter
from pydantic import BaseModel

from ingest.sources import Run
from web.api.shapes import PROBLEMS
from web.auth import Admin
from web.deps import Given
from web.present.admin.sources import run_words

api = APIRouter(prefix="/api/v1", tags=["sources"], responses=PROBLEMS)


class RunOut(BaseModel):
    """A sync run. `wording` says in words how it ended, such as `complete with 3 failures`."""

    id: str
    state: str
    wording: str
    started_at: datetime
    finished_at: datetime | None
    listed: int
    upserted: int
    unchanged: int
    deleted: int
    failed: int
    skipped: int


class SourceOut(BaseModel):
    name: str
    kind: str
    documents: int
    last_run: RunOut | None


class SourcesOut(BaseModel):
    sources: list[SourceOut]


@api.get("/sources")
def sources(_admin: Admin, services: Given) -> SourcesOut:
    """All sources with how many documents each holds and how its last run went."""
    return SourcesOut(
        sources=[
            SourceOut(
                name=source.name,
                kind=source.kind,
                documents=source.documents,
                last_run=_run(source.last_run) if source.last_run else None,
            )
            for source in services.sources.list()
        ]
    )


def _run(run: Run) -> RunOut:
    return RunOut(
        id=run.id,
        state=run.state,
        wording=run_words(run),
        started_at=run.started_at,
        finished_at=run.finished_at,
        listed=run.counts.listed,
        upserted=run.counts.upserted,
        unchanged=run.counts.unchanged,
        deleted=run.counts.deleted,
        failed=run.counts.failed,
        skipped=run.counts.skipped,
    )
