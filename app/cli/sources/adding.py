"""Sources are added, changed and removed."""

from pathlib import Path
from typing import Annotated

import typer

from app.cli.output import JsonFlag, console, print_json, print_table
from app.cli.sources.group import Name, app
from app.core.identity import OPERATOR

SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="FIELD=VALUE", help="A setting; `source kinds KIND` lists them."),
]
SecretOption = Annotated[
    list[str] | None,
    typer.Option(
        "--secret",
        metavar="FIELD[=@FILE|=env:VARIABLE]",
        help="A secret: typed unseen, from a file, or from a variable.",
    ),
]
AccessOption = Annotated[
    list[str] | None,
    typer.Option(help="Who may read what the source says nothing of: everyone, group:NAME, user:EMAIL."),
]
FixedOption = Annotated[
    bool, typer.Option("--fixed", help="Only --access counts; what the source itself says is ignored.")
]
EveryOption = Annotated[
    str | None, typer.Option(help="How often to sync: hand, 15min, hour, day, week, or minutes.")
]


@app.command()
def kinds(
    kind: Annotated[str | None, typer.Argument(help="One kind, with what to fill in.")] = None,
    json: JsonFlag = False,
) -> None:
    """List the kinds of sources, or what one of them needs."""
    from ingest.connectors import CONNECTORS, connector_type
    from ingest.sources.fields import setting_fields

    if kind is None:
        found = [(name, connector_type(name).about) for name in sorted(CONNECTORS)]
        if json:
            print_json([{"kind": name, "about": about} for name, about in found])
            return
        rows = [(name, about.title, about.summary, about.needs) for name, about in found]
        print_table("Kinds of sources", ["kind", "title", "what it reads", "what it needs"], rows)
        return
    fields = setting_fields(connector_type(kind).settings_type)
    if json:
        print_json(fields)
        return
    rows = [
        (
            f.name,
            "secret" if f.kind == "secret" else f.kind.replace("_", " "),
            _needed(f.required, f.default),
            f.help,
        )
        for f in fields
    ]
    print_table(
        f"Settings of a {kind}", ["field", "takes", "default", "meaning"], [list(map(str, r)) for r in rows]
    )


@app.command()
def add(
    kind: Annotated[str, typer.Argument(help="The kind of connector; `source kinds` lists them.")],
    name: Annotated[str, typer.Option(help="What people will call it.")],
    path: Annotated[Path | None, typer.Option(help="The folder to read: short for --set path=….")] = None,
    settings: SetOption = None,
    secret: SecretOption = None,
    access: AccessOption = None,
    fixed: FixedOption = False,
    every: EveryOption = None,
    json: JsonFlag = False,
) -> None:
    """Add a source that can be read now. Nothing is read until it is synced."""
    from app.cli.sources.written import every_minutes, secrets_of, settings_of
    from app.core.identity import parse_access
    from app.wiring import house
    from ingest.sources.values import AccessChoice, Schedule

    given = settings_of(kind, settings or ())
    if path is not None:
        given["path"] = str(path.resolve())
    minutes = every_minutes(every) if every is not None else None
    default = parse_access(access or ())
    with house() as it:
        whole = {**given, **secrets_of(kind, secret or ())}
        source = it.sources.add(kind, name, whole, default, actor=OPERATOR)
        if fixed:
            it.set_up.choose_access(source.name, AccessChoice("fixed", default), actor=OPERATOR)
        if minutes is not None:
            it.set_up.choose_schedule(source.name, Schedule(minutes), actor=OPERATOR)
        source = it.sources.get(source.name)
    if json:
        print_json(source)
        return
    console.print(f"Added. Read it with: python -m app source sync {source.name}")
    if not access:
        console.print(
            "What the source says nothing of will be readable by nobody: --access was not given.",
            markup=False,
        )


@app.command()
def change(
    name: Name,
    settings: SetOption = None,
    secret: SecretOption = None,
    forget: Annotated[list[str] | None, typer.Option(help="A secret to take away.")] = None,
    rename: Annotated[str | None, typer.Option(help="Another name, for a draft.")] = None,
    access: AccessOption = None,
    fixed: FixedOption = False,
    every: EveryOption = None,
    prune_share: Annotated[
        int | None, typer.Option(help="Most of what is held, in per cent, that a sync may remove unasked.")
    ] = None,
    json: JsonFlag = False,
) -> None:
    """Change a source's settings, secrets, readers or schedule; what is not named stays."""
    from app.cli.sources.written import every_minutes, secrets_of, settings_of
    from app.core.identity import parse_access
    from app.wiring import house
    from ingest.sources.values import AccessChoice, Schedule

    with house() as it:
        source = it.sources.get(name)
        if settings or secret or forget or rename is not None:
            given = {**settings_of(source.kind, settings or ()), **secrets_of(source.kind, secret or ())}
            name = it.set_up.change_settings(
                name,
                {**source.settings, **given},
                forget=frozenset(forget or ()),
                new_name=rename,
                actor=OPERATOR,
            ).name
        if access is not None:
            choice = AccessChoice("fixed" if fixed else "source", parse_access(access))
            it.set_up.choose_access(name, choice, actor=OPERATOR)
        if every is not None or prune_share is not None:
            it.set_up.choose_schedule(
                name,
                Schedule(
                    every_minutes(every) if every is not None else source.every_minutes,
                    watch=bool(source.settings.get("watch")),
                    prune_share_max=source.prune_share_max if prune_share is None else prune_share / 100,
                ),
                actor=OPERATOR,
            )
        source = it.sources.get(name)
    if json:
        print_json(source)
    else:
        console.print(f"{name} is changed; what it holds changes with its next sync.", markup=False)


@app.command()
def remove(
    name: Name, yes: Annotated[bool, typer.Option("--yes", help="Do not ask; remove it.")] = False
) -> None:
    """Remove a source and every document it holds here; the source itself is not touched."""
    from app.wiring import house

    with house() as it:
        source = it.sources.get(name)
        if not yes:
            typer.confirm(f"Remove {name} and its {source.documents} documents from Rung?", abort=True)
        it.sources.remove(name, actor=OPERATOR)
    console.print(f"{name} and its {source.documents} documents are gone from here.", markup=False)


@app.command()
def rotate(json: JsonFlag = False) -> None:
    """Seal the credentials of all sources with a new key, and take the old key away."""
    from app.wiring import house

    with house() as it:
        done = it.rotate_credential_key(actor=OPERATOR)
    if json:
        print_json(done)
        return
    console.print(f"{done.credentials} credentials are sealed with key {done.key_id}. Keep a copy of it.")


def _needed(required: bool, default: str) -> str:
    return "needed" if required else default
