"""`user …`: the people of this installation."""

import sys
from typing import Annotated

import typer

from app.cli.output import JsonFlag, console, print_json, print_table

app = typer.Typer(no_args_is_help=True, help="Add people, put them into groups, let them sign in.")

Email = Annotated[str, typer.Argument(help="The person's e-mail address.")]


@app.command()
def add(
    email: Email,
    group: Annotated[
        list[str] | None, typer.Option(help="A group they are in; give it again for more.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Their name; the address' first part otherwise.")] = None,
    team: Annotated[
        str | None, typer.Option(help="The cost centre that pays; the first group otherwise.")
    ] = None,
    admin: Annotated[bool, typer.Option("--admin", help="May see sources and the whole usage.")] = False,
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read a password from standard input.")
    ] = False,
    json: JsonFlag = False,
) -> None:
    """Add a person and print a link by which they can sign in once."""
    from app.wiring import house

    with house() as it:
        person = it.directory.add(email, name=name, groups=tuple(group or ()), team=team, is_admin=admin)
        if password_stdin:
            it.sign_ins.set_password(email, sys.stdin.readline().rstrip("\n"))
        link = it.sign_in_url(it.sign_ins.make_link(email))
    if json:
        print_json({"person": person, "sign_in_link": link})
        return
    console.print(
        f"{person.email} is here, in {', '.join(person.groups) or 'no group'}. Sign in once, within a day:"
    )
    console.print(link, soft_wrap=True)


@app.command("list")
def list_people(json: JsonFlag = False) -> None:
    """List everyone."""
    from app.wiring import house

    with house() as it:
        people = it.directory.list()
    if json:
        print_json(people)
        return
    rows = [
        (
            p.email,
            p.name,
            ", ".join(p.groups),
            p.team,
            "admin" if p.is_admin else "",
            "no" if p.disabled else "yes",
        )
        for p in people
    ]
    print_table("People", ["e-mail", "name", "groups", "team", "role", "may sign in"], rows)


@app.command()
def groups(
    email: Email, group: Annotated[list[str], typer.Argument(help="All their groups from now on.")]
) -> None:
    """Replace a person's groups; it counts from their next question on."""
    from app.wiring import house

    with house() as it:
        person = it.directory.set_groups(email, tuple(group))
    console.print(f"{person.email} is now in {', '.join(person.groups) or 'no group'}.")


@app.command()
def password(email: Email) -> None:
    """Set a person's password, read from standard input."""
    from app.wiring import house

    secret = (
        typer.prompt("Password", hide_input=True) if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
    )
    with house() as it:
        it.sign_ins.set_password(email, secret)
    console.print(f"{email} can sign in with this password.")


@app.command()
def link(email: Email) -> None:
    """Print a link by which a person can sign in once, within a day."""
    from app.wiring import house

    with house() as it:
        console.print(it.sign_in_url(it.sign_ins.make_link(email)), soft_wrap=True)


@app.command()
def disable(email: Email) -> None:
    """Take away a person's access at once: browsers, links and keys."""
    from app.wiring import house

    with house() as it:
        it.directory.disable(email)
    console.print(f"{email} can no longer sign in.")
