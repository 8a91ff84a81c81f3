"""What admins do to syncs, and deleting a source."""

from fastapi import APIRouter

from web.api.admin.sources.filling import progress_out
from web.api.admin.sources.shapes import ProgressOut, RemovedOut, RetryIn, RunIdOut
from web.auth import Admin
from web.deps import Given, Services

api = APIRouter()


@api.post("/sources/{name}/sync", status_code=202)
def sync(name: str, admin: Admin, services: Given) -> RunIdOut:
    """Wants a sync now; one that waits already is that one."""
    return RunIdOut(run_id=services.syncs.start(name, actor=admin.email))


@api.post("/sources/{name}/reindex", status_code=202)
def reindex(name: str, admin: Admin, services: Given) -> RunIdOut:
    """Wants everything read and indexed anew."""
    return RunIdOut(run_id=services.syncs.start(name, actor=admin.email, again=True))


@api.post("/sources/{name}/pause")
def pause(name: str, admin: Admin, services: Given) -> ProgressOut:
    """Stops reading it until it is resumed; a run under way keeps its place."""
    services.syncs.pause(name, actor=admin.email)
    return _progress(services, name)


@api.post("/sources/{name}/resume")
def resume(name: str, admin: Admin, services: Given) -> ProgressOut:
    """Lets it be read again."""
    services.syncs.resume(name, actor=admin.email)
    return _progress(services, name)


@api.post("/sources/{name}/cancel")
def cancel(name: str, admin: Admin, services: Given) -> ProgressOut:
    """Ends its open run after the documents it is at."""
    services.sources.get(name)
    progress = services.syncs.progress(name)
    if progress is not None:
        services.syncs.cancel(progress.run_id, actor=admin.email)
    return _progress(services, name)


@api.post("/sources/{name}/retry", status_code=202)
def retry(name: str, body: RetryIn, admin: Admin, services: Given) -> RunIdOut:
    """Tries failures again alone."""
    run_id = services.syncs.retry(name, actor=admin.email, external_ids=body.external_ids, code=body.code)
    return RunIdOut(run_id=run_id)


@api.post("/sources/{name}/confirm-removal", status_code=202)
def confirm_removal(name: str, admin: Admin, services: Given) -> RunIdOut:
    """Takes the source at its word, once: the next run may remove more than its share."""
    return RunIdOut(run_id=services.syncs.confirm_removal(name, actor=admin.email))


@api.delete("/sources/{name}")
def delete(name: str, admin: Admin, services: Given) -> RemovedOut:
    """Removes it with every document held of it, at once."""
    return RemovedOut(documents=services.set_up.remove(name, actor=admin.email))


def _progress(services: Services, name: str) -> ProgressOut:
    return progress_out(services.syncs.progress(name), has_worker=services.syncs.has_worker())
