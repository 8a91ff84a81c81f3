"""The seam to the outside: what a connector is and what it yields.

Upsert          a document is new or may have changed
Unchanged       a document whose revision is the one we hold (nothing was read)
Delete          the source says that it is gone
AccessChange    its access list changed, its content did not
Failure         one document could not be read; the run goes on
Checkpoint      everything before this is handed over; a run that dies resumes here
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Protocol

from pydantic import BaseModel, ConfigDict
from pydantic_core import PydanticCustomError

from app.core.identity import AccessList
from ingest.document import SourceDocument
from ingest.remote import RemoteCalls


@dataclass(frozen=True, slots=True)
class Upsert:
    document: SourceDocument


@dataclass(frozen=True, slots=True)
class Unchanged:
    external_id: str
    access: AccessList


@dataclass(frozen=True, slots=True)
class Delete:
    external_id: str


@dataclass(frozen=True, slots=True)
class AccessChange:
    external_id: str
    access: AccessList


@dataclass(frozen=True, slots=True)
class Failure:
    """`code` is stable (`too_large`, `vanished`, …); `reason` tells the admin what to do.

    An earlier version that Rung holds is kept, but nobody reads it whom `access` does not name too; `None`
    means that the source said nothing new about access. `whole_folder` is for a group of items that cannot
    even be listed: it counts for every item whose id begins with this one and a slash.
    """

    external_id: str
    code: str
    reason: str
    access: AccessList | None = None
    whole_folder: bool = False


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Opaque resume state, as text. An empty one means the beginning.

    `last` ends a pass; its state is where the next pass begins: the source's own cursor (a commit, the
    highest id), or nothing where each pass goes over everything and compares.
    """

    state: str
    last: bool = False


Change = Upsert | Unchanged | Delete | AccessChange | Failure | Checkpoint

KnownRevision = Callable[[str], str | None]
"""Tells the revision that Rung holds of an external id, so that a connector can skip the reading."""


class ConnectorSettings(BaseModel):
    """What an admin fills in, one field each: `title` is its label, `description` the help beside it.

    A `SecretStr` is a credential: it is kept encrypted apart from the source, and never shown again. The form
    is made from the types: text, secret, number, yes or no, a `Literal` as a choice, a `Path`, a tuple of
    texts as lines. `json_schema_extra={"advanced": True}` puts a field below a fold, `"placeholder"` shows an
    example, and `"where"` marks what says where, how or as whom secrets are sent (address, port, encryption,
    user name, …): when such a field changes, the secrets have to be set again.
    """

    # An error must not repeat what was written: it may be a secret.
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


def wrong_field(name: str, text: str) -> PydanticCustomError:
    """For a rule about several settings: raised by a validator of the whole, shown beside that field."""
    return PydanticCustomError("wrong_field", "{text}", {"field": name, "text": text})


@dataclass(frozen=True, slots=True)
class About:
    """What an admin is told of a kind of connector before choosing it.

    `tells_access` is whether the source itself says who may read what; `needs` is what to have at hand.
    """

    title: str
    summary: str
    needs: str
    tells_access: bool


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a check looked at. `remedy` says what to do where it is not as it should be."""

    ok: bool
    what: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """Whether the source can be read, and what to do if not.

    `findings` tell in order what was tried: reaching it, signing in, what may be read, which right is
    missing and how to grant it.
    """

    ok: bool
    message: str
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class Estimate:
    """How much there is to read, told before the first run. `at_least` where the counting was cut short."""

    documents: int
    size_bytes: int | None = None
    at_least: bool = False


def never() -> bool:
    """For a reading that nobody stops."""
    return False


@dataclass(frozen=True, slots=True)
class ReadContext:
    """What every connector is told besides its own settings.

    `default_access` counts where the source says nothing about access; a larger file than
    `max_file_bytes` is a `Failure` and not read. `scratch` is a private folder that stays between runs (a
    clone, a cache); it may vanish at any time. Calls to another machine go through `calls`, which keeps to
    its pace and tries again. A long wait of the connector's own asks `stopping` now and then.
    """

    default_access: AccessList
    max_file_bytes: int
    scratch: Path | None = None
    calls: RemoteCalls = field(default_factory=RemoteCalls)
    stopping: Callable[[], bool] = never


SKIPPED_CODES = frozenset({"unsupported_format", "not_a_file"})
"""Failures that are no fault: such an item is passed over, and counted apart."""


class Connector(Protocol):
    """Code for one kind of system. Made from its settings and a `ReadContext`, it reads and never writes."""

    kind: ClassVar[str]
    about: ClassVar[About]
    settings_type: ClassVar[type[ConnectorSettings]]
    lists_quickly: ClassVar[bool]
    """Whether `list_ids` costs so little that it may also be asked for a progress bar."""

    def check(self) -> Check:
        """Whether the source can be reached, signed in to and read, without reading it all."""
        ...

    def estimate(self) -> Estimate:
        """How much there is, counted within some seconds.

        Raises:
            UnavailableError: the source does not answer.
        """
        ...

    def pull(self, checkpoint: str, known: KnownRevision) -> Iterator[Change]:
        """Everything after the checkpoint, always in the same order, ending with a `Checkpoint` that is last.

        One item that cannot be read is a `Failure`, never an exception; an exception means that the
        source itself cannot be reached.

        Raises:
            UnavailableError: the source cannot be read now; `SourceWaitError` where it says for how long.
            InputError: it refuses these settings (`sign_in_failed`, `permission_missing`, …).
        """
        ...

    def fetch(self, external_id: str) -> Upsert | Delete | Failure:
        """One document again, so that a failure can be tried alone. Raises as `pull` does."""
        ...

    def list_ids(self) -> Iterator[str]:
        """The ids of all items at the source now, readable or not: what is missing here is pruned.

        Raises:
            UnavailableError: when it cannot be told what is there; nothing is pruned then.
        """
        ...

    def close(self) -> None:
        """Gives connections back. Called once, also after a failure."""
        ...
