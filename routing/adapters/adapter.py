"""What is said about adapters: plain values, and the seams between the rung that uses them and what manages
them.

An adapter has a name and versions. Each version is served under a name of its own (`support.v3`), so that a
question under way keeps the version it began with.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from app.core.identity import Caller
from retrieval.passage import Passage

VersionState = Literal["candidate", "in_service", "previous", "retired", "failed"]
"""`candidate`: trained, not published. `in_service`: answers now. `previous`: kept for going back.
`retired`: no longer used. `failed`: could not be trained or loaded; `problem` says why."""

Scope = Literal["workspace", "team", "source_kind"]
"""What an assignment goes by. A team's comes before a source kind's, that before the workspace's."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """How a version did on held-out questions, beside the version in service (or the bare base model).

    Scores are means between 0 and 1 over the same questions. `better` is the verdict that publishing asks
    for.
    """

    judged_at: datetime
    questions: int
    score: float
    against: str
    against_score: float
    better: bool
    reason: str


@dataclass(frozen=True, slots=True)
class AdapterVersion:
    """One trained version. `documents` counts the documents its examples were made of."""

    adapter: str
    version: int
    served_name: str
    state: VersionState
    base_model: str
    rank: int
    size_bytes: int
    sha256: str
    examples: int
    documents: int
    created_at: datetime
    created_by: str
    judgement: Judgement | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Adapter:
    """An adapter with its versions, newest first."""

    name: str
    versions: tuple[AdapterVersion, ...]

    @property
    def in_service(self) -> AdapterVersion | None:
        return next((v for v in self.versions if v.state == "in_service"), None)

    @property
    def previous(self) -> AdapterVersion | None:
        return next((v for v in self.versions if v.state == "previous"), None)

    @property
    def candidate(self) -> AdapterVersion | None:
        return next((v for v in self.versions if v.state == "candidate"), None)


@dataclass(frozen=True, slots=True)
class Assignment:
    """Questions of this scope are answered with this adapter. `value` is a team or a source kind; empty for
    the workspace."""

    id: str
    scope: Scope
    value: str
    adapter: str


@dataclass(frozen=True, slots=True)
class AdapterChoice:
    """The adapter for one question: the name it is served under, and why it was chosen, in words."""

    served_name: str
    reason: str


@dataclass(frozen=True, slots=True)
class ServerState:
    """The chat server that carries the adapters: reachable or not, its base model, what is loaded."""

    url: str | None
    reachable: bool
    base_model: str | None
    loaded: tuple[str, ...]
    problem: str = ""


class AdapterChooser(Protocol):
    """What the local rung asks for each question."""

    def choose(self, caller: Caller, passages: Sequence[Passage]) -> AdapterChoice | None:
        """The adapter that fits; nothing when none does, or none that fits may serve this caller: an
        adapter made of documents serves only people who may read all of them now."""
        ...

    def restore(self, served_name: str) -> bool:
        """Called when the server does not know a name it should: loads it again. Says whether it is there
        now."""
        ...


class NoAdapters:
    """No adapters at all: the base model answers."""

    def choose(self, caller: Caller, passages: Sequence[Passage]) -> AdapterChoice | None:  # noqa: ARG002
        return None

    def restore(self, served_name: str) -> bool:  # noqa: ARG002
        return False
