"""What is told of sources: what they hold, how their runs go, what failed and what changed."""

from typing import Annotated

from fastapi import APIRouter, Path, Query

from web.api.admin.sources.filling import (
    audit_out,
    change_out,
    detail_out,
    failures_out,
    progress_out,
    run_out,
    source_out,
)
from web.api.admin.sources.shapes import (
    AuditsOut,
    ChangesOut,
    FailureListOut,
    FailureOut,
    FailuresOut,
    ProgressOut,
    RunsOut,
    SourceDetailOut,
    SourcesOut,
)
from web.auth import Admin
from web.deps import Given

api = APIRouter()

Limit = Annotated[int, Query(ge=1, le=200)]


@api.get("/sources")
def sources(_admin: Admin, services: Given) -> SourcesOut:
    """All sources with how many documents each holds and how its last run went."""
    return SourcesOut(sources=[source_out(source) for source in services.sources.list()])


@api.get("/sources/{name}")
def source(name: str, _admin: Admin, services: Given) -> SourceDetailOut:
    """One source with its settings; of its secrets only that they are set."""
    return detail_out(services.sources.get(name), services.set_up.filled(name).secrets)


@api.get("/sources/{name}/progress")
def progress(name: str, _admin: Admin, services: Given) -> ProgressOut:
    """How far its open run is."""
    return progress_out(services.syncs.progress(name), has_worker=services.syncs.has_worker())


@api.get("/sources/{name}/failures")
def failures(name: str, _admin: Admin, services: Given) -> FailuresOut:
    """What could not be taken in, by cause, with the latest of each."""
    return failures_out(services.syncs.failure_groups(name))


@api.get("/sources/{name}/failures/{code}")
def failures_of(
    name: str,
    code: Annotated[str, Path(max_length=100)],
    _admin: Admin,
    services: Given,
    q: Annotated[str, Query(max_length=200)] = "",
    offset: Annotated[int, Query(ge=0, le=100_000_000)] = 0,
    limit: Limit = 50,
) -> FailureListOut:
    """All failures of one cause, a page at a time; `q` keeps those whose id holds it."""
    found, count = services.syncs.failures(name, code, contains=q, offset=offset, limit=limit)
    return FailureListOut(
        count=count,
        failures=[
            FailureOut(external_id=n.external_id, code=n.code, reason=n.reason, skipped=n.skipped)
            for n in found
        ],
    )


@api.get("/sources/{name}/runs")
def runs(name: str, _admin: Admin, services: Given, limit: Limit = 20) -> RunsOut:
    """Its runs, newest first."""
    return RunsOut(runs=[run_out(run) for run in services.sources.runs(name, limit=limit)])


@api.get("/sources/{name}/changes")
def changes(
    name: str,
    _admin: Admin,
    services: Given,
    run: Annotated[str | None, Query(max_length=100)] = None,
    limit: Limit = 100,
) -> ChangesOut:
    """What a run changed: the one named, or its latest."""
    source = services.sources.get(name)
    run_id = run or (source.last_run.id if source.last_run else None)
    if run is not None and services.sources.run(run).source_name != source.name:
        run_id = None
    found = services.syncs.changes(run_id, limit=limit) if run_id else ()
    return ChangesOut(run_id=run_id, changes=[change_out(change) for change in found])


@api.get("/sources/{name}/audit")
def audit(name: str, _admin: Admin, services: Given, limit: Limit = 50) -> AuditsOut:
    """Who did what to it, newest first."""
    services.sources.get(name)
    return AuditsOut(entries=[audit_out(e) for e in services.audit.about("source", name, limit=limit)])
