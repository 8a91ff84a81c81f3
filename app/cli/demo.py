"""`demo`: the invented company, indexed and served, with one-click sign-ins."""

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.output import console

if TYPE_CHECKING:
    from app.wiring import House


def register(app: typer.Typer) -> None:
    app.command()(demo)


def demo(
    port: Annotated[int | None, typer.Option(help="Port to listen on; RUNG_PORT otherwise.")] = None,
    serve: Annotated[bool, typer.Option(help="Start the web server at the end.")] = True,
) -> None:
    """Index the demo company, start the app and print sign-ins for three people."""
    from app.core.config import get_settings
    from app.main import listen
    from app.main import serve as serve_web
    from app.migrations import upgrade
    from app.wiring import House

    settings = get_settings()
    if port is not None:
        settings = settings.model_copy(update={"port": port})
    listener = listen(settings) if serve else None
    it = House(settings)
    upgrade(it.database)
    prepare(it)
    if listener is not None:
        serve_web(settings, house=it, listener=listener, when_ready=lambda: _welcome(it))
    else:
        it.close()


def prepare(it: "House") -> None:
    """Writes the demo's documents, adds its people and syncs its source. Done again, it changes nothing."""
    from app.cli.sources import print_summary, with_progress
    from app.demo.company import SOURCE_NAME, build_documents, load_people

    folder = it.settings.data_dir / "demo" / "documents"
    build_documents(folder)
    present = {person.email for person in it.directory.list()}
    for person in load_people():
        if person.email not in present:
            it.directory.add(
                person.email,
                name=person.name,
                groups=person.groups,
                team=person.team,
                is_admin=person.admin,
                about=person.sees,
            )
    if SOURCE_NAME not in {source.name for source in it.sources.list()}:
        it.sources.add("folder", SOURCE_NAME, {"path": str(folder)}, frozenset())
    print_summary(with_progress(SOURCE_NAME, partial(it.sync.run, SOURCE_NAME)))


def _welcome(it: "House") -> None:
    from app.demo.company import load_people

    console.print(f"\nRung is ready at [bold]{it.settings.base_url}[/bold]. Sign in with one click as\n")
    for person in load_people():
        if person.sign_in:
            link = it.sign_ins.make_link(person.email, lasts=timedelta(days=7), reusable=True)
            console.print(f"  [bold]{person.name}[/bold] — {person.sees}")
            console.print(f"  {it.sign_in_url(link)}\n", soft_wrap=True)
    console.print("Stop with Ctrl-C.")
