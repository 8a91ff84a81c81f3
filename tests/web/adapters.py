"""Adapters that exist in memory alone, behind the interface of the real ones, for tests of the pages."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from app.core.errors import ConflictError, ForbiddenError, InputError, NotFoundError, RungError
from app.core.identity import Caller
from routing.adapters.adapter import (
    Adapter,
    AdapterEvent,
    AdapterVersion,
    Assignment,
    ExampleCounts,
    ExampleFilters,
    Judgement,
    Scope,
    ServerState,
    VersionState,
)
from routing.adapters.registry import ALL_EXAMPLES, Adapters

MOMENT = datetime(2026, 3, 4, 9, tzinfo=UTC)
NO_SERVER = ServerState(None, False, None, ())
NO_EXAMPLES = ExampleCounts(0, 0, 0, 0, 0, 0, 3)


def judged(
    score: float, against_score: float, against: str = "the base model", questions: int = 64
) -> Judgement:
    better = score > against_score
    reason = "The gain is not explained by chance." if better else "The difference may be chance."
    return Judgement(MOMENT, questions, score, against, against_score, better, reason)


def version(
    name: str, number: int, state: VersionState, judgement: Judgement | None = None, **changes: object
) -> AdapterVersion:
    made = AdapterVersion(
        adapter=name,
        version=number,
        served_name=f"{name}.v{number}",
        state=state,
        base_model="Qwen/Qwen3-4B-Instruct",
        rank=8,
        size_bytes=12_400_000,
        sha256="5c0f" * 16,
        examples=240,
        documents=36,
        created_at=MOMENT,
        created_by="ana@example.com",
        judgement=judgement,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


@dataclass
class ScriptedAdapters(Adapters):
    """Holds what a test put in; an act changes it as the real one would. `error` makes every act fail."""

    versions: list[AdapterVersion] = field(default_factory=list)
    given: list[Assignment] = field(default_factory=list)
    events: list[AdapterEvent] = field(default_factory=list)
    counts: ExampleCounts = NO_EXAMPLES
    state: ServerState = NO_SERVER
    error: RungError | None = None

    def list(self, workspace_id: str) -> tuple[Adapter, ...]:
        names = sorted({found.adapter for found in self.versions})
        return tuple(self._named(name) for name in names)

    def get(self, workspace_id: str, name: str) -> Adapter:
        if not any(found.adapter == name for found in self.versions):
            raise NotFoundError(f"There is no adapter {name!r}.", code="no_such_adapter")
        return self._named(name)

    def history(self, workspace_id: str, name: str) -> tuple[AdapterEvent, ...]:
        self.get(workspace_id, name)
        return tuple(reversed(self.events))

    def assignments(self, workspace_id: str) -> tuple[Assignment, ...]:
        return tuple(self.given)

    def assign(self, caller: Caller, scope: Scope, value: str, adapter: str) -> Assignment:
        self._begin(caller)
        self.get(caller.workspace_id, adapter)
        if scope != "workspace" and not value:
            raise InputError("Say which team or source kind.", code="no_scope_value")
        self.given = [found for found in self.given if (found.scope, found.value) != (scope, value)]
        self.given.append(Assignment(f"a{len(self.given) + 1}", scope, value, adapter))
        return self.given[-1]

    def unassign(self, caller: Caller, assignment_id: str) -> None:
        self._begin(caller)
        if all(found.id != assignment_id for found in self.given):
            raise NotFoundError("There is no such assignment.", code="no_such_assignment")
        self.given = [found for found in self.given if found.id != assignment_id]

    def example_counts(
        self,
        workspace_id: str,
        filters: ExampleFilters = ALL_EXAMPLES,
    ) -> ExampleCounts:
        return self.counts

    def server(self) -> ServerState:
        return self.state

    def publish(self, caller: Caller, name: str, version: int | None = None) -> AdapterVersion:
        self._begin(caller)
        adapter = self.get(caller.workspace_id, name)
        chosen = adapter.candidate if version is None else self._version(name, version)
        if chosen is None or chosen.judgement is None or not chosen.judgement.better:
            raise ConflictError("This version was not judged better.", code="not_better")
        return self._switch(caller, adapter, chosen, "publish")

    def roll_back(self, caller: Caller, name: str) -> AdapterVersion:
        self._begin(caller)
        adapter = self.get(caller.workspace_id, name)
        if adapter.previous is None:
            raise ConflictError("There is no previous version.", code="no_previous")
        return self._switch(caller, adapter, adapter.previous, "roll_back")

    def retire(
        self, caller: Caller, name: str, version: int | None = None, *, in_service: bool = False
    ) -> AdapterVersion:
        self._begin(caller)
        self.get(caller.workspace_id, name)
        live: Sequence[AdapterVersion] = [v for v in self._named(name).versions if v.state != "retired"]
        chosen = self._version(name, version if version is not None else live[0].version)
        if chosen.state == "in_service" and not in_service:
            raise ConflictError("This version answers now.", code="in_service")
        return self._set(caller, chosen, "retired", "retire")

    def _begin(self, caller: Caller) -> None:
        if not caller.is_admin:
            raise ForbiddenError("Only an admin may do this.", code="admin_only")
        if self.error is not None:
            raise self.error

    def _switch(
        self, caller: Caller, adapter: Adapter, chosen: AdapterVersion, action: str
    ) -> AdapterVersion:
        before = adapter.in_service
        for old in adapter.versions:
            if old.state == "previous":
                self._replace(replace(old, state="retired"))
        if before is not None:
            self._replace(replace(before, state="previous"))
        return self._set(caller, chosen, "in_service", action)

    def _set(
        self, caller: Caller, chosen: AdapterVersion, state: VersionState, action: str
    ) -> AdapterVersion:
        changed = replace(chosen, state=state)
        self._replace(changed)
        self.events.append(AdapterEvent(MOMENT, caller.email, action, chosen.version, ""))
        return changed

    def _replace(self, changed: AdapterVersion) -> None:
        key = (changed.adapter, changed.version)
        self.versions = [changed if (v.adapter, v.version) == key else v for v in self.versions]

    def _version(self, name: str, number: int) -> AdapterVersion:
        for found in self._named(name).versions:
            if found.version == number:
                return found
        raise NotFoundError(f"{name} has no version {number}.", code="no_such_version")

    def _named(self, name: str) -> Adapter:
        own = [found for found in self.versions if found.adapter == name]
        return Adapter(name, tuple(sorted(own, key=lambda v: -v.version)))


def busy_adapters() -> ScriptedAdapters:
    """A company that has used adapters for a while, with names as long as people make them."""
    long = "customer-support-and-field-service-spain-portugal-night-shift"
    return ScriptedAdapters(
        versions=[
            version("support", 1, "previous", judged(0.58, 0.44)),
            version("support", 2, "in_service", judged(0.66, 0.58, "support.v1")),
            version("support", 3, "candidate", judged(0.71, 0.66, "support.v2", 120), examples=310),
            version(long, 1, "candidate", judged(0.41, 0.44)),
            version("legal", 1, "failed", problem="The base model has another width: 2048, not 2560."),
            version("finance", 1, "candidate", access=("group:finance",), documents=0),
        ],
        given=[
            Assignment("a1", "team", "engineering", "support"),
            Assignment("a2", "workspace", "", "finance"),
        ],
        events=[
            AdapterEvent(MOMENT, "ana@example.com", "train", 2, "240 examples of 36 documents"),
            AdapterEvent(MOMENT, "operator", "publish", 2, "took the place of version 1"),
        ],
        counts=ExampleCounts(238, 41, 223, 56, 36, 2, 3, (("marked as wrong", 12), ("question erased", 3))),
        state=ServerState(
            "http://127.0.0.1:8001/v1", True, "Qwen/Qwen3-4B-Instruct", ("support.v1", "support.v2")
        ),
    )
