"""What is said about adapters: plain values, and the seams between the rung that uses them and what manages
them.

An adapter has a name and versions. Each version is served under a name of its own (`support.v3`), so that a
question under way keeps the version it began with.
"""

from collections.abc import Callable, Sequence
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
    """One trained version. `documents` counts the documents its examples were made of.

    `access` is nothing for one trained here: it serves who may read all those documents. One that was brought
    from elsewhere serves the principals that were named when it was added.
    """

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
    access: tuple[str, ...] | None = None


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


@dataclass(frozen=True, slots=True)
class AdapterEvent:
    """Something that was done to an adapter; `version` is nothing where it was no single version."""

    at: datetime
    by: str
    action: str
    version: int | None
    detail: str


@dataclass(frozen=True, slots=True)
class ExampleFilters:
    """Which answers become examples. `since` is inclusive, by when the question was asked; `team` is the
    asker's. `only_everyone` leaves out what was made of any document that not everyone may read."""

    only_everyone: bool = False
    team: str | None = None
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class ExampleCounts:
    """The examples there are, and whom an adapter made of them could serve.

    `accepted` are answers marked good, `premium` answers of the premium model; together they are `training`
    and `held_out`. `documents` counts those the training examples were made of, `serves` the people, of
    `people`, who may read all of them now. `dropped` says how many answers were left out for which reason, in
    words.
    """

    accepted: int
    premium: int
    training: int
    held_out: int
    documents: int
    serves: int
    people: int
    dropped: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class TrainSettings:
    """How to train. `tokens` is the longest example; longer ones are left out."""

    rank: int = 8
    epochs: int = 3
    learning_rate: float = 2e-4
    batch: int = 8
    tokens: int = 4096
    seed: int = 7


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a long piece of work is: `stage` in words, `done` of `total`, and a note such as the loss."""

    stage: str
    done: int
    total: int
    note: str = ""


Report = Callable[[Progress], None]


def ignore_progress(_progress: Progress) -> None:
    """For callers that show none."""


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
