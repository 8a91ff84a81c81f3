"""The command line. Each command's work is imported when it runs, so that `--help` stays quick."""

import sys

import typer

from app.cli import (
    adapters,
    ask,
    budget,
    calibrate,
    demo,
    keys,
    ledger,
    operate,
    people,
    prices,
    prompts,
    reindex,
    serve,
    sources,
)
from app.cli.output import print_error

app = typer.Typer(
    name="rung",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Company search that answers each question on the cheapest model that answers it well.",
)
for module in (demo, serve, ask, calibrate, operate, reindex):
    module.register(app)
app.add_typer(sources.app, name="source")
app.add_typer(people.app, name="user")
app.add_typer(keys.app, name="key")
app.add_typer(ledger.app, name="ledger")
app.add_typer(budget.app, name="budget")
app.add_typer(adapters.app, name="adapter")
app.add_typer(prompts.app, name="prompt")
app.add_typer(prices.app, name="price")


def _prepare() -> None:
    # Before any command: the library's own form of a traceback tells the values of variables, secrets too.
    from app.core.config import get_settings
    from app.core.logs import configure_logging

    configure_logging(get_settings())


def run() -> None:
    """Runs the command line; an error made on purpose becomes one clear message and exit code 1."""
    from app.core.errors import RungError

    app.callback()(_prepare)
    try:
        app()
    except RungError as error:
        print_error(error.message, error.code)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
