"""A source that remembers who could ever read which word of it, read with a cursor or without one."""

import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from types import ModuleType
from typing import ClassVar

import pytest

from app.core.identity import AccessList
from ingest import connectors
from ingest.connector import (
    About,
    AccessChange,
    Change,
    Check,
    Checkpoint,
    ConnectorSettings,
    Delete,
    Estimate,
    Failure,
    KnownRevision,
    ReadContext,
    Unchanged,
    Upsert,
)
from ingest.document import SourceDocument

_CHECKPOINT_EVERY = 2


@dataclass(frozen=True)
class Item:
    """`parts` are numbers: the same one, the same words. `earlier` are the ids that it had, newest first."""

    parts: tuple[int, ...]
    access: AccessList
    revision: int
    readable: bool = True
    earlier: tuple[str, ...] = ()


@dataclass
class Source:
    """What is at the source. Each change that it would tell of is an event, by the item's id.

    `moment` is called whenever the connector is about to hand something over or to list.
    """

    has_cursor: bool
    tells_moves: bool
    tells_access_of_failures: bool
    items: dict[str, Item] = field(default_factory=dict)
    events: list[tuple[str, bool]] = field(default_factory=list)
    readers: defaultdict[int, set[str]] = field(default_factory=lambda: defaultdict(set))
    moment: Callable[[], None] = lambda: None
    _revision: int = 0

    def put(self, name: str, parts: Sequence[int], access: AccessList) -> None:
        """Adds an item, or gives one other parts and readers."""
        self._revision += 1
        old = self.items.get(name)
        earlier = old.earlier if old else ()
        self._set(name, Item(tuple(parts), access, self._revision, earlier=earlier))

    def change_access(self, name: str, access: AccessList) -> None:
        self._set(name, replace(self.items[name], access=access), access_alone=True)

    def move(self, old: str, new: str) -> None:
        item = self.items.pop(old)
        self.events.append((old, False))
        self._set(new, replace(item, earlier=(old, *item.earlier)))

    def remove(self, name: str) -> None:
        del self.items[name]
        self.events.append((name, False))

    def set_readable(self, name: str, readable: bool) -> None:
        """A right of the connector's account, which is no event."""
        self.items[name] = replace(self.items[name], readable=readable)

    def _set(self, name: str, item: Item, *, access_alone: bool = False) -> None:
        self.items[name] = item
        self.events.append((name, access_alone))
        for part in item.parts:
            self.readers[part] |= {str(principal) for principal in item.access}


class NoSettings(ConnectorSettings):
    pass


class EventsConnector:
    """Reads a `Source`."""

    kind: ClassVar[str] = "events"
    about: ClassVar[About] = About("Events", "For tests.", "Nothing.", tells_access=True)
    settings_type: ClassVar[type[ConnectorSettings]] = NoSettings
    lists_quickly: ClassVar[bool] = False
    source: ClassVar[Source]

    def __init__(self, settings: NoSettings, context: ReadContext) -> None: ...

    def check(self) -> Check:
        return Check(True, "It answers.")

    def estimate(self) -> Estimate:
        return Estimate(len(self.source.items))

    def pull(self, checkpoint: str, known: KnownRevision) -> Iterator[Change]:
        for change in self._changes(checkpoint, known):
            self.source.moment()
            yield change

    def _changes(self, checkpoint: str, known: KnownRevision) -> Iterator[Change]:
        source = self.source
        kind, _, rest = checkpoint.partition(" ")
        if kind == "events":
            end = len(source.events)
            for number in range(int(rest), end):
                yield self._event(*source.events[number], known)
                if (number + 1 - int(rest)) % _CHECKPOINT_EVERY == 0:
                    yield Checkpoint(f"events {number + 1}")
        else:
            start, _, after = rest.partition(" ") if kind == "all" else (str(len(source.events)), "", "")
            end = int(start)
            for number, name in enumerate(sorted(source.items), start=1):
                if name > after and name in source.items:
                    yield self._item(name, known)
                    if number % _CHECKPOINT_EVERY == 0:
                        yield Checkpoint(f"all {start} {name}")
        yield Checkpoint(f"events {end}" if source.has_cursor else "", last=True)

    def _event(self, name: str, access_alone: bool, known: KnownRevision) -> Change:
        item = self.source.items.get(name)
        if item is None:
            return Delete(name)
        if access_alone and known(name) == str(item.revision):
            return AccessChange(name, item.access)
        return self._item(name, known)

    def _item(self, name: str, known: KnownRevision) -> Change:
        item, source = self.source.items[name], self.source
        if not item.readable:
            access = item.access if source.tells_access_of_failures else None
            return Failure(name, "permission_denied", "The account may not read it.", access)
        held = known(name)
        if held == str(item.revision):
            return Unchanged(name, item.access)
        moved_from = None
        if source.tells_moves and held is None:
            gone = (old for old in item.earlier if old not in source.items and known(old) is not None)
            moved_from = next(gone, None)
        return Upsert(
            SourceDocument(
                external_id=name,
                file_name=f"{name}.md",
                content=text_of(item.parts).encode(),
                revision=str(item.revision),
                access=item.access,
                title="Title",
                moved_from=moved_from,
            )
        )

    def fetch(self, external_id: str) -> Upsert | Delete | Failure:
        self.source.moment()
        if external_id not in self.source.items:
            return Delete(external_id)
        found = self._item(external_id, lambda _: None)
        assert isinstance(found, Upsert | Failure)
        return found

    def list_ids(self) -> Iterator[str]:
        self.source.moment()
        yield from sorted(self.source.items)

    def close(self) -> None: ...


def text_of(parts: Sequence[int]) -> str:
    """Each part is a section with its own word; about as many tokens as one chunk may have."""
    return "\n\n".join(f"## Section {part}\n\n" + f"word{part} " * 24 for part in parts)


def register(patch: pytest.MonkeyPatch, source: Source) -> None:
    """Makes the kind `events` known, as if it lay among the connectors."""
    module = ModuleType("ingest.connectors.events")
    module.EventsConnector = type("Connector", (EventsConnector,), {"source": source})  # type: ignore[attr-defined]
    patch.setitem(sys.modules, "ingest.connectors.events", module)
    patch.setattr(connectors, "CONNECTORS", {**connectors.CONNECTORS, "events": "events:EventsConnector"})
