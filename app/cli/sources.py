"""`source …`: configured connectors and their sync runs."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.output import JsonFlag, console, print_json, print_table

if TYPE_CHECKING:
    from ingest.sync import SyncProgress, SyncSummary
    from ingest.sync.engine import ReportProgress

app = typer.Typer(no_args_is_help=True, help="Add sources, sync them, see how they are.")

EXIT_WITH_FAILURES = 3
EXIT_INCOMPLETE = 4

Name = Annotated[str, typer.Argument(help="The source's name.")]


@app.command()
def add(
    kind: Annotated[str, typer.Argument(help="The kind of connector: folder.")],
    name: Annotated[str, typer.Option(help="What people will call it.")],
    path: Annotated[Path, typer.Option(help="The folder to read.")],
    access: Annotated[
        list[str] | None,
        typer.Option(
            help="Who may read what has no .access.toml: everyone, group:NAME, user:EMAIL; by default nobody."
        ),
    ] = None,
    json: JsonFlag = False,
) -> None:
    """Add a source. Nothing is read until it is synced."""
    from app.core.identity import parse_access
    from app.wiring import house

    with house() as it:
        source = it.sources.add(kind, name, {"path": str(path.resolve())}, parse_access(access or ()))
    if json:
        print_json(source)
        return
    console.print(f"Added. Read it with: python -m app source sync {source.name}")
    if not access:
        console.print("Documents without an .access.toml will be readable by nobody: --access was not given.")


@app.command("list")
def list_sources(json: JsonFlag = False) -> None:
    """List the sources with what they hold and how their last sync ended."""
    from app.wiring import house

    with house() as it:
        sources = it.sources.list()
    if json:
        print_json(sources)
        return
    rows = [
        (s.name, s.kind, s.documents, s.chunks, s.last_run.message if s.last_run else "never synced")
        for s in sources
    ]
    print_table("Sources", ["name", "kind", "documents", "chunks", "last sync"], rows)


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
                f"Queued. A worker runs it: python -m app worker; see: python -m app source runs {name}"
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
def runs(name: Name, json: JsonFlag = False) -> None:
    """List a source's sync runs, newest first."""
    from app.wiring import house

    with house() as it:
        found = it.sources.runs(name)
    if json:
        print_json(found)
        return
    print_table("Sync runs", ["started", "state", "run"], [(r.started_at, r.message, r.id) for r in found])


@app.command()
def remove(
    name: Name, yes: Annotated[bool, typer.Option("--yes", help="Do not ask; remove it.")] = False
) -> None:
    """Remove a source and every document it holds here; the source itself is not touched."""
    from app.wiring import house

    with house() as it:
        source = it.sources.get(name)
        if not yes:
            typer.confirm(f"Remove {name} and its {source.documents} documents from Rung?", abort=True)
        it.sources.remove(name)
    console.print(f"{name} and its {source.documents} documents are gone from here.")


@app.command()
def rotate(json: JsonFlag = False) -> None:
    """Seal the credentials of all sources with a new key, and take the old key away."""
    from app.core.audit import OPERATOR
    from app.wiring import house

    with house() as it:
        done = it.rotate_credential_key(actor=OPERATOR)
    if json:
        print_json(done)
        return
    console.print(f"{done.credentials} credentials are sealed with key {done.key_id}. Keep a copy of it.")


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
