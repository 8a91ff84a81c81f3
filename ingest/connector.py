"""The seam to the outside: what a connector is and what it yields.

Upsert          a document is new or may have changed
Unchanged       a document whose revision is the one we hold (nothing was read)
Delete          the source says that it is gone
AccessChange    its access list changed, its content did not
Failure         one document could not be read; the run goes on
Checkpoint      everything before this is handed over; a run that dies resumes here
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import ClassVar, Protocol

from pydantic import BaseModel

from app.core.identity import AccessList
from ingest.document import SourceDocument


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
    """Opaque resume state, as text. An empty one means the beginning."""

    state: str


Change = Upsert | Unchanged | Delete | AccessChange | Failure | Checkpoint

KnownRevision = Callable[[str], str | None]
"""Tells the revision that Rung holds of an external id, so that a connector can skip the reading."""


@dataclass(frozen=True, slots=True)
class Check:
    """Whether the source can be read, and what to do if not."""

    ok: bool
    message: str


@dataclass(frozen=True, slots=True)
class ReadContext:
    """What every connector is told besides its own settings.

    `default_access` counts where the source says nothing about access; a larger file than
    `max_file_bytes` is a `Failure` and not read.
    """

    default_access: AccessList
    max_file_bytes: int


SKIPPED_CODES = frozenset({"unsupported_format", "not_a_file"})
"""Failures that are no fault: such an item is passed over, and counted apart."""


class Connector(Protocol):
    """Code for one kind of system. Made from its settings and a `ReadContext`, it reads and never writes."""

    kind: ClassVar[str]
    settings_type: ClassVar[type[BaseModel]]
    lists_quickly: ClassVar[bool]
    """Whether `list_ids` costs so little that it may also be asked for a progress bar."""

    def check(self) -> Check:
        """Whether the source can be reached and read, without reading it all."""
        ...

    def pull(self, checkpoint: str, known: KnownRevision) -> Iterator[Change]:
        """Everything after the checkpoint, always in the same order, ending with a Checkpoint.

        One item that cannot be read is a `Failure`, never an exception; an exception means that the
        source itself cannot be reached.
        """
        ...

    def list_ids(self) -> Iterator[str]:
        """The ids of all items at the source now, readable or not: what is missing here is pruned.

        Raises:
            UnavailableError: when it cannot be told what is there; nothing is pruned then.
        """
        ...
