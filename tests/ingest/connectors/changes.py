"""What the tests of connectors say of changes."""

from collections.abc import Iterable, Mapping

from ingest.connector import Change, Checkpoint, Delete, Failure, Unchanged, Upsert
from ingest.document import SourceDocument


def nothing_known(_: str) -> str | None:
    return None


def upserts(changes: Iterable[Change]) -> Mapping[str, SourceDocument]:
    return {c.document.external_id: c.document for c in changes if isinstance(c, Upsert)}


def failures(changes: Iterable[Change]) -> Mapping[str, str]:
    return {c.external_id: c.code for c in changes if isinstance(c, Failure)}


def unchanged(changes: Iterable[Change]) -> set[str]:
    return {c.external_id for c in changes if isinstance(c, Unchanged)}


def deletes(changes: Iterable[Change]) -> set[str]:
    return {c.external_id for c in changes if isinstance(c, Delete)}


def end_of(changes: list[Change]) -> str:
    """The state that the next pass begins with."""
    assert isinstance(changes[-1], Checkpoint) and changes[-1].last
    return changes[-1].state
