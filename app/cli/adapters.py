"""`adapter …`: train, judge and publish adapters, and say which questions they answer."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from app.cli.output import JsonFlag, console, print_json, print_table

if TYPE_CHECKING:
    from app.wiring import House
    from routing.adapters.adapter import AdapterVersion, Progress, Report

app = typer.Typer(
    no_args_is_help=True, help="LoRA adapters: of the local model, made of past answers, and of the reader."
)

READER = "reader"
"""The name of the adapter that Rung ships, trained on public reading sets."""

EXIT_NOT_BETTER = 3

T = TypeVar("T")

Name = Annotated[str, typer.Argument(help="The adapter's name.")]
Version = Annotated[int | None, typer.Option(help="Which version; the newest candidate without it.", min=1)]
Filter = Annotated[
    bool, typer.Option("--only-everyone", help="Only examples whose documents everyone may read.")
]


@app.command("list")
def list_adapters(json: JsonFlag = False) -> None:
    """List the adapters, which questions they answer, and what the chat server has loaded."""
    from app.wiring import house

    with house() as it:
        workspace_id = it.operator().workspace_id
        adapters, server = it.adapters.list(workspace_id), it.adapters.server()
        assignments = it.adapters.assignments(workspace_id)
        reader = _shipped_reader()
    if json:
        found = {"adapters": adapters, "assignments": assignments, "server": server, "reader": reader}
        print_json(found)
        return
    versions = [version for adapter in adapters for version in adapter.versions]
    columns = ["name", "state", "examples", "documents", "judged"]
    print_table("Adapters of the local model", columns, [_row(version) for version in versions])
    rows = [(a.scope.replace("_", " "), a.value, a.adapter, a.id) for a in assignments]
    print_table("Which questions they answer", ["scope", "value", "adapter", "id"], rows)
    if server.reachable:
        loaded = ", ".join(server.loaded) or "no adapter"
        console.print(
            f"The chat server at {server.url} serves {server.base_model} with {loaded}.", markup=False
        )
    else:
        console.print(server.problem, markup=False)
    console.print(_reader_line(reader), markup=False)


@app.command()
def show(name: Name, json: JsonFlag = False) -> None:
    """Show an adapter's versions, how they were judged, and what was done to it by whom."""
    from app.wiring import house

    with house() as it:
        workspace_id = it.operator().workspace_id
        adapter, events = it.adapters.get(workspace_id, name), it.adapters.history(workspace_id, name)
    if json:
        print_json({"adapter": adapter, "events": events})
        return
    columns = ["name", "state", "examples", "documents", "judged", "base model", "rank", "made", "problem"]
    rows = [(*_row(v), v.base_model, v.rank, v.created_at, v.problem) for v in adapter.versions]
    print_table(name, columns, rows)
    done = [(e.at, e.by, e.action, e.version, e.detail) for e in events]
    print_table("What was done", ["when", "who", "what", "version", ""], done)


@app.command()
def examples(
    only_everyone: Filter = False,
    team: Annotated[str | None, typer.Option(help="Only questions of this team.")] = None,
    since: Annotated[datetime | None, typer.Option(help="Only questions asked from this day on.")] = None,
    json: JsonFlag = False,
) -> None:
    """Count the examples that training would use now, and whom an adapter made of them could serve."""
    from app.wiring import house

    with house() as it:
        counts = it.adapters.example_counts(it.operator().workspace_id, _filters(only_everyone, team, since))
    if json:
        print_json(counts)
        return
    console.print(
        f"{counts.training} examples of {counts.documents} documents, {counts.held_out} more held out for "
        f"judging: {counts.accepted} marked good by people, {counts.premium} of the premium model."
    )
    console.print(f"An adapter made of them could serve {counts.serves} of {counts.people} people.")
    for reason, number in counts.dropped:
        console.print(f"{number} left out: {reason}.", markup=False)


