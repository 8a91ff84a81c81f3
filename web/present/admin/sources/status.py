"""A source's own page: how it stands now, what failed, what ran, what changed, who did what."""

import shlex
from collections.abc import Mapping
from datetime import datetime

from app.core.audit import AuditEntry, Detail
from ingest.sources import Run, Source
from ingest.sync.control import DocumentChange, Progress
from web.present.admin.sources.listing import icon_of
from web.present.admin.sources.views import (
    ActView,
    AuditView,
    BarView,
    ChangeView,
    LiveView,
    RunRowView,
    StatusView,
)
from web.present.admin.sources.words import (
    PASSWORD_CODES,
    REMEDIES,
    SETTINGS_CODES,
    STATES,
    count_words,
    duration_words,
    every_words,
    kind_label,
    location_of,
    run_details,
    run_tone,
    run_words,
    schedule_words,
    soon_words,
    source_access_words,
    source_href,
)
from web.present.views import Tone, when

_RUNNING_EVERY_SECONDS, _IDLE_EVERY_SECONDS = 2, 15
_KINDS = {"full": "everything", "changes": "what changed", "retry": "failures again"}
_CHANGES = {
    "new": "new",
    "changed": "changed",
    "moved": "moved",
    "removed": "removed",
    "access": "other readers",
}
_UNTOLD = frozenset({"run", "ids"})
"""Details that say nothing to people."""

_ACTIONS = {
    "source.added": "added it",
    "source.started": "started it",
    "source.renamed": "renamed it",
    "source.settings": "changed the settings",
    "source.access": "changed who may see it",
    "source.schedule": "changed how often it is read",
    "credential.set": "set a secret",
    "credential.removed": "took a secret away",
    "credential.used": "used its secrets",
    "sync.started": "wanted a sync",
    "sync.cancelled": "stopped a run",
    "sync.retried": "tried failures again",
    "source.paused": "paused it",
    "source.resumed": "resumed it",
    "source.removal_confirmed": "confirmed the removal",
}


def status_view(source: Source, now: datetime) -> StatusView:
    href = source_href(source.name)
    added = when(source.created_at, now)
    by = f" by {source.created_by}" if source.created_by else ""
    return StatusView(
        name=source.name,
        href=href,
        icon=icon_of(source.kind),
        kind=kind_label(source.kind),
        location=location_of(source),
        access=source_access_words(source),
        access_warning=_access_warning(source),
        schedule=_schedule(source, now),
        documents=source.documents,
        chunks=source.chunks,
        added=f"{added.relative if added else ''}{by}",
        sync_command=f"python -m app source sync {shlex.quote(source.name)}",
        acts=_lasting_acts(source, href),
    )


def _access_warning(source: Source) -> str:
    if source.access_mode == "source" and not source.default_access:
        return "Documents of which the source says nothing are seen by nobody."
    return ""


def _schedule(source: Source, now: datetime) -> str:
    words = schedule_words(source)
    if source.state == "active" and source.next_sync_at is not None:
        return f"{words}; next {soon_words(source.next_sync_at, now)}"
    return words


def _lasting_acts(source: Source, href: str) -> tuple[ActView, ...]:
    acts = [ActView("Settings", f"{href}/settings", "plain bordered", get=True)]
    acts.append(ActView("Who and how often", f"{href}/access", "plain bordered", get=True))
    acts.append(ActView("Check", f"{href}/set-up/check", "plain bordered", get=True))
    if not source.is_draft:
        acts.append(ActView("Index anew…", f"{href}/reindex", "plain bordered", get=True))
    acts.append(ActView("Delete…", f"{href}/delete", "plain bordered danger", get=True))
    return tuple(acts)


def live_view(
    source: Source,
    progress: Progress | None,
    now: datetime,
    *,
    has_worker: bool,
    worker_trouble: str | None = None,
) -> LiveView:
    """What is going on, why, what to do next, and the buttons for it."""
    run, href = source.last_run, source_href(source.name)
    is_open = run is not None and run.is_open
    state, tone = _state(source, run)
    counts = run.counts if run else None
    total = progress.documents_total if progress else (counts.listed if counts and counts.listed else None)
    return LiveView(
        href=f"{href}/live",
        run=mark_of(source),
        every_seconds=_RUNNING_EVERY_SECONDS if is_open else _IDLE_EVERY_SECONDS,
        state=state,
        tone=tone,
        headline=_headline(source, run, progress, now),
        next_step=_next_step(source, run, has_worker=has_worker, worker_trouble=worker_trouble),
        bar=_bar(progress) if is_open and progress and source.state == "active" else None,
        at_source=total,
        here=source.documents,
        failed=counts.failed if counts else 0,
        acts=_acts(source, run, href),
    )


def mark_of(source: Source) -> str:
    """Changes whenever the page has to be shown anew and not only its figures."""
    run = source.last_run
    return f"{source.state}-{run.id}-{run.state}" if run else source.state


def _state(source: Source, run: Run | None) -> tuple[str, Tone]:
    if source.state == "paused":
        return "paused", "quiet"
    if run is None:
        return "never read", "quiet"
    return (STATES.get(run.state, run.state) if run.is_open else run_words(run)), run_tone(run)


