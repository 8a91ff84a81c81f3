"""`serve`, `worker`, `migrate`."""

from typing import Annotated

import typer

from app.cli.output import console


def register(app: typer.Typer) -> None:
    app.command()(serve)
    app.command()(worker)
    app.command()(migrate)


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on; RUNG_HOST otherwise.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; RUNG_PORT otherwise.")] = None,
) -> None:
    """Start the web server."""
    from app.core.config import get_settings
    from app.main import serve as serve_web

    settings = get_settings()
    serve_web(
        settings.model_copy(update={k: v for k, v in (("host", host), ("port", port)) if v is not None})
    )


def worker(
    idle_minutes: Annotated[
        float | None, typer.Option(help="End when there was nothing to do for so long.", min=0)
    ] = None,
    with_serve: Annotated[
        int | None, typer.Option(hidden=True, help="Number of the `serve` that started it.")
    ] = None,
) -> None:
    """Start a worker, which runs the syncs that were queued; `serve` does so by itself when there is work."""
    from app.worker import run

    run(idle_minutes=idle_minutes, with_serve=with_serve)


def migrate() -> None:
    """Bring the database's tables up to this version."""
    from app.core.config import get_settings
    from app.core.db import Database
    from app.migrations import upgrade

    database = Database(get_settings().database_address)
    revision = upgrade(database)
    database.close()
    console.print(f"The database is at {revision}.")
