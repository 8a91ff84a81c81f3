"""Adapters, their versions and who gets them, as the pages show them."""

import shlex
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from urllib.parse import quote

from routing.adapters.adapter import (
    Adapter,
    AdapterEvent,
    AdapterVersion,
    Assignment,
    ExampleCounts,
    Judgement,
)
from web.present.admin.views import (
    AdapterView,
    AssignmentView,
    EventView,
    ExamplesView,
    JudgementView,
    VersionView,
)
from web.present.views import Tone, file_size, when

_STATES: Mapping[str, tuple[str, Tone]] = {
    "candidate": ("candidate", "warn"),
    "in_service": ("in service", "good"),
    "previous": ("previous", "quiet"),
    "retired": ("retired", "quiet"),
    "failed": ("failed", "bad"),
}
_LOADED = frozenset({"in_service", "previous"})
_ACTIONS = {
    "rolled_back": "Rolled back to",
    "unassigned": "Assignment removed",
    "assigned": "Assigned",
    "refused": "Refused",
}


def adapter_href(name: str) -> str:
    return f"/models/{quote(name, safe='')}"


def adapter_view(
    adapter: Adapter, assignments: Iterable[Assignment], names: Mapping[str, str], now: datetime
) -> AdapterView:
    """An adapter with its versions. `names` turns the id or address of a person into their name."""
    versions = tuple(version_view(version, names, now) for version in adapter.versions)
    by_number = {version.version: version for version in versions}
    serving, candidate = adapter.in_service, adapter.candidate
    shown = serving or adapter.versions[0]
    state, tone = _adapter_state(adapter)
    return AdapterView(
        name=adapter.name,
        href=adapter_href(adapter.name),
        state=state,
        tone=tone,
        versions=versions,
        shown=by_number[shown.version],
        in_service=by_number[serving.version] if serving else None,
        previous=by_number[adapter.previous.version] if adapter.previous else None,
        candidate=by_number[candidate.version] if candidate else None,
        refusal=refusal_of(candidate, serving),
        assigned=tuple(scope_words(a) for a in assignments if a.adapter == adapter.name),
    )


def _adapter_state(adapter: Adapter) -> tuple[str, Tone]:
    if adapter.in_service:
        return _STATES["in_service"]
    if adapter.candidate:
        return _STATES["candidate"]
    return _STATES.get(adapter.versions[0].state, (adapter.versions[0].state, "quiet"))


def refusal_of(candidate: AdapterVersion | None, serving: AdapterVersion | None) -> str | None:
    """Why a candidate cannot be published; nothing where it can, or where there is none."""
    if candidate is None:
        return None
    judgement = candidate.judgement
    if judgement is None:
        return "It has not been judged yet: only a version that was judged better goes into service."
    if not judgement.better:
        return f"It was not judged better than {judgement.against}, so it cannot go into service."
    if serving is not None and judgement.against != serving.served_name:
        against = judgement.against
        return f"It was judged against {against}, and {serving.served_name} answers now. Judge it again."
    return None


def version_view(version: AdapterVersion, names: Mapping[str, str], now: datetime) -> VersionView:
    state, tone = _STATES.get(version.state, (version.state, "quiet"))
    return VersionView(
        version=version.version,
        served_name=version.served_name,
        state=state,
        tone=tone,
        is_loaded=version.state in _LOADED,
        base_model=version.base_model,
        rank=version.rank,
        size=file_size(version.size_bytes),
        sha256=version.sha256,
        examples=version.examples,
        documents=version.documents,
        serves=serves_words(version),
        created=when(version.created_at, now),
        created_by=names.get(version.created_by, version.created_by),
        judgement=judgement_view(version.judgement, now) if version.judgement else None,
        problem=version.problem,
    )


def serves_words(version: AdapterVersion) -> str:
    """Whom a version answers: access travels with what it was made of."""
    if version.access is not None:
        return ", ".join(version.access) or "nobody"
    count = version.documents
    if count == 0:
        return "nobody: the documents it was made of are not known"
    return f"those who may read {'the document' if count == 1 else f'all {count} documents'} it was made of"


def judgement_view(judgement: Judgement, now: datetime) -> JudgementView:
    return JudgementView(
        verdict=f"better than {judgement.against}"
        if judgement.better
        else f"not better than {judgement.against}",
        tone="good" if judgement.better else "warn",
        percent=round(100 * judgement.score),
        against=judgement.against,
        against_percent=round(100 * judgement.against_score),
        questions=judgement.questions,
        reason=judgement.reason,
        judged=when(judgement.judged_at, now),
    )


def assignment_view(assignment: Assignment, adapters: Sequence[Adapter]) -> AssignmentView:
    """`works` is false where the adapter has no version in service, so that the base model answers."""
    named = next((a for a in adapters if a.name == assignment.adapter), None)
    return AssignmentView(
        id=assignment.id,
        scope=scope_words(assignment),
        adapter=assignment.adapter,
        adapter_href=adapter_href(assignment.adapter),
        works=named is not None and named.in_service is not None,
    )


def scope_words(assignment: Assignment) -> str:
    if assignment.scope == "team":
        return f"team {assignment.value}"
    if assignment.scope == "source_kind":
        return f"sources of kind {assignment.value}"
    return "everyone in the workspace"


def examples_view(counts: ExampleCounts) -> ExamplesView:
    """What training would learn from now, in words."""
    if counts.accepted + counts.premium == 0:
        return ExamplesView(
            "There is no example to train on yet. Answers that people mark as good become examples, and so do"
            " premium answers that nobody marked as wrong.",
            "",
            counts.dropped,
        )
    summary = (
        f"{_counted(counts.accepted, 'answer')} that people marked as good and"
        f" {_counted(counts.premium, 'premium answer')} can teach an adapter now:"
        f" {counts.training} to train on, {counts.held_out} kept back to judge by."
    )
    serves = (
        f"Made of {_counted(counts.documents, 'document')}, it could serve {counts.serves} of"
        f" {_counted(counts.people, 'person', 'people')}: those who may read all of them."
    )
    return ExamplesView(summary, serves, counts.dropped)


def event_view(event: AdapterEvent, names: Mapping[str, str], now: datetime) -> EventView:
    return EventView(
        at=when(event.at, now),
        by=names.get(event.by, event.by),
        action=_ACTIONS.get(event.action, event.action.replace("_", " ").capitalize()),
        version="" if event.version is None else f"version {event.version}",
        detail=event.detail,
    )


def commands_for(view: AdapterView) -> tuple[tuple[str, str], ...]:
    """What to type to train and to judge, each with what it is for."""
    name = shlex.quote(view.name)
    commands = [("Train a new version from what people accepted since", train_command(view.name))]
    if view.candidate is not None:
        judge = f"python -m app adapter judge {name}"
        commands.insert(0, (f"Judge version {view.candidate.version} on held-out questions", judge))
    return tuple(commands)


def train_command(name: str = "NAME") -> str:
    return f"python -m app adapter train {shlex.quote(name)} --base DIR"


def _counted(count: int, singular: str, plural: str = "") -> str:
    return f"{count} {singular if count == 1 else plural or singular + 's'}"
