"""`ledger …`: proof of what was charged."""

import typer

from app.cli.output import JsonFlag, console, print_json

app = typer.Typer(no_args_is_help=True, help="The append-only record of what every answer cost.")


@app.callback()
def _group() -> None:
    """Keeps `verify` a subcommand while it is the only one."""


@app.command()
def verify(json: JsonFlag = False) -> None:
    """Check every row and the chain that joins them; exit code 1 names the first bad row."""
    from app.wiring import house

    with house() as it:
        report = it.ledger.verify()
    if json:
        print_json(report)
    elif report.ok:
        console.print(f"The ledger is whole: {report.rows} rows, chain head {report.head_hash[:16]}.")
    else:
        console.print(f"[red]The ledger was altered[/red] at row {report.first_bad_seq}: {report.problem}")
    if not report.ok:
        raise typer.Exit(1)
