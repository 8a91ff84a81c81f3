"""Sources, runs and looks in the shapes of the API."""

from collections.abc import Mapping, Sequence
from typing import Any

from app.core.audit import AuditEntry
from app.core.identity import AccessList
from ingest.connector import Check
from ingest.credentials.store import SetSecret
from ingest.sources import Run, Source
from ingest.sources.estimating import SourceEstimate
from ingest.sources.preview import Preview
from ingest.sources.setting_up import Kind
from ingest.sync.control import DocumentChange, FailureGroup, Progress
from web.api.admin.sources.shapes import (
    AccessShape,
    AuditOut,
    ChangeOut,
    CheckOut,
    ConnectorOut,
    EstimateOut,
    FailureGroupOut,
    FailureOut,
    FailuresOut,
    FindingOut,
    NoteOut,
    PreviewDocumentOut,
    PreviewOut,
    ProgressOut,
    RunOut,
    ScheduleShape,
    SecretOut,
    SourceDetailOut,
    SourceOut,
)
from web.present.admin.sources import run_words


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
            places=list(document.places),
            pages=document.pages,
            language=document.language,
            notes=[NoteOut(code=note.code, text=note.text) for note in document.notes],
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
