"""Which adapter answers a question: by team, then by kind of source, then the workspace's.

Everything is read anew for each question, so that an admin's change and a change of access count at once.
Only what can never change is kept: the documents that a version was made of.
"""

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from functools import lru_cache
from typing import Protocol

from app.core.errors import InputError
from app.core.identity import Caller, may_read, parse_access
from retrieval.passage import Passage
from routing.adapters.adapter import AdapterChoice, Assignment
from routing.adapters.store import Store
from routing.adapters.tables import AdapterVersionRow

_TOP_PASSAGES = 5

KindOf = Callable[[str, str], str | None]
"""The kind of a source, by workspace and name; nothing for one that is gone."""


class MayReadAll(Protocol):
    """Whether a caller may read every one of these documents now; false where one is gone."""

    def __call__(self, caller: Caller, document_ids: Collection[str]) -> bool: ...


class Chooser:
    """Chooses for each question."""

    def __init__(self, store: Store, may_read_all: MayReadAll, kind_of: KindOf) -> None:
        self._store = store
        self._may_read_all = may_read_all
        self._kind_of = kind_of
        self._documents = lru_cache(maxsize=64)(store.documents)

    def choose(self, caller: Caller, passages: Sequence[Passage]) -> AdapterChoice | None:
        """The first assigned adapter that fits and may serve the caller."""
        serving = self._store.serving(caller.workspace_id)
        kind = None
        if any(assignment.scope == "source_kind" for assignment, _ in serving):
            kind = self._kind(caller.workspace_id, passages)
        for assignment, version in serving:
            reason = _fits(assignment, caller, kind)
            if reason is not None and self.may_serve(caller, version):
                return AdapterChoice(version.served_name, reason)
        return None

    def may_serve(self, caller: Caller, version: AdapterVersionRow) -> bool:
        """Whether the caller may be answered with this version: what it learned from is theirs to read."""
        if version.workspace_id != caller.workspace_id:
            return False
        if version.access is not None:
            try:
                return may_read(parse_access(version.access), caller.principals)
            except (InputError, AttributeError):
                return False
        documents = self._documents(version.id)
        return len(documents) == version.documents and self._may_read_all(caller, documents)

    def _kind(self, workspace_id: str, passages: Sequence[Passage]) -> str | None:
        """The kind of source that most of the top passages come from; of several, the best passage's."""
        kinds = [self._kind_of(workspace_id, passage.source) for passage in passages[:_TOP_PASSAGES]]
        counted = Counter(kind for kind in kinds if kind is not None)
        return counted.most_common(1)[0][0] if counted else None


def _fits(assignment: Assignment, caller: Caller, kind: str | None) -> str | None:
    """Why a question goes to this assignment's adapter; nothing when it does not."""
    if assignment.scope == "team":
        return f"chosen for team {caller.team}" if assignment.value == caller.team else None
    if assignment.scope == "source_kind":
        return f"chosen for sources of kind {kind}" if assignment.value == kind else None
    return "chosen for the whole workspace"