def _headline(source: Source, run: Run | None, progress: Progress | None, now: datetime) -> str:
    if source.state == "paused":
        return "Paused. What is indexed can be found; nothing new is read."
    if run is None:
        return "This source was never read."
    if run.state == "queued":
        return "A sync is about to start."
    if run.state == "running":
        return "It stops after the documents it is at." if run.stopping else "Syncing."
    if run.state == "waiting":
        reason = (progress.reason if progress else "") or run.message
        at = (progress.resume_at if progress else None) or run.resume_at
        return f"{reason} It goes on by itself {soon_words(at, now)}.".strip() if at else reason
    return run_details(run)


def _next_step(source: Source, run: Run | None, *, has_worker: bool, worker_trouble: str | None) -> str:
    if source.state == "paused" or run is None:
        return ""
    if run.state == "queued" and worker_trouble:
        return worker_trouble
    if run.state == "queued" and not has_worker:
        return (
            "No worker is running yet. `serve` starts one within seconds; where workers run apart, start one "
            "with: python -m app worker"
        )
    if run.code == "removal_needs_confirmation":
        return (
            f"The source no longer lists {count_words(run.to_remove, 'document')}. Nothing was removed. If "
            "they are really gone there, remove them here; if not, mend the source and sync again."
        )
    if run.state in ("failed", "incomplete", "waiting", "paused"):
        return REMEDIES.get(run.code, "")
    return ""


def _bar(progress: Progress) -> BarView:
    total, done = progress.documents_total, progress.documents_done
    rate = progress.documents_per_second
    left = progress.seconds_left
    return BarView(
        done=done,
        total=total,
        percent=min(100, 100 * done // total) if total else None,
        rate=f"{rate:.1f} documents a second" if rate is not None else "",
        left=f"about {duration_words(left)} left" if left is not None else "",
    )


def _acts(source: Source, run: Run | None, href: str) -> tuple[ActView, ...]:
    acts: list[ActView] = []
    is_open = run is not None and run.is_open
    if run is not None and not is_open and run.code == "removal_needs_confirmation":
        label = f"Remove {count_words(run.to_remove, 'document')}…"
        acts.append(ActView(label, f"{href}/confirm-removal", "plain bordered danger", get=True))
    if run is not None and run.code in PASSWORD_CODES:
        acts.append(ActView("Change the password", f"{href}/settings", "primary", get=True))
    elif run is not None and run.code in SETTINGS_CODES and run.state in ("failed", "waiting"):
        acts.append(ActView("Change the settings", f"{href}/settings", "outline", get=True))
    if source.state == "paused":
        return (*acts, ActView("Resume", f"{href}/resume", "primary"))
    if not is_open:
        acts.append(ActView("Sync now", f"{href}/sync", "primary" if not acts else "outline"))
    elif run is not None and run.state == "waiting":
        acts.append(ActView("Try now", f"{href}/sync"))
    acts.append(ActView("Pause", f"{href}/pause", "plain bordered"))
    if is_open and run is not None:
        acts.append(ActView("Stop this run", f"{href}/cancel", "plain bordered", (("run", run.id),)))
    return tuple(acts)


def run_view(run: Run, now: datetime) -> RunRowView:
    tone = run_tone(run)
    took = (run.finished_at - run.started_at).total_seconds() if run.finished_at else None
    return RunRowView(
        started=when(run.started_at, now),
        state=STATES.get(run.state, run.state) if run.is_open else run_words(run),
        tone=tone,
        kind=_KINDS.get(run.kind, run.kind),
        by="" if run.asked_by in ("", "system") else run.asked_by,
        summary=run_details(run) if tone in ("bad", "warn") else "",
        took=duration_words(took) if took is not None else "",
        counts=(
            ("At the source", run.counts.listed),
            ("New or changed", run.counts.upserted),
            ("Unchanged", run.counts.unchanged),
            ("Removed", run.counts.deleted),
            ("Failed", run.counts.failed),
            ("Skipped", run.counts.skipped),
        ),
    )


def changed_words(run: Run, *, shown: int, now: datetime) -> str:
    """What a run changed in all, before the latest of it are listed."""
    at, counts = when(run.started_at, now), run.counts
    told = f"{count_words(counts.upserted, 'document')} new or changed, {counts.deleted} removed"
    more = f"; the latest {shown} of them" if counts.upserted + counts.deleted > shown else ""
    return f"By the run of {at.relative if at else ''}: {told}{more}."


def change_view(change: DocumentChange, now: datetime) -> ChangeView:
    kind = _CHANGES.get(change.kind, change.kind)
    return ChangeView(kind, change.title or change.external_id, change.external_id, when(change.at, now))


def audit_view(entry: AuditEntry, now: datetime) -> AuditView:
    words = _ACTIONS.get(entry.action) or entry.action.replace(".", ": ").replace("_", " ")
    told = [
        _detail(name, value, entry.details)
        for name, value in entry.details.items()
        if value not in (None, "", False) and name not in _UNTOLD
    ]
    return AuditView(f"{words} ({', '.join(told)})" if told else words, entry.actor, when(entry.at, now))


def _detail(name: str, value: Detail, details: Mapping[str, Detail]) -> str:
    if name == "every_minutes" and isinstance(value, int):
        return every_words(value).lower()
    if name == "watch":
        return "as changes happen"
    if name == "prune_share_max" and isinstance(value, int | float):
        return f"asks before it removes more than {value:.0%}"
    if name == "mode":
        return "as the source says" if value == "source" else "the same for all documents"
    if name == "default":
        return f"otherwise {value}" if details.get("mode") == "source" else str(value)
    return f"{name.replace('_', ' ')} {value}"
