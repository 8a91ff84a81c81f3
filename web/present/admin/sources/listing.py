"""The list of sources, and the tiles to add one."""

import shlex
from collections.abc import Sequence
from datetime import datetime

from ingest.sources import Source
from ingest.sources.setting_up import Kind
from web.present.admin.sources.views import (
    SPARK_HEIGHT,
    SPARK_WIDTH,
    SourceRowView,
    SparkView,
    StepView,
    TileView,
)
from web.present.admin.sources.words import (
    STATES,
    access_words,
    kind_label,
    location_of,
    run_details,
    run_tone,
    run_words,
    schedule_words,
    soon_words,
    source_href,
)
from web.present.admin.views import SourceView
from web.present.charts import Rect
from web.present.views import Tone, when

_STEPS = ("Kind", "Settings", "Check", "Preview", "Who and how often")
_ICONS = frozenset({"folder", "web", "git", "s3", "webdav", "imap", "sql"})


def icon_of(kind: str) -> str:
    return f"source-{kind}" if kind in _ICONS else "document"


def source_view(source: Source, now: datetime) -> SourceView:
    """A source in a line, as the start page shows it."""
    run = source.last_run
    return SourceView(
        name=source.name,
        href=source_href(source.name),
        sync_command=f"python -m app source sync {shlex.quote(source.name)}",
        kind=source.kind,
        location=location_of(source),
        state=run_words(run) if run else "never read",
        tone=run_tone(run),
        documents=source.documents,
        last_run=when(run.finished_at or run.started_at, now) if run else None,
        summary=run_details(run) if run else "",
        access=access_words(source.default_access),
    )


def row_view(source: Source, now: datetime) -> SourceRowView:
    """A source as a row of the list."""
    run = source.last_run
    state, tone = _state(source)
    bad = run is not None and run.state in ("failed", "incomplete", "waiting")
    return SourceRowView(
        name=source.name,
        href=f"{source_href(source.name)}/set-up" if source.is_draft else source_href(source.name),
        kind=kind_label(source.kind),
        icon=icon_of(source.kind),
        state=state,
        tone=tone,
        reason=run_details(run) if run and bad and not source.is_draft else "",
        documents=source.documents,
        last_run=when(run.finished_at or run.started_at, now) if run else None,
        next_run=_next(source, now),
        spark=spark_view(source.changes),
        is_draft=source.is_draft,
    )


def _state(source: Source) -> tuple[str, Tone]:
    run = source.last_run
    if source.is_draft:
        return "not finished", "quiet"
    if source.state == "paused":
        return "paused", "quiet"
    if run is None:
        return "never read", "quiet"
    return (STATES.get(run.state, run.state) if run.is_open else run_words(run)), run_tone(run)


def _next(source: Source, now: datetime) -> str:
    if source.is_draft or source.state == "paused":
        return "–"
    run = source.last_run
    if run is not None and run.is_open and run.state != "paused":
        return soon_words(run.resume_at, now) if run.state == "waiting" and run.resume_at else "now"
    if source.next_sync_at is not None:
        return soon_words(source.next_sync_at, now)
    return schedule_words(source).lower()


def spark_view(changes: Sequence[int]) -> SparkView | None:
    """Small bars; nothing where nothing has run yet."""
    if not changes:
        return None
    most = max(*changes, 1) if len(changes) > 1 else max(changes[0], 1)
    slots = max(len(changes), 10)
    step = SPARK_WIDTH / slots
    first = slots - len(changes)
    rects = tuple(
        Rect(
            x=round((first + at) * step, 2),
            y=round(SPARK_HEIGHT - height, 2),
            width=round(step * 0.7, 2),
            height=round(height, 2),
            tone="change" if number else "none",
        )
        for at, number in enumerate(changes)
        # A run that changed nothing still shows, as a line.
        for height in (max(1.5, SPARK_HEIGHT * number / most),)
    )
    return SparkView(f"Documents changed in the latest runs: {', '.join(map(str, changes))}", rects)


def tile_view(kind: Kind) -> TileView:
    about = kind.about
    return TileView(f"/sources/add/{kind.kind}", icon_of(kind.kind), about.title, about.summary, about.needs)


def step_views(current: int, name: str | None) -> tuple[StepView, ...]:
    """The steps of the setting up; those that a draft has come by lead back to themselves.

    Args:
        current: 0 for the choice of a kind.
        name: of the draft, once there is one.
    """
    here = source_href(name) + "/set-up" if name else ""
    hrefs = ("/sources/add", here, f"{here}/check", f"{here}/preview", f"{here}/start")
    return tuple(
        StepView(
            label,
            href if at < current and ((name and at > 0) or (not name and at == 0)) else None,
            at == current,
        )
        for at, (label, href) in enumerate(zip(_STEPS, hrefs, strict=True))
    )