@app.command()
def train(
    name: Annotated[str, typer.Argument(help="The adapter's name; `reader` for the one that reads.")],
    base: Annotated[
        Path | None, typer.Option(help="The base model: a Hugging Face folder, the same that vLLM serves.")
    ] = None,
    rank: Annotated[int | None, typer.Option(help="The adapter's rank; 8 by default.", min=1)] = None,
    epochs: Annotated[int, typer.Option(help="How often each example is seen.", min=1)] = 3,
    learning_rate: Annotated[float, typer.Option(help="The highest learning rate.", min=0)] = 2e-4,
    batch: Annotated[int, typer.Option(help="Examples in a step.", min=1)] = 8,
    tokens: Annotated[int, typer.Option(help="Longer examples are left out.", min=64)] = 4096,
    seed: Annotated[int, typer.Option(help="Decides the order of the examples.")] = 7,
    only_everyone: Filter = False,
    team: Annotated[str | None, typer.Option(help="Only questions of this team.")] = None,
    since: Annotated[datetime | None, typer.Option(help="Only questions asked from this day on.")] = None,
    data: Annotated[Path | None, typer.Option(help="For `reader`: the folder of reading sets.")] = None,
    out: Annotated[Path | None, typer.Option(help="For `reader`: where the adapter is written.")] = None,
    passes: Annotated[int | None, typer.Option(help="For `reader`: passes over the examples.")] = None,
    threads: Annotated[int, typer.Option(help="For `reader`: threads; 0 means one per core.")] = 0,
    json: JsonFlag = False,
) -> None:
    """Train a new version from past answers; stopped, the same command goes on where it was.

    It becomes a candidate: judge it, then publish it. `adapter train reader --data DIR` trains the reader.
    """
    if name == READER:
        from app.cli.train_reader import train_reader

        if data is None:
            raise typer.BadParameter("say where the reading sets are", param_hint="--data")
        train_reader(data, out, passes=passes, rank=rank, threads=threads, json=json)
        return
    if base is None:
        raise typer.BadParameter("say where the base model is", param_hint="--base")
    from app.wiring import house
    from routing.adapters.adapter import TrainSettings

    settings = TrainSettings(rank or TrainSettings().rank, epochs, learning_rate, batch, tokens, seed)
    filters = _filters(only_everyone, team, since)
    with house() as it, _progress(json) as report:
        made = it.adapters.train(it.operator(), name, base, settings=settings, filters=filters, report=report)
        detail = it.adapters.history(it.operator().workspace_id, name)[0].detail
    if json:
        print_json(made)
        return
    console.print(f"{made.served_name} is a candidate: {detail}.", markup=False)
    console.print(f"Judge it with: python -m app adapter judge {name}")


@app.command()
def add(
    name: Name,
    folder: Annotated[Path, typer.Argument(help="A LoRA adapter in peft's form.")],
    base: Annotated[Path, typer.Option(help="The base model it was made for: a Hugging Face folder.")],
    access: Annotated[
        list[str] | None,
        typer.Option(help="Whom it may serve: everyone, group:NAME, user:EMAIL. Nobody without it."),
    ] = None,
    json: JsonFlag = False,
) -> None:
    """Take in an adapter that was trained elsewhere, as a candidate."""

    def run(it: "House") -> "AdapterVersion":
        return it.adapters.add(it.operator(), name, folder, base, access or ())

    _change(run, json, "{0.served_name} is a candidate.")


@app.command()
def judge(name: Name, version: Version = None, json: JsonFlag = False) -> None:
    """Compare a version with what is in service, on questions that no version was trained on.

    Exit code 0: better. 3: not better.
    """
    from app.wiring import house

    with house() as it, _progress(json) as report:
        found = it.adapters.judge(it.operator(), name, version, report)
    if json:
        print_json(found)
    else:
        console.print(
            f"{found.score:.3f} against {found.against_score:.3f} of {found.against}: {found.reason}.",
            markup=False,
        )
    if not found.better:
        raise typer.Exit(EXIT_NOT_BETTER)


@app.command()
def publish(name: Name, version: Version = None, json: JsonFlag = False) -> None:
    """Put a version in service that was judged better; the one before is kept for going back."""
    _change(
        lambda it: it.adapters.publish(it.operator(), name, version), json, "{0.served_name} is in service."
    )


