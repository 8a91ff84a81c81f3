"""`/api/v1/models`, `/api/v1/adapters` and `/api/v1/assignments`: what the page of models shows and does."""

from typing import Annotated

from fastapi import APIRouter, Path, Query

from web.api.admin.shapes import (
    AdapterOut,
    AssignIn,
    AssignmentOut,
    AssignmentsOut,
    ModelsOut,
    PublishIn,
    RetireIn,
    VersionOut,
    adapter_out,
    assignment_out,
    assignments_out,
    deployments_out,
    figures_out,
    reader_out,
    rung_out,
    server_out,
    version_out,
)
from web.api.shapes import CONFLICT, PROBLEMS
from web.auth import Admin
from web.deps import Given
from web.present.admin.ladder import rung_views, tally_of

api = APIRouter(prefix="/api/v1", tags=["models"], responses=PROBLEMS)

Name = Annotated[str, Path(max_length=200)]


@api.get("/models")
def models(caller: Admin, services: Given, days: Annotated[int, Query(ge=1, le=90)] = 30) -> ModelsOut:
    """The ladder as it stands, the chat server, every adapter, and what each model did in the last days."""
    adapters, server = services.adapters.list(caller.workspace_id), services.adapters.server()
    rungs = rung_views(services, server, adapters, tally_of(services, caller.workspace_id))
    return ModelsOut(
        rungs=[rung_out(rung) for rung in rungs],
        server=server_out(server),
        reader=reader_out(services),
        adapters=[adapter_out(adapter) for adapter in adapters],
        figures=[
            figures_out(found)
            for found in services.catalogue.figures.models(caller.workspace_id, days, services.clock())
        ],
        deployments=deployments_out(services),
    )


@api.get("/adapters/{name}")
def adapter(name: Name, caller: Admin, services: Given) -> AdapterOut:
    """One adapter with its versions."""
    return adapter_out(services.adapters.get(caller.workspace_id, name))


@api.post("/adapters/{name}/publish", responses=CONFLICT)
def publish(name: Name, caller: Admin, services: Given, body: PublishIn | None = None) -> VersionOut:
    """Puts a version that was judged better into service; `not_better` for any other."""
    return version_out(services.adapters.publish(caller, name, body.version if body else None))


@api.post("/adapters/{name}/rollback", responses=CONFLICT)
def rollback(name: Name, caller: Admin, services: Given) -> VersionOut:
    """Puts the previous version into service again."""
    return version_out(services.adapters.roll_back(caller, name))


@api.post("/adapters/{name}/retire", responses=CONFLICT)
def retire(name: Name, caller: Admin, services: Given, body: RetireIn | None = None) -> VersionOut:
    """Takes a version out of use; the one that answers now only when the body says so."""
    chosen = body or RetireIn()
    found = services.adapters.retire(caller, name, chosen.version, in_service=chosen.in_service)
    return version_out(found)


@api.get("/assignments")
def assignments(caller: Admin, services: Given) -> AssignmentsOut:
    """Which questions go to which adapter."""
    return assignments_out(services.adapters.assignments(caller.workspace_id))


@api.post("/assignments")
def assign(body: AssignIn, caller: Admin, services: Given) -> AssignmentOut:
    """Gives the questions of a team, a source kind or the workspace to an adapter, in place of any other."""
    return assignment_out(services.adapters.assign(caller, body.scope, body.value, body.adapter))


@api.delete("/assignments/{assignment_id}", status_code=204)
def unassign(assignment_id: Annotated[str, Path(max_length=64)], caller: Admin, services: Given) -> None:
    """Removes an assignment."""
    services.adapters.unassign(caller, assignment_id)
