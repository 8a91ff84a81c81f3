"""`prompt …`: check, try, serve and roll back the prompts of the rungs that ask a chat model."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.output import JsonFlag, console, print_json, print_table

if TYPE_CHECKING:
    from app.wiring import House
    from routing.catalogue.prompts import PromptDesk, Serving
    from routing.catalogue.trials.desk import On, TrialPlan
    from routing.catalogue.trials.differences import Difference
    from routing.catalogue.trials.shelf import Side, Trial

app = typer.Typer(no_args_is_help=True, help="The prompts of the rungs that ask a chat model.")

EXIT_PROBLEMS = 3

Prompt = Annotated[str, typer.Argument(help="The prompt's id, such as premium.v2.")]
Tier = Annotated[str | None, typer.Option(help="The rung, where several could use the prompt.")]


@app.command("list")
def list_prompts(json: JsonFlag = False) -> None:
    """List the prompts, and which one speaks on each rung."""
    from app.wiring import house

    with house() as it:
        cards = it.catalogue.prompts.files.cards()
        serving = it.catalogue.prompts.serving(it.operator().workspace_id)
    if json:
        print_json({"prompts": cards, "serving": serving})
        return
    rows = [
        (c.id, ", ".join(c.tiers), _role(c.id, serving), c.cases, "; ".join(c.problems) or "sound")
        for c in cards
    ]
    print_table("Prompts", ["id", "for", "in use", "test cases", "check"], rows)


@app.command()
def show(prompt: Prompt, json: JsonFlag = False) -> None:
    """Show a prompt's text, its trials, and what was decided about it."""
    from app.wiring import house
    from routing.catalogue.helpers import HELPERS
    from routing.llm.prompt import load_prompt

    with house() as it:
        workspace_id = it.operator().workspace_id
        card = it.catalogue.prompts.files.card(prompt)
        helper = HELPERS.get(card.family)
        text = load_prompt(prompt, helper.needs) if helper else load_prompt(prompt)
        entries = [e for e in it.catalogue.prompts.entries(workspace_id) if e.prompt_id == prompt]
        trials = it.catalogue.trials.list(workspace_id, prompt)
    if json:
        print_json({"prompt": card, "text": text, "entries": entries, "trials": trials})
        return
    console.print(f"{card.id}, for {', '.join(card.tiers)}; SHA-256 {card.sha256}", markup=False)
    console.print(f"\n{text.system}\n\n{text.user}\n", markup=False)
    rows = [(e.at, e.by, e.action, e.tier, _percent(e.share_percent)) for e in entries]
    print_table("What was decided", ["when", "who", "what", "rung", "share"], rows)
    tried = [(t.at, t.by, t.against, _tests(t.sides[0]), t.verdict) for t in trials]
    print_table("Trials", ["when", "who", "against", "tests kept", "verdict"], tried)


@app.command()
def check(
    prompt: Annotated[str | None, typer.Argument(help="One prompt; all of them without.")] = None,
    json: JsonFlag = False,
) -> None:
    """Check prompts and their test sets, without asking a model. Exit code 3: something is wrong."""
    from routing.catalogue.files import PromptFiles
    from routing.tier import load_specs

    files = PromptFiles(load_specs())
    cards = files.cards() if prompt is None else (files.card(prompt),)
    if json:
        print_json(cards)
    else:
        rows = [(c.id, ", ".join(c.tiers), c.cases, "; ".join(c.problems) or "sound") for c in cards]
        print_table("Prompts", ["id", "for", "test cases", "check"], rows)
    if any(card.problems for card in cards):
        raise typer.Exit(EXIT_PROBLEMS)


