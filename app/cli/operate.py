"""`backup`, `restore`, `doctor`."""

from pathlib import Path
from typing import Annotated

import typer

from app.cli.output import JsonFlag, console, print_json, print_table


def register(app: typer.Typer) -> None:
    app.command()(backup)
    app.command()(restore)
    app.command()(doctor)


def backup(
    folder: Annotated[Path, typer.Argument(help="A new folder for the copy.")], json: JsonFlag = False
) -> None:
    """Copy the database and the index into a folder, also while Rung runs."""
    from app.backup import back_up
    from app.wiring import house

    with house() as it:
        made = back_up(it, folder)
    if json:
        print_json(made)
        return
    size_mb = (made.database_bytes + made.index_bytes) / 1e6
    console.print(f"{made.folder} holds {size_mb:.1f} MB at {made.revision}.", soft_wrap=True)


def restore(
    folder: Annotated[Path, typer.Argument(help="The folder that `backup` made.")],
    replace: Annotated[
        bool, typer.Option("--replace", help="Move the present data aside and restore over it.")
    ] = False,
    json: JsonFlag = False,
) -> None:
    """Put a backup into the data folder. Stop Rung first."""
    from app.backup import restore as put_back
    from app.core.config import get_settings

    restored = put_back(get_settings(), folder, replace=replace)
    if json:
        print_json(restored)
        return
    console.print(f"Restored the backup of {restored.created_at}. Check it with: python -m app doctor")


def doctor(
    quick: Annotated[bool, typer.Option("--quick", help="Only the database and the index.")] = False,
    json: JsonFlag = False,
) -> None:
    """Look at every part and say what needs attention; exit code 1 if anything is wrong."""
    from app.doctor import examine
    from app.wiring import house

    with house() as it:
        findings = examine(it, quick=quick)
    if json:
        print_json(findings)
    else:
        print_table("Rung", ["part", "state", ""], [(f.part, f.state, f.detail) for f in findings])
    if any(finding.state == "wrong" for finding in findings):
        raise typer.Exit(1)
