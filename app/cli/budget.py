"""`budget …`: what the company, its teams and its people may spend in a month."""

from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.output import JsonFlag, console, print_json, print_table

if TYPE_CHECKING:
    from app.wiring import House
    from billing.budgets.values import Budget, Target

app = typer.Typer(
    no_args_is_help=True, help="What the company, its teams and its people may spend in a month."
)

Team = Annotated[str | None, typer.Option(help="The budget of this team.")]
User = Annotated[str | None, typer.Option(help="The budget of this person.", metavar="EMAIL")]
Workspace = Annotated[bool, typer.Option("--workspace", help="The budget of the whole company.")]


@app.command("list")
def list_budgets(json: JsonFlag = False) -> None:
    """Show each budget with what this month has used of it."""
    from app.wiring import house

    with house() as it:
        workspace_id, currency = it.operator().workspace_id, it.budgets.currency
        found, month = it.budgets.list(workspace_id), it.budgets.period
    if json:
        print_json({"month": month, "currency": currency, "budgets": found})
        return
    rows = [_row(budget, currency) for budget in found]
    columns = ["whose", "budget", "spent", "held", "left", "forecast", "set", ""]
    print_table(f"Budgets, {month}", columns, rows)


@app.command("set", context_settings={"ignore_unknown_options": True})
def set_budget(
    amount: Annotated[str, typer.Argument(help="Most a month in the price plan's currency, such as 50.00.")],
    team: Team = None,
    user: User = None,
    workspace: Workspace = False,
    json: JsonFlag = False,
) -> None:
    """Set a budget from now on; it counts from the next question."""
    from app.wiring import house
    from billing.budgets.amounts import parse_cap
    from billing.money import format_money

    with house() as it:
        target = _target(it, team, user, workspace)
        budget = it.budgets.set(it.operator(), target, parse_cap(amount, it.budgets.currency))
        note = _note(budget)
    if json:
        print_json(budget)
        return
    cap = format_money(budget.cap_nano or 0, budget.currency)
    left = format_money(budget.left_nano or 0, budget.currency)
    line = f"{budget.target.name} may spend {cap} a month; {left} is left of this one."
    console.print(f"{line} {note}".strip(), markup=False)


@app.command()
def remove(
    team: Team = None, user: User = None, workspace: Workspace = False, json: JsonFlag = False
) -> None:
    """Take a budget away; what was set stays on record."""
    from app.wiring import house

    with house() as it:
        target = _target(it, team, user, workspace)
        it.budgets.remove(it.operator(), target)
        budget = it.budgets.of(it.operator().workspace_id, target)
        note = _note(budget)
    if json:
        print_json(budget)
        return
    console.print(f"{target.name} has no budget of its own any more. {note}".strip(), markup=False)


def _target(it: "House", team: str | None, user: str | None, workspace: bool) -> "Target":
    from app.core.errors import InputError

    chosen = [("team", team), ("user", user), ("workspace", "" if workspace else None)]
    given = [(scope, value) for scope, value in chosen if value is not None]
    if len(given) != 1:
        raise InputError(
            "Say whose budget, with one of --team NAME, --user EMAIL and --workspace.", code="bad_scope"
        )
    return it.budgets.target(it.operator().workspace_id, *given[0])


def _note(budget: "Budget") -> str:
    return "RUNG_BUDGET_MONTHLY limits the company, whatever is set here." if budget.from_setting else ""


def _row(budget: "Budget", currency: str) -> tuple[object, ...]:
    from billing.money import format_money

    cap, left, forecast = budget.cap_nano, budget.left_nano, budget.forecast_nano
    return (
        budget.target.name,
        "no limit" if cap is None else format_money(cap, budget.currency),
        format_money(budget.spent_nano, currency),
        format_money(budget.held_nano, currency),
        "" if left is None else format_money(left, budget.currency),
        "" if forecast is None else format_money(forecast, currency),
        budget.since,
        f"not in {currency}: set it anew" if budget.other_currency else _note(budget),
    )
