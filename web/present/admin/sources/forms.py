"""The forms of a source, made from its connector's settings, with what is wrong beside each field."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from app.core.identity import EVERYONE, NOBODY, AccessList, Principal
from ingest.credentials.store import SetSecret
from ingest.sources import AccessChoice, Schedule, SettingField, Source
from ingest.sources.setting_up import Kind
from web.present.admin.sources.views import AccessFormView, FieldView, SettingsFormView
from web.present.admin.sources.words import EVERY, WATCH, duration_words
from web.present.views import Option, when

PREFIX = "setting-"
_FORGET = "forget-"
_DECIDED_LATER = frozenset({"watch"})
"""Settings that are chosen with the schedule."""

_WATCH_MINUTES = 60
_QUOTED = re.compile(r"`([^`]*)`")


@dataclass(frozen=True, slots=True)
class Written:
    """What was written into the form of the settings, as it was sent."""

    name: str = ""
    values: Mapping[str, str] = field(default_factory=dict)
    forget: frozenset[str] = frozenset()
    has_name: bool = False


def form_fields(kind: Kind) -> tuple[SettingField, ...]:
    """The fields that the form shows."""
    return tuple(field for field in kind.fields if field.name not in _DECIDED_LATER)


def read_settings_form(items: Iterable[tuple[str, str]]) -> Written:
    """What was sent, by setting."""
    name, values, forget, has_name = "", dict[str, str](), set[str](), False
    for key, text in items:
        if key == "name":
            name, has_name = text, True
        elif key.startswith(PREFIX):
            values[key.removeprefix(PREFIX)] = text
        elif key.startswith(_FORGET):
            forget.add(key.removeprefix(_FORGET))
    return Written(name, values, frozenset(forget), has_name)


def defaults(kind: Kind) -> dict[str, str]:
    """What the form of a new source shows at first."""
    return {field.name: field.default for field in kind.fields}


def settings_form(
    kind: Kind,
    written: Written,
    *,
    action: str,
    button: str,
    back_href: str,
    asks_name: bool,
    now: datetime,
    secrets: Mapping[str, SetSecret] | None = None,
    errors: Mapping[str, str] | None = None,
) -> SettingsFormView:
    """The form with what was written and what is wrong with it. A secret is never written back."""
    wrong = dict(errors or {})
    places = ", ".join(f.label for f in kind.fields if f.where)
    fields = [
        _field_view(f, written, wrong, (secrets or {}).get(f.name), places, now) for f in form_fields(kind)
    ]
    is_advanced = {f.name: f.advanced for f in form_fields(kind)}
    advanced = tuple(v for v in fields if is_advanced[v.name.removeprefix(PREFIX)])
    shown = {v.name.removeprefix(PREFIX) for v in fields} | ({"name"} if asks_name else set())
    return SettingsFormView(
        action=action,
        button=button,
        back_href=back_href,
        name=_name_field(written.name, wrong) if asks_name else None,
        fields=tuple(v for v in fields if v not in advanced),
        advanced=advanced,
        unfold=any(v.error for v in advanced),
        error=" ".join(text for name, text in wrong.items() if name not in shown),
        errors=len(wrong),
    )


def _name_field(value: str, wrong: Mapping[str, str]) -> FieldView:
    return FieldView(
        id="source-name",
        name="name",
        kind="text",
        label="Name",
        help="What people will call it in filters and beside answers, such as handbook.",
        value=value,
        required=True,
        placeholder="",
        error=wrong.get("name", ""),
    )


def _field_view(
    found: SettingField,
    written: Written,
    wrong: Mapping[str, str],
    secret: SetSecret | None,
    places: str,
    now: datetime,
) -> FieldView:
    value = "" if found.kind == "secret" else written.values.get(found.name, "")
    kept = ""
    if secret is not None:
        at = when(secret.set_at, now)
        kept = f"Set {at.relative if at else ''} by {secret.set_by}. Leave it empty to keep it"
        kept += f"; needed again where this changes: {places}." if places else "."
    return FieldView(
        id=f"setting-{found.name.replace('_', '-')}",
        name=f"{PREFIX}{found.name}",
        kind=found.kind,
        label=found.label,
        help=_QUOTED.sub(r"“\1”", found.help),
        value=value,
        required=found.required and secret is None,
        placeholder=found.placeholder,
        options=tuple(Option(v, label, v == value) for v, label in found.choices),
        whole=found.whole,
        error=wrong.get(found.name, ""),
        kept=kept,
        forget_name=f"{_FORGET}{found.name}" if secret is not None and not found.required else "",
    )


@dataclass(frozen=True, slots=True)
class AccessWritten:
    """The form of readers and schedule, as it was sent."""

    who: str = ""
    otherwise: str = "nobody"
    groups: frozenset[str] = frozenset()
    every: str = "1440"
    prune_percent: str = "30"


def read_access_form(items: Iterable[tuple[str, str]]) -> AccessWritten:
    pairs = list(items)
    found = dict(pairs)
    return AccessWritten(
        who=found.get("who", ""),
        otherwise=found.get("otherwise", "nobody"),
        groups=frozenset(text for key, text in pairs if key == "group"),
        every=found.get("every", ""),
        prune_percent=found.get("prune_percent", ""),
    )


def written_access(source: Source, *, tells_access: bool) -> AccessWritten:
    """What a source has now, as the form shows it. A draft begins with nothing opened to anybody."""
    default = source.default_access
    groups = frozenset(str(who) for who in default if who != EVERYONE)
    opened = "everyone" if EVERYONE in default else "groups" if default else ""
    as_source = source.access_mode == "source" and tells_access
    every = "watch" if source.watches else str(source.every_minutes or "hand")
    return AccessWritten(
        who="source" if as_source else opened,
        otherwise=(opened or "nobody") if as_source else "nobody",
        groups=groups,
        every="1440" if source.is_draft and source.every_minutes is None else every,
        prune_percent=f"{source.prune_share_max * 100:g}",
    )


def access_form(
    source: Source,
    written: AccessWritten,
    groups: Iterable[str],
    *,
    tells_access: bool,
    can_watch: bool,
    action: str,
    back_href: str,
    errors: Mapping[str, str] | None = None,
) -> AccessFormView:
    offered = {f"group:{name}": name for name in groups}
    for who in sorted(source.default_access - {EVERYONE}):
        offered.setdefault(str(who), who.name or str(who))
    choices = ((WATCH, *EVERY) if can_watch else EVERY) + _odd_schedule(source)
    return AccessFormView(
        action=action,
        button="Start" if source.is_draft else "Save",
        back_href=back_href,
        tells_access=tells_access,
        who=written.who,
        otherwise=written.otherwise,
        groups=tuple(Option(value, label, value in written.groups) for value, label in offered.items()),
        every=tuple(Option(value, label, value == written.every) for value, label in choices),
        prune_percent=written.prune_percent,
        errors=dict(errors or {}),
        starts=source.is_draft,
    )


def _odd_schedule(source: Source) -> tuple[tuple[str, str], ...]:
    """The schedule in force, where it is none of those offered."""
    every = source.every_minutes
    if every is None or str(every) in dict(EVERY):
        return ()
    return ((str(every), f"Every {duration_words(every * 60)}"),)


def read_choice(written: AccessWritten, errors: dict[str, str]) -> AccessChoice:
    """Who shall see it. What makes no sense is noted in `errors` by field."""
    chosen: AccessList = frozenset(_principal(text) for text in written.groups if _is_principal(text))
    if len(chosen) != len(written.groups):
        errors["groups"] = "There is no such group. Choose from the list."
    match written.who:
        case "everyone":
            return AccessChoice("fixed", frozenset({EVERYONE}))
        case "groups":
            if not chosen:
                errors.setdefault("groups", "Choose at least one group.")
            return AccessChoice("fixed", chosen)
        case "source":
            return AccessChoice("source", _otherwise(written.otherwise, chosen, errors))
        case _:
            errors["who"] = "Choose who may see it."
            return AccessChoice("fixed", NOBODY)


def _otherwise(text: str, chosen: AccessList, errors: dict[str, str]) -> AccessList:
    if text == "everyone":
        return frozenset({EVERYONE})
    if text == "groups":
        if not chosen:
            errors.setdefault("groups", "Choose at least one group.")
        return chosen
    if text != "nobody":
        errors["who"] = "Choose nobody, everyone or groups for what the source says nothing of."
    return NOBODY


def _principal(text: str) -> Principal:
    return Principal.parse(text)


def _is_principal(text: str) -> bool:
    return text.startswith(("group:", "user:")) or text == "public"


def read_schedule(written: AccessWritten, errors: dict[str, str]) -> Schedule:
    """How often it shall be read. What makes no sense is noted in `errors` by field."""
    share = _share(written.prune_percent, errors)
    if written.every == "watch":
        return Schedule(_WATCH_MINUTES, watch=True, prune_share_max=share)
    if written.every == "hand":
        return Schedule(None, prune_share_max=share)
    if not (written.every.isascii() and written.every.isdigit() and len(written.every) <= 6):
        errors["every"] = "Choose how often it is read."
        return Schedule(None, prune_share_max=share)
    return Schedule(int(written.every), prune_share_max=share)


def _share(text: str, errors: dict[str, str]) -> float:
    plain = text.strip().removesuffix("%").strip().replace(",", ".")
    whole, _, rest = plain.partition(".")
    if whole.isascii() and whole.isdigit() and len(plain) <= 6 and (not rest or rest.isdigit()):
        share = float(plain)
        if share <= 100:
            return share / 100
    errors["prune_percent"] = "Write a number from 0 to 100."
    return 0.0
