"""`price …`: what models cost us, by dated entries."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.output import JsonFlag, console, print_json, print_table

if TYPE_CHECKING:
    from routing.catalogue.prices import PricedModel

app = typer.Typer(no_args_is_help=True, help="What models cost us, by dated entries.")


@app.command("list")
def list_prices(json: JsonFlag = False) -> None:
    """List what each model costs now and where that is from, then every entry."""
    from app.wiring import house

    with house() as it:
        now = it.catalogue.prices.now(it.settings)
        entries = it.catalogue.prices.list()
    if json:
        print_json({"now": now, "entries": entries})
        return
    rows = [_row(priced) for priced in now]
    columns = ["deployment", "model", "input", "cached", "output", "from", "since"]
    print_table("Prices now, a million tokens", columns, rows)
    dated = [
        (
            e.since,
            e.deployment,
            e.model,
            e.input_price,
            e.cached_price,
            e.output_price,
            e.currency,
            e.by,
            e.source,
        )
        for e in entries
    ]
    columns = ["since", "deployment", "model", "input", "cached", "output", "currency", "by", "from"]
    print_table("Entries", columns, dated)


@app.command("set")
def set_price(
    model: Annotated[str, typer.Argument(help="As receipts name it; * for whatever the deployment serves.")],
    input_price: Annotated[str, typer.Option("--input", help="A million input tokens.")],
    output_price: Annotated[str, typer.Option("--output", help="A million output tokens.")],
    cached_price: Annotated[
        str | None, typer.Option("--cached", help="A million cached input tokens; as the input without it.")
    ] = None,
    deployment: Annotated[str, typer.Option(help="local or premium.")] = "premium",
    since: Annotated[
        datetime | None, typer.Option(help="From this moment (UTC) on; from now on without it.")
    ] = None,
    source: Annotated[str, typer.Option("--from", help="Where the price is from.")] = "",
    json: JsonFlag = False,
) -> None:
    """Enter a price. Earlier entries stay, and what was paid stays as it was."""
    from app.wiring import house
    from routing.catalogue.prices import NewPrice

    moment = since.replace(tzinfo=UTC) if since else None
    new = NewPrice(deployment, model, input_price, output_price, cached_price, moment, source)
    with house() as it:
        made = it.catalogue.prices.set(it.operator(), new)
    if json:
        print_json(made)
        return
    console.print(
        f"From {made.since:%Y-%m-%d %H:%M} UTC on, a million tokens of {made.model} cost {made.input_price} "
        f"{made.currency} read and {made.output_price} {made.currency} written.",
        markup=False,
    )


def _row(priced: "PricedModel") -> tuple[object, ...]:
    prices = priced.prices
    if prices is None:
        return priced.deployment, priced.model, "", "", "", priced.problem, ""
    amounts = (prices.input, prices.cached_input, prices.output)
    return priced.deployment, priced.model, *amounts, prices.source, prices.since