@app.command()
def rollback(name: Name, json: JsonFlag = False) -> None:
    """Go back to the version before."""
    _change(
        lambda it: it.adapters.roll_back(it.operator(), name), json, "{0.served_name} is in service again."
    )


@app.command()
def retire(
    name: Name,
    version: Version = None,
    in_service: Annotated[
        bool, typer.Option("--in-service", help="Also the one that answers now; the base model answers then.")
    ] = False,
    json: JsonFlag = False,
) -> None:
    """Take a version out of use and off the chat server."""

    def run(it: "House") -> "AdapterVersion":
        return it.adapters.retire(it.operator(), name, version, in_service=in_service)

    _change(run, json, "{0.served_name} is retired.")


@app.command()
def assign(
    name: Name,
    team: Annotated[str | None, typer.Option(help="The questions of this team.")] = None,
    source_kind: Annotated[
        str | None, typer.Option(help="Questions answered mostly from sources of this kind.")
    ] = None,
    json: JsonFlag = False,
) -> None:
    """Give questions to an adapter: a team's, a kind of source's, or the whole workspace's without either."""
    if team is not None and source_kind is not None:
        raise typer.BadParameter("give --team or --source-kind, not both")
    scope = "team" if team is not None else "source_kind" if source_kind is not None else "workspace"
    _change(
        lambda it: it.adapters.assign(it.operator(), scope, team or source_kind or "", name),  # type: ignore[arg-type]
        json,
        "Questions of {0.scope} {0.value} go to {0.adapter}.",
    )


@app.command()
def unassign(
    assignment_id: Annotated[str, typer.Argument(help="The assignment's id, from `adapter list`.")],
) -> None:
    """Take an assignment back."""
    from app.wiring import house

    with house() as it:
        it.adapters.unassign(it.operator(), assignment_id)
    console.print("These questions go to the next assignment that fits, or to the base model.")


def _change(run: "Callable[[House], T]", json: bool, said: str) -> None:
    from app.wiring import house

    with house() as it:
        done = run(it)
    if json:
        print_json(done)
    else:
        console.print(said.format(done).replace("workspace  go", "the workspace go"), markup=False)


def _filters(only_everyone: bool, team: str | None, since: datetime | None) -> Any:
    from routing.adapters.adapter import ExampleFilters

    return ExampleFilters(only_everyone, team, since.replace(tzinfo=UTC) if since else None)


@contextmanager
def _progress(quiet: bool) -> "Iterator[Report]":
    """A bar for each stage of a long piece of work."""
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[note]}"),
        TimeElapsedColumn(),
    )
    with Bars(*columns, console=console, disable=quiet) as bars:
        tasks: dict[str, Any] = {}

        def report(progress: "Progress") -> None:
            if progress.stage not in tasks:
                tasks[progress.stage] = bars.add_task(progress.stage, total=progress.total, note="")
            bars.update(
                tasks[progress.stage], completed=progress.done, total=progress.total, note=progress.note
            )

        yield report


def _row(version: "AdapterVersion") -> tuple[object, ...]:
    judged = version.judgement
    return (
        version.served_name,
        version.state.replace("_", " "),
        version.examples,
        "from elsewhere" if version.access is not None else version.documents,
        f"{judged.score:.3f} against {judged.against_score:.3f}: {judged.reason}" if judged else "not yet",
    )


def _shipped_reader() -> Any:
    """The card of the adapter that reads, or what is wrong with it."""
    from app.core.errors import IntegrityError
    from routing.reading.card import reader_card

    try:
        return reader_card()
    except IntegrityError as error:
        return {"problem": error.message}


def _reader_line(reader: Any) -> str:
    if isinstance(reader, dict):
        return f"The reader's adapter cannot be used: {reader['problem']}"
    scores = ", ".join(f"{name.replace('_', ' ')} {value:.3f}" for name, value in reader.scores.items())
    size = f"{reader.size_bytes:,} bytes"
    return f"The reader's adapter is {reader.name}, {size}, of {reader.trained_at}: {scores}."
