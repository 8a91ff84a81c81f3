"""A source that does what a test tells it to: the same seam as every connector, nothing behind it."""

import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from types import ModuleType
from typing import ClassVar

import pytest
from pydantic import Field, SecretStr

from app.core.identity import EVERYONE, AccessList
from ingest import connectors
from ingest.connector import (
    About,
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

ALL = frozenset({EVERYONE})


class ScriptSettings(ConnectorSettings):
    secret: SecretStr = Field(SecretStr(""), title="Secret", description="Shown to nobody.")


@dataclass
class Item:
    """One document at the source. `breaks` is the code with which it cannot be read."""

    text: str
    revision: str = "1"
    access: AccessList = ALL
    moved_from: str | None = None
    breaks: str = ""


@dataclass
class Script:
    """What the source holds and does.

    `before_item` is called with the number of each item before it is handed over; `pulling` and `listing`
    take the place of what the items would give.
    """

    items: dict[str, Item] = field(default_factory=dict)
    before_item: Callable[[int], None] = lambda _: None
    pulling: Callable[[str], Iterable[Change]] | None = None
    listing: Callable[[], Iterable[str]] | None = None
    every: int = 5
    cursor: str = ""
    opened: list[ReadContext] = field(default_factory=list)
    settings: list[ScriptSettings] = field(default_factory=list)
    fetched: list[str] = field(default_factory=list)
    pulled: int = 0

    def write(self, *names: str, text: str = "", revision: str = "1") -> None:
        for name in names:
            self.items[name] = Item(text or f"# {name}\n\nText of {name}.", revision)


class ScriptConnector:
    """Reads a `Script`."""

    kind: ClassVar[str] = "script"
    about: ClassVar[About] = About("Script", "For tests.", "Nothing.", tells_access=True)
    settings_type: ClassVar[type[ConnectorSettings]] = ScriptSettings
    lists_quickly: ClassVar[bool] = False
    script: ClassVar[Script]

    def __init__(self, settings: ScriptSettings, context: ReadContext) -> None:
        self.script.opened.append(context)
        self.script.settings.append(settings)

    def check(self) -> Check:
        return Check(True, "It answers.")

    def estimate(self) -> Estimate:
        return Estimate(len(self.script.items))

    def pull(self, checkpoint: str, known: KnownRevision) -> Iterator[Change]:
        script = self.script
        script.pulled += 1
        if script.pulling is not None:
            yield from script.pulling(checkpoint)
            return
        for number, name in enumerate(sorted(script.items)):
            if checkpoint.startswith("item ") and number <= int(checkpoint[5:]):
                continue
            script.before_item(number)
            yield self._change(name, known)
            if number % script.every == script.every - 1:
                yield Checkpoint(f"item {number}")
        yield Checkpoint(script.cursor, last=True)

    def fetch(self, external_id: str) -> Upsert | Delete | Failure:
        self.script.fetched.append(external_id)
        if external_id not in self.script.items:
            return Delete(external_id)
        found = self._change(external_id, lambda _: None)
        assert isinstance(found, Upsert | Failure)
        return found

    def list_ids(self) -> Iterator[str]:
        script = self.script
        yield from script.listing() if script.listing is not None else sorted(script.items)

    def close(self) -> None:
        return

    def _change(self, name: str, known: KnownRevision) -> Upsert | Unchanged | Failure:
        item = self.script.items[name]
        if item.breaks:
            return Failure(name, item.breaks, "It cannot be read; mend it there.", item.access)
        if known(name) == item.revision:
            return Unchanged(name, item.access)
        return Upsert(
            SourceDocument(
                name,
                f"{name.rpartition('/')[2]}.md",
                item.text.encode(),
                item.revision,
                item.access,
                moved_from=item.moved_from,
            )
        )


def register(patch: pytest.MonkeyPatch) -> Script:
    """Makes the kind `script` known, as if it lay among the connectors."""
    module = ModuleType("ingest.connectors.script")
    kind = type("ScriptConnector", (ScriptConnector,), {"script": Script()})
    module.ScriptConnector = kind  # type: ignore[attr-defined]
    patch.setitem(sys.modules, "ingest.connectors.script", module)
    patch.setattr(connectors, "CONNECTORS", {**connectors.CONNECTORS, "script": "script:ScriptConnector"})
    found: Script = kind.script  # type: ignore[attr-defined]
    return found
