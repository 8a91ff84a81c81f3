"""The group that the commands of this folder belong to."""

from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="Add sources, sync them, see how they are.")

Name = Annotated[str, typer.Argument(help="The source's name.")]
