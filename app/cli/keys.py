"""`key …`: keys for the API."""

from typing import Annotated

import typer

from app.cli.output import JsonFlag, console, print_json, print_table

app = typer.Typer(no_args_is_help=True, help="Keys for the API; each carries its owner's access.")


@app.command()
def create(
    email: Annotated[str, typer.Argument(help="Whose access the key carries.")],
    name: Annotated[str, typer.Option(help="What the key is for.")] = "api",
    json: JsonFlag = False,
) -> None:
    """Make a key and print it; it is not shown again."""
    from app.wiring import house

    with house() as it:
        key, secret = it.sign_ins.make_key(email, name)
    if json:
        print_json({"id": key.id, "name": key.name, "email": key.email, "api_key": secret})
        return
    console.print(f"Key {key.id} for {key.email}. Keep it now; it is not shown again:")
    console.print(secret, soft_wrap=True, markup=False)


@app.command("list")
def list_keys(json: JsonFlag = False) -> None:
    """List the keys."""
    from app.wiring import house

    with house() as it:
        found = it.sign_ins.keys()
    if json:
        print_json(found)
        return
    rows = [
        (k.id, k.name, k.email, k.created_at, k.last_used_at, "revoked" if k.revoked_at else "")
        for k in found
    ]
    print_table("API keys", ["id", "name", "person", "made", "last used", ""], rows)


@app.command()
def revoke(key_id: Annotated[str, typer.Argument(help="The key's id, from `key list`.")]) -> None:
    """Make a key stop working at once."""
    from app.wiring import house

    with house() as it:
        it.sign_ins.revoke_key(key_id)
    console.print(f"Key {key_id} no longer works.")
