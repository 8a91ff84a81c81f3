"""Sources are looked at: whether they can be read, what they would give, how they stand."""

from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.output import JsonFlag, console, print_json, print_table
from app.cli.sources.group import Name, app
from app.core.identity import OPERATOR

if TYPE_CHECKING:
    from app.core.identity import AccessList

_MINUTE, _HOUR = 60.0, 3600.0


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
        (s.name, s.kind, s.state, s.documents, s.chunks, s.last_run.message if s.last_run else "never synced")
        for s in sources
    ]
    print_table("Sources", ["name", "kind", "state", "documents", "chunks", "last sync"], rows)


@app.command()
def check(name: Name, json: JsonFlag = False) -> None:
    """Try to reach a source, sign in and read; say what is missing and how to grant it."""
    from app.wiring import house

    with house() as it:
        found = it.set_up.check(name, actor=OPERATOR)
    if json:
        print_json(found)
    else:
        for finding in found.findings:
            console.print("ok     " if finding.ok else "[red]missing[/red]", end=" ")
            console.print(finding.what, markup=False)
            if finding.remedy and not finding.ok:
                console.print(f"        {finding.remedy}", markup=False)
        console.print(found.message, markup=False, style="bold")
    if not found.ok:
        raise typer.Exit(1)


@app.command()
def preview(name: Name, json: JsonFlag = False) -> None:
    """Show the first documents as they would be indexed, with who may read them. Nothing is stored."""
    from app.wiring import house

    with house() as it:
        found = it.set_up.preview(name, actor=OPERATOR)
    if json:
        print_json(found)
        return
    rows = [
        (d.external_id, d.title, d.chunks, d.pages or "", d.language, _access(d.access), d.text[:120])
        for d in found.documents
    ]
    columns = ["document", "title", "chunks", "pages", "language", "readers", "begins"]
    print_table("As they would be indexed", columns, rows)
    if found.failures:
        print_table(
            "What could not be read",
            ["document", "code", "what to do"],
            [(f.external_id, f.code, f.reason) for f in found.failures],
        )


@app.command()
def estimate(name: Name, json: JsonFlag = False) -> None:
    """How many documents there are, and what time and space a first sync takes."""
    from app.wiring import house

    with house() as it:
        found = it.set_up.estimate(name, actor=OPERATOR)
    if json:
        print_json(found)
        return
    at_least = "at least " if found.at_least else ""
    rate = "as measured here" if found.measured else "assumed: nothing was measured here yet"
    console.print(
        f"{at_least}{found.documents:,} documents; about {_duration(found.seconds)} "
        f"({found.documents_per_second:.1f} documents/s, {rate}); about {found.space_bytes / 1e6:,.0f} MB.",
        markup=False,
    )


@app.command()
def runs(name: Name, json: JsonFlag = False) -> None:
    """List a source's sync runs, newest first."""
    from app.wiring import house

    with house() as it:
        found = it.sources.runs(name)
    if json:
        print_json(found)
        return
    rows = [(r.started_at, r.state, r.message, r.id) for r in found]
    print_table("Sync runs", ["started", "state", "how it went", "run"], rows)


@app.command()
def failures(
    name: Name,
    skipped: Annotated[bool, typer.Option("--skipped", help="What was passed over, too.")] = False,
    code: Annotated[str | None, typer.Option(help="All of one cause, not only the latest.")] = None,
    offset: Annotated[int, typer.Option(min=0, help="With --code: leave out so many.")] = 0,
    limit: Annotated[int, typer.Option(min=1, help="With --code: at most so many.")] = 1000,
    json: JsonFlag = False,
) -> None:
    """List what of a source could not be taken in, by cause, with what to do."""
    from app.wiring import house

    with house() as it:
        if code is not None:
            found, count = it.sync_control.failures(name, code, offset=offset, limit=limit)
            if json:
                print_json({"count": count, "failures": found})
                return
            rows = [(note.external_id, note.reason) for note in found]
            print_table(f"{code}: {len(found)} of {count}", ["document", "what to do"], rows)
            return
        groups = [g for g in it.sync_control.failure_groups(name) if skipped or not g.skipped]
    if json:
        print_json(groups)
        return
    if not groups:
        console.print("Nothing stands against it.")
    for group in groups:
        print_table(
            f"{group.code}: {group.count}",
            ["document", "what to do"],
            [(note.external_id, note.reason) for note in group.latest],
        )


@app.command()
def changes(
    name: Name,
    run_id: Annotated[str | None, typer.Option("--run", help="A run; the latest by default.")] = None,
    json: JsonFlag = False,
) -> None:
    """List what a sync run changed: new, changed, moved and removed documents."""
    from app.core.errors import NotFoundError
    from app.wiring import house

    with house() as it:
        latest = it.sources.get(name).last_run
        if run_id is None and latest is None:
            raise NotFoundError(f"{name} was never synced.", code="no_such_run")
        found = it.sync_control.changes(run_id or (latest.id if latest else ""))
    if json:
        print_json(found)
        return
    rows = [(c.kind, c.external_id, c.title) for c in found]
    print_table("What changed", ["what", "document", "title"], rows)


def _access(access: "AccessList") -> str:
    return ", ".join(sorted(map(str, access))) or "nobody"


def _duration(seconds: float) -> str:
    if seconds < 2 * _MINUTE:
        return f"{seconds:.0f} s"
    if seconds < 2 * _HOUR:
        return f"{seconds / _MINUTE:.0f} min"
    return f"{seconds / _HOUR:.1f} h"
