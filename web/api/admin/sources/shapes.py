"""What the API of sources takes and gives. Secrets only ever go in."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.core.audit import AuditEntry
from app.core.identity import AccessList, parse_access
from ingest.connector import Check
from ingest.credentials.store import SetSecret
from ingest.sources import AccessChoice, Run, Schedule, Source
from ingest.sources.estimating import SourceEstimate
from ingest.sources.preview import Preview
from ingest.sources.setting_up import Kind
from ingest.sync.control import DocumentChange, FailureGroup, Progress
from web.present.admin.sources import run_words

Who = Annotated[str, Field(max_length=300)]


class RunOut(BaseModel):
    """A sync run. `wording` says in words how it ended, such as `complete with 3 failures`; `code` is why it
    waits, is paused or failed."""

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
    kind: str
    code: str
    message: str
    to_remove: int
    resume_at: datetime | None
    asked_by: str


class AccessShape(BaseModel):
    """`mode` is `source` (each document as the source says, `default` where it says nothing) or `fixed`
    (`default` alone). `default` holds `everyone` or `group:NAME`; empty means nobody."""

    model_config = ConfigDict(extra="forbid")

    mode: Literal["source", "fixed"]
    default: list[Who] = Field(default_factory=list, max_length=500)

    def choice(self) -> AccessChoice:
        return AccessChoice(self.mode, parse_access(self.default))


class ScheduleShape(BaseModel):
    """Without `every_minutes` only by hand; `watch` takes changes in as they happen, where the kind can."""

    model_config = ConfigDict(extra="forbid")

    every_minutes: int | None
    watch: bool = False
    prune_share_max: float = Field(0.3, ge=0, le=1)

    def schedule(self) -> Schedule:
        return Schedule(self.every_minutes, self.watch, self.prune_share_max)


class SourceOut(BaseModel):
    """`state` is `draft`, `active` or `paused`."""

    name: str
    kind: str
    documents: int
    last_run: RunOut | None
    state: str
    chunks: int
    syncing: bool
    created_at: datetime
    created_by: str
    next_sync_at: datetime | None
    access: AccessShape
    schedule: ScheduleShape


class SourcesOut(BaseModel):
    sources: list[SourceOut]


class SecretOut(BaseModel):
    """That a secret is set: never what it is."""

    field: str
    set_at: datetime
    set_by: str


class SourceDetailOut(SourceOut):
    settings: dict[str, Any]
    secrets: list[SecretOut]


class NewSource(BaseModel):
    """A draft: it is read once it is started."""

    model_config = ConfigDict(extra="forbid")

    kind: Annotated[str, Field(max_length=50)]
    name: Annotated[str, Field(max_length=200)]
    settings: dict[str, Any]


class SettingsIn(BaseModel):
    """All settings. A secret that is not among them stays; those named in `forget` are taken away."""

    model_config = ConfigDict(extra="forbid")

    settings: dict[str, Any]
    forget: list[Annotated[str, Field(max_length=100)]] = Field(default_factory=list, max_length=50)


class RetryIn(BaseModel):
    """Which failures: these ids, those of a code, or all where both are left out."""

    model_config = ConfigDict(extra="forbid")

    external_ids: list[Annotated[str, Field(max_length=4000)]] | None = Field(None, max_length=1000)
    code: Annotated[str, Field(max_length=100)] | None = None


class RunIdOut(BaseModel):
    run_id: str


class ConnectorOut(BaseModel):
    """A kind of source. `settings` is a JSON schema; `secrets` names the settings that are secrets."""

    kind: str
    title: str
    summary: str
    needs: str
    tells_access: bool
    settings: dict[str, Any]
    secrets: list[str]


class ConnectorsOut(BaseModel):
    connectors: list[ConnectorOut]


class FindingOut(BaseModel):
    ok: bool
    what: str
    remedy: str


class CheckOut(BaseModel):
    ok: bool
    message: str
    findings: list[FindingOut]


class PreviewDocumentOut(BaseModel):
    external_id: str
    title: str
    text: str
    chunks: int
    headings: list[str]
    url: str | None
    author: str | None
    updated_at: datetime | None
    media_type: str
    access: list[str]
    size_bytes: int


class FailureOut(BaseModel):
    external_id: str
    code: str
    reason: str
    skipped: bool


class PreviewOut(BaseModel):
    """`ended`: the source has no more than this; `in_time`: the time sufficed for ten."""

    documents: list[PreviewDocumentOut]
    failures: list[FailureOut]
    ended: bool
    in_time: bool


class EstimateOut(BaseModel):
    documents: int
    at_least: bool
    size_bytes: int | None
    seconds: float
    documents_per_second: float
    measured: bool
    space_bytes: int


class ProgressOut(BaseModel):
    """How far the open run is; `open` is false where none is, and the rest empty. `has_worker` is whether a
    worker is there that would take it up."""

    open: bool
    has_worker: bool
    run_id: str | None = None
    state: str | None = None
    documents_done: int | None = None
    documents_total: int | None = None
    documents_per_second: float | None = None
    chunks_per_second: float | None = None
    seconds_left: float | None = None
    reason: str = ""
    resume_at: datetime | None = None


class FailureGroupOut(BaseModel):
    code: str
    reason: str
    skipped: bool
    count: int
    latest: list[FailureOut]


class FailuresOut(BaseModel):
    groups: list[FailureGroupOut]


class ChangeOut(BaseModel):
    """`kind` is `new`, `changed`, `moved`, `removed` or `access`."""

    external_id: str
    kind: str
    title: str
    at: datetime


class ChangesOut(BaseModel):
    run_id: str | None
    changes: list[ChangeOut]


class RunsOut(BaseModel):
    runs: list[RunOut]


class AuditOut(BaseModel):
    at: datetime
    actor: str
    action: str
    details: dict[str, str | int | float | bool | None]


class AuditsOut(BaseModel):
    entries: list[AuditOut]


class RemovedOut(BaseModel):
    documents: int


def run_out(run: Run) -> RunOut:
    counts = run.counts
    return RunOut(
        id=run.id,
        state=run.state,
        wording=run_words(run),
        started_at=run.started_at,
        finished_at=run.finished_at,
        listed=counts.listed,
        upserted=counts.upserted,
        unchanged=counts.unchanged,
        deleted=counts.deleted,
        failed=counts.failed,
        skipped=counts.skipped,
        kind=run.kind,
        code=run.code,
        message=run.message,
        to_remove=run.to_remove,
        resume_at=run.resume_at,
        asked_by=run.asked_by,
    )


def source_out(source: Source) -> SourceOut:
    return SourceOut(**_values(source))


def detail_out(source: Source, secrets: Mapping[str, SetSecret]) -> SourceDetailOut:
    set_ones = [SecretOut(field=s.field, set_at=s.set_at, set_by=s.set_by) for s in secrets.values()]
    return SourceDetailOut(**_values(source), settings=dict(source.settings), secrets=set_ones)


def _values(source: Source) -> dict[str, Any]:
    access = AccessShape(
        mode="fixed" if source.access_mode == "fixed" else "source", default=_names(source.default_access)
    )
    schedule = ScheduleShape(
        every_minutes=source.every_minutes, watch=source.watches, prune_share_max=source.prune_share_max
    )
    return {
        "name": source.name,
        "kind": source.kind,
        "documents": source.documents,
        "last_run": run_out(source.last_run) if source.last_run else None,
        "state": source.state,
        "chunks": source.chunks,
        "syncing": source.syncing,
        "created_at": source.created_at,
        "created_by": source.created_by,
        "next_sync_at": source.next_sync_at,
        "access": access,
        "schedule": schedule,
    }


def _names(access: AccessList) -> list[str]:
    return sorted(map(str, access))


def connector_out(kind: Kind) -> ConnectorOut:
    return ConnectorOut(
        kind=kind.kind,
        title=kind.about.title,
        summary=kind.about.summary,
        needs=kind.about.needs,
        tells_access=kind.about.tells_access,
        settings=dict(kind.schema),
        secrets=[field.name for field in kind.fields if field.kind == "secret"],
    )


def check_out(check: Check) -> CheckOut:
    findings = [FindingOut(ok=f.ok, what=f.what, remedy=f.remedy) for f in check.findings]
    return CheckOut(ok=check.ok, message=check.message, findings=findings)


def preview_out(preview: Preview) -> PreviewOut:
    documents = [
        PreviewDocumentOut(
            external_id=document.external_id,
            title=document.title,
            text=document.text,
            chunks=document.chunks,
            headings=list(document.headings),
            url=document.url,
            author=document.author,
            updated_at=document.updated_at,
            media_type=document.media_type,
            access=_names(document.access),
            size_bytes=document.size_bytes,
        )
        for document in preview.documents
    ]
    failures = [
        FailureOut(external_id=f.external_id, code=f.code, reason=f.reason, skipped=f.skipped)
        for f in preview.failures
    ]
    return PreviewOut(documents=documents, failures=failures, ended=preview.ended, in_time=preview.in_time)


def estimate_out(estimate: SourceEstimate) -> EstimateOut:
    return EstimateOut(
        documents=estimate.documents,
        at_least=estimate.at_least,
        size_bytes=estimate.size_bytes,
        seconds=round(estimate.seconds, 1),
        documents_per_second=round(estimate.documents_per_second, 2),
        measured=estimate.measured,
        space_bytes=estimate.space_bytes,
    )


def progress_out(progress: Progress | None, *, has_worker: bool) -> ProgressOut:
    if progress is None:
        return ProgressOut(open=False, has_worker=has_worker)
    return ProgressOut(
        open=True,
        has_worker=has_worker,
        run_id=progress.run_id,
        state=progress.state,
        documents_done=progress.documents_done,
        documents_total=progress.documents_total,
        documents_per_second=progress.documents_per_second,
        chunks_per_second=progress.chunks_per_second,
        seconds_left=progress.seconds_left,
        reason=progress.reason,
        resume_at=progress.resume_at,
    )


def failures_out(groups: Sequence[FailureGroup]) -> FailuresOut:
    return FailuresOut(
        groups=[
            FailureGroupOut(
                code=group.code,
                reason=group.reason,
                skipped=group.skipped,
                count=group.count,
                latest=[
                    FailureOut(external_id=n.external_id, code=n.code, reason=n.reason, skipped=n.skipped)
                    for n in group.latest
                ],
            )
            for group in groups
        ]
    )


def change_out(change: DocumentChange) -> ChangeOut:
    return ChangeOut(external_id=change.external_id, kind=change.kind, title=change.title, at=change.at)


def audit_out(entry: AuditEntry) -> AuditOut:
    return AuditOut(at=entry.at, actor=entry.actor, action=entry.action, details=dict(entry.details))
