"""`reindex`."""

from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.output import JsonFlag, console, print_json

if TYPE_CHECKING:
    from ingest.reindex import ReindexStatus


def register(app: typer.Typer) -> None:
    app.command()(reindex)


def reindex(
    status: Annotated[bool, typer.Option("--status", help="Only say how far it is.")] = False,
    json: JsonFlag = False,
) -> None:
    """Make the index anew beside the old one, where the encoder or the chunker has changed."""
    import signal
    import threading

    from app.wiring import house

    stop = threading.Event()
    with house() as it:
        if not status:
            for name in (signal.SIGTERM, signal.SIGINT):
                signal.signal(name, lambda *_: stop.set())
            it.reindexer.run(stop, None if json else _show)
        found = it.reindexer.status()
    if json:
        print_json({"due": found is not None, "status": found})
    elif found is None:
        console.print("The index is up to date.")
    else:
        console.print(found.message, soft_wrap=True)
    if found is not None and not status:
        raise typer.Exit(1)


def _show(status: "ReindexStatus") -> None:
    console.print(
        f"{status.percent:3}%  {status.documents_done:,} of {status.documents_total:,} documents", end="\r"
    )
