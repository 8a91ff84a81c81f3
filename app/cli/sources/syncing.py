"""Sources are synced: now, in the background, again; and what people do to runs."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.output import JsonFlag, console, print_json, print_table
from app.cli.sources.group import Name, app
from app.core.identity import OPERATOR

if TYPE_CHECKING:
    from ingest.sync import SyncProgress, SyncSummary
    from ingest.sync.engine import ReportProgress

EXIT_WITH_FAILURES = 3
EXIT_INCOMPLETE = 4


@app.command()
def sync(
    name: Name,
    background: Annotated[bool, typer.Option("--background", help="Queue it for a worker instead.")] = False,
    allow_empty: Annotated[
        bool, typer.Option("--allow-empty", help="Remove every document if the source lists none.")
    ] = False,
    again: Annotated[
        bool, typer.Option("--again", help="Read every document again; this mends an index that was lost.")
    ] = False,
    json: JsonFlag = False,
) -> None:
    """Read a source: index what is new or changed, remove what is gone.

    Exit code 0: complete. 3: complete, with failures that are listed. 4: incomplete, with the reason.
    """
    from app.core.errors import InputError
    from app.wiring import house

    with house() as it:
        if background:
            if again or allow_empty:
                raise InputError("Use --again and --allow-empty without --background.", code="not_queued")
            from app.worker import enqueue_sync

            it.sources.get(name)
            enqueue_sync(it.settings, name)
            console.print(
                f"Queued. `serve` runs it, or: python -m app worker; see: python -m app source runs {name}"
            )
            return
        run = partial(it.sync.run, name, allow_empty=allow_empty, again=again)
        summary = run() if json else with_progress(name, run)
    if json:
        print_json(summary)
    else:
        print_summary(summary)
    if summary.state == "incomplete":
        raise typer.Exit(EXIT_INCOMPLETE)
    if summary.counts.failed:
        raise typer.Exit(EXIT_WITH_FAILURES)


@app.command()
def retry(
    name: Name,
    document: Annotated[
        list[str] | None, typer.Option("--document", help="Only this one; may be given several times.")
    ] = None,
    code: Annotated[str | None, typer.Option(help="Only failures of this code.")] = None,
) -> None:
    """Try failures again, alone: nothing else of the source is read."""
    from app.wiring import house

    with house() as it:
        it.sync_control.retry(name, actor=OPERATOR, external_ids=document, code=code)
        _say_who_runs_it(it.sync_control.has_worker(), name)


@app.command()
def pause(name: Name) -> None:
    """Stop syncing a source until it is resumed. What it holds stays and is searched."""
    from app.wiring import house

    with house() as it:
        it.sync_control.pause(name, actor=OPERATOR)
    console.print(
        f"{name} is paused; a run under way ends after its batch and keeps its place.", markup=False
    )


@app.command()
def resume(name: Name) -> None:
    """Let a paused source be synced again; a run that was under way goes on where it was."""
    from app.wiring import house

    with house() as it:
        it.sync_control.resume(name, actor=OPERATOR)
    console.print(f"{name} is synced again.", markup=False)


@app.command()
def cancel(name: Name) -> None:
    """End the run of a source that is open; the next one begins anew."""
    from app.core.errors import NotFoundError
    from app.wiring import house

    with house() as it:
        progress = it.sync_control.progress(name)
        if progress is None:
            raise NotFoundError(f"No run of {name} is open.", code="no_such_run")
        it.sync_control.cancel(progress.run_id, actor=OPERATOR)
    console.print("It ends after the batch it is at.")


@app.command()
def confirm(
    name: Name, yes: Annotated[bool, typer.Option("--yes", help="Do not ask; remove them.")] = False
) -> None:
    """Take a source at its word that documents are gone, where a sync held back from removing so many."""
    from app.core.errors import ConflictError
    from app.wiring import house

    with house() as it:
        source = it.sources.get(name)
        gone = source.last_run.to_remove if source.last_run else 0
        if not gone:
            raise ConflictError(f"{name} has nothing to confirm.", code="nothing_to_confirm")
        if not yes:
            typer.confirm(
                f"Remove {gone:,} of the {source.documents:,} documents of {name} from Rung?", abort=True
            )
        it.sync_control.confirm_removal(name, actor=OPERATOR)
        _say_who_runs_it(it.sync_control.has_worker(), name)


def _say_who_runs_it(has_worker: bool, name: str) -> None:
    who = "A worker takes it up." if has_worker else "`serve` runs it, or: python -m app worker."
    console.print(f"Queued. {who} See: python -m app source runs {name}", markup=False)


def print_summary(summary: "SyncSummary") -> None:
    """How a run ended, and each failure with what to do about it."""
    console.print(f"[bold]{summary.message}[/bold]")
    failures = [failure for failure in summary.failures if not failure.skipped]
    if failures:
        rows = [(failure.external_id, failure.code, failure.reason) for failure in failures]
        print_table("Failures", ["document", "code", "what to do"], rows)


def with_progress(name: str, run: "Callable[[ReportProgress], SyncSummary]") -> "SyncSummary":
    """Runs a sync with a bar that shows how far it is."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("documents, {task.fields[chunks]} chunks"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(f"Indexing {name}", total=None, chunks=0)

        def show(progress: "SyncProgress") -> None:
            bar.update(
                task,
                completed=progress.documents_done,
                total=progress.documents_total,
                chunks=progress.counts.chunks_embedded,
            )

        return run(show)
