"""`adapter train reader`: trains the reading adapter from public reading sets in a folder."""

from pathlib import Path

from app.cli.output import console, print_json


def train_reader(
    data: Path, out: Path | None, *, passes: int | None, rank: int | None, threads: int, json: bool
) -> None:
    """Trains, scores and writes an adapter with its model card; stopped, the same command goes on where it
    was."""
    from dataclasses import replace

    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    from app.core.config import get_settings
    from routing.reading.making import ADAPTER_FILE, make_adapter
    from routing.reading.training import Progress as Step
    from routing.reading.training import TrainingSettings

    folder = (out or get_settings().data_dir / "reader").resolve()
    settings = replace(TrainingSettings(), threads=threads)
    if passes is not None:
        settings = replace(settings, passes=passes)
    if rank is not None:
        settings = replace(settings, rank=rank, alpha=2 * rank)
    columns = (TextColumn("training"), BarColumn(), TextColumn("{task.fields[shown]}"), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=json) as bar:
        task = bar.add_task("training", total=None, shown="reading the examples")

        def report(step: Step) -> None:
            shown = (
                f"{step.step}/{step.steps} loss {step.loss:.2f}, {step.examples_per_second:.1f} examples/s"
            )
            bar.update(task, total=step.steps, completed=step.step, shown=shown)

        card = make_adapter(data, folder, settings, report)
    if json:
        print_json(card)
        return
    scores = ", ".join(f"{name.replace('_', ' ')} {value:.3f}" for name, value in card.scores.items())
    console.print(
        f"{folder / ADAPTER_FILE}, {card.size_bytes:,} bytes; on articles kept out of training: {scores}"
    )
    console.print(f"Use it with RUNG_READER_ADAPTER={folder / ADAPTER_FILE}", soft_wrap=True)