@app.command("try")
def try_prompt(
    prompt: Prompt,
    on: Annotated[str, typer.Option(help="`tests`: the test set. `past`: past questions as well.")] = "tests",
    limit: Annotated[int, typer.Option(help="The most past questions.", min=1)] = 50,
    share: Annotated[
        str | None,
        typer.Option(help="Let it speak on this share of the rung's questions instead, such as 5%."),
    ] = None,
    stop: Annotated[bool, typer.Option("--stop", help="End its trial on a share of the questions.")] = False,
    most: Annotated[
        str | None,
        typer.Option(help="What it may cost at most, such as 2.50; without it, what the plan suggests."),
    ] = None,
    cost: Annotated[bool, typer.Option("--cost", help="Say what it would ask and cost, and ask nothing.")] = (
        False
    ),
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Begin without asking whether to.")] = False,
    as_: Annotated[
        str | None,
        typer.Option("--as", help="The admin who tries; without it, the operator.", metavar="EMAIL"),
    ] = None,
    tier: Tier = None,
    json: JsonFlag = False,
) -> None:
    """Try a prompt beside the one in service: on its test set, on past questions, or on a share of new ones.

    What it would cost is shown first. Answers to past questions are shown to nobody, and nobody is charged:
    the ledger keeps what the calls cost.
    """
    if share is not None and stop:
        raise typer.BadParameter("give --share or --stop, not both")
    if stop:
        _decide(lambda it: _desk(it).stop(it.operator(), _desk(it).rung_of(prompt, tier)), json)
        return
    if share is not None:
        percent = _share(share)
        _decide(lambda it: _desk(it).share(it.operator(), prompt, percent, tier), json)
        return
    if on not in ("tests", "past"):
        raise typer.BadParameter("choose tests or past", param_hint="--on")
    _run(_Wanted(prompt, "past" if on == "past" else "tests", limit, most, tier), as_, cost, yes, json)


@app.command()
def trials(
    prompt: Annotated[str | None, typer.Argument(help="Of one prompt; of all without.")] = None,
    json: JsonFlag = False,
) -> None:
    """List trials: which run, and what the others found."""
    from app.wiring import house

    with house() as it:
        found = it.catalogue.trials.list(it.operator().workspace_id, prompt)
    if json:
        print_json(found)
        return
    rows = [
        (t.id, t.at, t.by, f"{t.prompt_id} beside {t.against}", t.state, f"{t.done} of {t.total}", t.verdict)
        for t in found
    ]
    print_table("Trials", ["id", "begun", "who", "what", "state", "asked", "found"], rows)


@app.command()
def halt(
    trial: Annotated[str, typer.Argument(help="The trial's id, from `prompt trials`.")],
    json: JsonFlag = False,
) -> None:
    """End a trial after the question under way, wherever it runs."""
    from app.wiring import house

    with house() as it:
        found = it.catalogue.trials.stop(it.operator(), trial)
    if json:
        print_json(found)
        return
    console.print(f"The trial of {found.prompt_id} ends after the question under way.", markup=False)


@app.command()
def serve(prompt: Prompt, tier: Tier = None, json: JsonFlag = False) -> None:
    """Let a prompt speak on its rung from the next question on."""
    _decide(lambda it: _desk(it).serve(it.operator(), prompt, tier), json)


@app.command()
def rollback(
    tier: Annotated[str, typer.Argument(help="The rung.")],
    json: JsonFlag = False,
) -> None:
    """Let the prompt before speak again on a rung."""
    _decide(lambda it: _desk(it).roll_back(it.operator(), tier), json)


