"""`calibrate`: fits the thresholds of the ladder to what is known of past answers."""

from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.output import JsonFlag, console, print_json, print_table

if TYPE_CHECKING:
    from routing.policy.reports import CalibrationReport

CAREFUL = 3
"""The exit code of `--strict` where nothing could be proved and the careful default holds."""


def register(app: typer.Typer) -> None:
    app.command()(calibrate)


def calibrate(
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with 3 where the quality asked for is not guaranteed.")
    ] = False,
    json: JsonFlag = False,
) -> None:
    """Refit the thresholds from feedback, clicks on the better model, and shadow samples.

    Running it again where nothing was learned changes nothing.
    """
    from app.core.identity import DEFAULT_WORKSPACE_ID
    from app.wiring import house

    with house() as it:
        report = it.policies.calibrate(DEFAULT_WORKSPACE_ID, by="command line")
    if json:
        print_json(report)
    else:
        _show(report)
    if strict and report.state == "careful":
        raise typer.Exit(CAREFUL)


def _show(report: "CalibrationReport") -> None:
    console.print(report.statement, markup=False)
    rows = [
        (
            rung.kind,
            rung.labels.feedback,
            rung.labels.escalation,
            rung.labels.shadow,
            rung.labels.wrong,
            f"{rung.before:.2f}",
            f"{rung.after:.2f}",
        )
        for rung in report.rungs
    ]
    columns = ["rung", "thumbs", "clicks", "shadow", "wrong", "climbed from", "climbs from"]
    print_table("Labels and thresholds", columns, rows)
    for rung in report.rungs:
        console.print(f"{rung.kind}: {rung.says}.", markup=False)
    if report.changed:
        console.print(f"Stored as the calibration of {report.at:%Y-%m-%d %H:%M} UTC.")
    else:
        console.print(f"Nothing changed since the calibration of {report.at:%Y-%m-%d %H:%M} UTC.")
