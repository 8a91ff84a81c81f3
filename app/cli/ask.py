"""`search`, `ask` and `route`: one question, or a file of them, in the shapes of the API."""

import json as jsonlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from app.cli.output import AsOption, JsonFlag, as_json, console, print_json, print_table

if TYPE_CHECKING:
    from pydantic import BaseModel

    from app.core.identity import Caller
    from app.wiring import House
    from routing.updates import Citation, ReceiptUpdate, Update
    from web.api.ask import RoutePreviewOut
    from web.api.shapes import AskOut, SearchOut

Question = Annotated[str | None, typer.Argument(help="The question, in quotes.")]
FileOption = Annotated[
    Path | None,
    typer.Option("--file", help='JSON lines of {"id", "question"}; prints one JSON line each.'),
]
Shape = TypeVar("Shape", bound="BaseModel")
One = Callable[["House", "Caller", str], Shape]


def register(app: typer.Typer) -> None:
    app.command()(search)
    app.command()(ask)
    app.command()(route)


def search(
    query: Question = None,
    as_email: AsOption = None,
    file: FileOption = None,
    limit: Annotated[int, typer.Option(min=1, max=50, help="Most passages to show.")] = 10,
    json: JsonFlag = False,
) -> None:
    """Find passages."""
    from web.api.search import search_out

    def one(it: "House", caller: "Caller", text: str) -> "SearchOut":
        return search_out(it.searcher.search(caller, text, limit=limit), limit)

    found = _run(query, as_email, file, json, one)
    if found is None:
        return
    if not found.passages:
        console.print("Nothing found that this person may read.")
    for passage in found.passages:
        page = [f"page {passage.page}"] if passage.page is not None else []
        where = " › ".join((passage.source, *passage.heading_path, *page))
        console.print(f"[bold]{_plain(passage.title)}[/bold]  [dim]{_plain(where)}[/dim]")
        console.print(f"  {' '.join(passage.text.split())}", markup=False)


def ask(
    question: Question = None,
    as_email: AsOption = None,
    file: FileOption = None,
    tier: Annotated[str, typer.Option(help="auto, or the name of a rung.")] = "auto",
    json: JsonFlag = False,
) -> None:
    """Ask a question and get an answer with its sources, its rung and its price."""
    from routing.question import AskRequest

    def updates(it: "House", caller: "Caller", text: str) -> "Iterator[Update]":
        return it.answerer.ask(caller, AskRequest(text, tier=tier))

    def one(it: "House", caller: "Caller", text: str) -> "AskOut":
        from web.api.ask import answer_out

        return answer_out(list(updates(it, caller, text)))

    if json or file is not None:
        _run(question, as_email, file, json, one)
        return
    from app.wiring import house

    with house() as it:
        _show(updates(it, it.caller(as_email), _required(question)))


def route(
    question: Question = None, as_email: AsOption = None, file: FileOption = None, json: JsonFlag = False
) -> None:
    """Say how difficult a question is, why, and which rung would answer it, without answering."""

    def one(it: "House", caller: "Caller", text: str) -> "RoutePreviewOut":
        from web.api.ask import route_out

        return route_out(it.answerer.route(caller, text), it.ledger.plan.currency)

    found = _run(question, as_email, file, json, one)
    if found is None:
        return
    console.print(f"[bold]{found.tier}[/bold], difficulty {found.difficulty:.2f}")
    for reason in found.reasons:
        console.print(f"  {reason}", markup=False)
    console.print(found.objective, markup=False)
    for rung in found.rungs:
        console.print(f"  {rung.label}, about {rung.price} {found.currency}: {rung.says}", markup=False)


def _run(
    question: str | None, as_email: str | None, file: Path | None, json: bool, one: One[Shape]
) -> Shape | None:
    """Answers the file's questions or prints JSON, and returns nothing; or returns what is to be shown."""
    from app.wiring import house

    with house() as it:
        caller = it.caller(as_email)
        if file is not None:
            _each(it, caller, file, one)
            return None
        found = one(it, caller, _required(question))
    if json:
        print_json(found.model_dump(mode="json"))
        return None
    return found


def _each(it: "House", caller: "Caller", file: Path, one: One[Shape]) -> None:
    """One JSON line for each question; one that cannot be answered becomes a line with its error."""
    from app.core.errors import RungError

    for question_id, text in _read_questions(file):
        line: dict[str, object] = {"id": question_id}
        try:
            line |= one(it, caller, text).model_dump(mode="json")
        except RungError as error:
            line["error"] = {"code": error.code, "detail": error.message}
        typer.echo(as_json(line))


def _read_questions(file: Path) -> Iterator[tuple[str, str]]:
    from app.core.errors import InputError

    if not file.is_file():
        raise InputError(f"{file} is not a file.", code="no_such_file")
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = jsonlib.loads(line)
            yield str(row["id"]), str(row["question"])
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(
                f'{file} line {number} is not JSON of the form {{"id": …, "question": …}}.',
                code="bad_question_file",
            ) from error


def _required(question: str | None) -> str:
    from app.core.errors import InputError

    if question is None:
        raise InputError("Give a question in quotes, or --file with many.", code="empty_question")
    return question


def _show(updates: "Iterator[Update]") -> None:
    from routing import updates as u

    shown = ""
    for update in updates:
        match update:
            case u.RouteUpdate():
                reasons = _plain("; ".join(update.reasons))
                console.print(f"[dim]{update.tier}, difficulty {update.difficulty:.2f}: {reasons}[/dim]")
            case u.StepUpdate():
                found = f"{len(update.passages)} new" if update.passages else "nothing new"
                console.print(f"[dim]{_plain(update.text)}: {found}[/dim]")
                shown = ""
            case u.DeltaUpdate():
                console.print(update.text, end="", markup=False, soft_wrap=True)
                shown += update.text
            case u.EscalationUpdate():
                console.print(f"\n[dim]{_plain(update.reason).rstrip('.')}; asking {update.to_tier}…[/dim]")
                shown = ""
            case u.AnswerUpdate():
                # What was streamed stands there already, unless its citations were checked and changed.
                console.print(
                    "\n" if shown == update.text else f"\n\n{_plain(update.text)}\n", soft_wrap=True
                )
                _show_citations(update.citations)
            case u.ReceiptUpdate():
                _show_receipt(update)
            case u.ProblemUpdate():
                from app.core.errors import UnavailableError

                raise UnavailableError(update.message, code=update.code)
            case u.PassagesUpdate():
                console.print(f"[dim]{len(update.passages)} passages in {update.took_ms:.0f} ms[/dim]")


def _show_citations(citations: "tuple[Citation, ...]") -> None:
    if citations:
        rows = [(c.n, c.title, c.place, " ".join(c.quote.split())) for c in citations]
        print_table("Sources", ["", "document", "place", "passage"], rows)


def _show_receipt(update: "ReceiptUpdate") -> None:
    from billing.money import format_money

    receipt = update.receipt
    price, baseline = (format_money(n, receipt.currency) for n in (receipt.price_nano, receipt.baseline_nano))
    saved = (
        f"; premium would have cost {baseline} ({receipt.baseline_method.replace('_', ' in ')})"
        if receipt.saved_nano > 0
        else ""
    )
    console.print(f"{receipt.tier}: {price}{saved}")
    for note in receipt.notes:
        console.print(f"  {note}", markup=False)


def _plain(text: str) -> str:
    from rich.markup import escape

    return escape(text)