def _desk(it: "House") -> "PromptDesk":
    return it.catalogue.prompts


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A trial as it was asked for."""

    prompt: str
    on: "On"
    limit: int
    most: str | None
    tier: str | None


def _run(wanted: _Wanted, email: str | None, only_cost: bool, yes: bool, json: bool) -> None:
    from app.wiring import house
    from billing.money import parse_amount

    with house() as it:
        who = it.caller(email) if email is not None else it.operator()
        currency = it.ledger.plan.currency
        most = None if wanted.most is None else parse_amount(wanted.most)
        plan = it.catalogue.trials.plan(
            who, wanted.prompt, on=wanted.on, limit=wanted.limit, tier=wanted.tier
        )
        if only_cost and json:
            print_json(plan)
        if not json:
            _say_plan(plan, plan.suggested_nano if most is None else most, currency)
        if only_cost or not (yes or json or _goes_on()):
            return
        found = it.catalogue.trials.run(
            who,
            wanted.prompt,
            on=wanted.on,
            limit=wanted.limit,
            tier=wanted.tier,
            most_cost_nano=most,
            report=lambda done, of: None if json else console.print(f"{done} of {of}", end="\r"),
        )
    if json:
        print_json(found)
    else:
        _say(found, currency)


def _goes_on() -> bool:
    """Whether to begin: asked of a person, taken for granted where none is there."""
    return not sys.stdin.isatty() or typer.confirm("Begin?")


def _say_plan(plan: "TrialPlan", most_nano: int, currency: str) -> None:
    from billing.money import format_money

    console.print(
        f"{plan.tests} test cases and {plan.past} past questions ({plan.rated} with an accepted answer),"
        f" {plan.answers} answers; expected to cost us {format_money(plan.about_nano, currency)}, ended"
        f" before it costs more than {format_money(most_nano, currency)}.",
        markup=False,
    )


def _say(found: "Trial", currency: str) -> None:
    from billing.money import format_money

    names = ["", *(side.prompt_id for side in found.sides)]
    lines: list[tuple[str, Callable[[Side], object]]] = [
        ("tests kept", _tests),
        ("past questions", lambda side: side.past),
        ("agreement with accepted answers", _agreement),
        ("nothing found", lambda side: side.abstained),
        ("failed calls", lambda side: side.failed),
        ("cost a question", lambda side: format_money(side.cost_each_nano, currency)),
        ("median answer", lambda side: _ms(side.p50_ms)),
        ("95 of 100 within", lambda side: _ms(side.p95_ms)),
    ]
    rows = [(name, *(value(side) for side in found.sides)) for name, value in lines]
    print_table(f"Trial of {found.prompt_id} on {found.model}", names, rows)
    if found.differences:
        print_table(
            "What lies between them",
            ["difference", "it is", "by", "95% interval", "questions"],
            [_difference(difference, currency) for difference in found.differences],
        )
    for side in found.sides:
        for case, why in side.broken:
            console.print(f"{side.prompt_id}, case {case}: {why}", markup=False)
    console.print(found.verdict, markup=False)
    if found.left_out:
        console.print(f"{found.left_out} past questions were left out: their asker may no longer read all.")
    if found.stopped:
        console.print(f"It ended early: {found.stopped}", markup=False)


def _difference(found: "Difference", currency: str) -> tuple[object, ...]:
    from billing.money import format_money

    if found.finding == "too_few":
        return found.what, "too few to judge", "", "", found.n

    def words(number: float) -> str:
        sign = "+" if number >= 0 else "-"
        if found.what == "cost":
            return f"{sign}{format_money(abs(round(number)), currency)}"
        return f"{number:+.0f} ms" if found.what == "time" else f"{number:+.3f}"

    is_shown = "not shown" if found.finding == "none_shown" else found.finding
    return found.what, is_shown, words(found.mean), f"{words(found.low)} to {words(found.high)}", found.n


def _decide(run: "Callable[[House], Serving]", json: bool) -> None:
    from app.wiring import house

    with house() as it:
        now = run(it)
    if json:
        print_json(now)
        return
    console.print(f"{now.prompt_id} speaks on the rung {now.tier}.", markup=False)
    if now.trial_id is not None:
        console.print(f"{now.trial_id} speaks on {now.share_percent} % of its questions.", markup=False)


def _share(text: str) -> int:
    number = text.strip().removesuffix("%").strip()
    if not number.isdecimal():
        raise typer.BadParameter("write a whole per cent, such as 5%", param_hint="--share")
    return int(number)


def _role(prompt_id: str, serving: "tuple[Serving, ...]") -> str:
    found = [f"in service on {now.tier}" for now in serving if now.prompt_id == prompt_id]
    found += [f"on {now.share_percent} % of {now.tier}" for now in serving if now.trial_id == prompt_id]
    return ", ".join(found)


def _tests(side: "Side") -> str:
    return f"{side.passed} of {side.tests}"


def _agreement(side: "Side") -> str:
    return "none judged" if side.agreement is None else f"{side.agreement:.3f} over {side.rated}"


def _percent(share: int | None) -> str:
    return "" if share is None else f"{share} %"


def _ms(duration: int | None) -> str:
    return "" if duration is None else f"{duration} ms"
