"""Setting sources up and changing them."""

from fastapi import APIRouter

from web.api.admin.sources.filling import connector_out, detail_out
from web.api.admin.sources.shapes import (
    AccessShape,
    ConnectorsOut,
    NewSource,
    RunIdOut,
    ScheduleShape,
    SettingsIn,
    SourceDetailOut,
)
from web.auth import Admin
from web.deps import Given, Services

api = APIRouter()


@api.get("/connectors")
def connectors(_admin: Admin, services: Given) -> ConnectorsOut:
    """The kinds of sources, each with the schema of its settings."""
    return ConnectorsOut(connectors=[connector_out(kind) for kind in services.set_up.kinds()])


@api.post("/sources", status_code=201)
def make(body: NewSource, admin: Admin, services: Given) -> SourceDetailOut:
    """Makes a draft. Nothing is read until it is started."""
    draft = services.set_up.draft(body.kind, body.name, body.settings, actor=admin.email)
    return _detail(services, draft.name)


@api.put("/sources/{name}/settings")
def settings(name: str, body: SettingsIn, admin: Admin, services: Given) -> SourceDetailOut:
    """Replaces the settings; a secret that is left out stays as it is. A draft can be renamed."""
    changed = services.set_up.change_settings(
        name, body.settings, forget=frozenset(body.forget), new_name=body.name, actor=admin.email
    )
    return _detail(services, changed.name)


@api.put("/sources/{name}/access")
def access(name: str, body: AccessShape, admin: Admin, services: Given) -> SourceDetailOut:
    """Sets who may see it. What is taken away counts at the next query."""
    services.set_up.choose_access(name, body.choice(), actor=admin.email)
    return _detail(services, name)


@api.put("/sources/{name}/schedule")
def schedule(name: str, body: ScheduleShape, admin: Admin, services: Given) -> SourceDetailOut:
    """Sets how often it is read."""
    services.set_up.choose_schedule(name, body.schedule(), actor=admin.email)
    return _detail(services, name)


@api.post("/sources/{name}/start", status_code=202)
def start(name: str, admin: Admin, services: Given) -> RunIdOut:
    """Ends the setting up of a draft; its first sync begins."""
    return RunIdOut(run_id=services.set_up.start(name, actor=admin.email))


def _detail(services: Services, name: str) -> SourceDetailOut:
    return detail_out(services.sources.get(name), services.set_up.filled(name).secrets)
