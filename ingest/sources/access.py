"""Who may see what is held of a source, when an admin changes it.

What is taken away counts at the next query: the lists of existing documents are rewritten in the index and
then in the database, and nothing is embedded. What the source itself says has to be read again, so a pass
over everything is wanted then:

to or within `fixed`   every document gets the one list at once
within `source`        documents that have the old default list lose whom the new one does not name, at once;
                       the pass gives the rest
`fixed` to `source`    the lists stay until the pass has read what the source says
"""

from collections.abc import Iterator, Mapping, Sequence

from sqlalchemy import update
from sqlmodel import col, select

from app.core.audit import AuditLog
from app.core.clock import Clock
from app.core.db import Database
from app.core.errors import InputError
from app.core.identity import AccessList
from ingest.connector import About
from ingest.sources.alone import alone_with
from ingest.sources.values import AccessChoice
from ingest.sync.control import SyncControl
from ingest.sync.records.claims import is_held
from ingest.sync.records.runs import find_source
from ingest.sync.writing.holdings import stored_access
from ingest.sync.writing.store import stored
from ingest.tables import DocumentRow, SourceRow
from retrieval.index import Index

_AT_ONCE = 500
WAIT_FOR_RUN_SECONDS = 30.0
"""How long a run that was asked to stop has for it."""


def checked_access(choice: AccessChoice, about: About, groups: set[str], before: AccessList) -> None:
    """Refuses a choice that makes no sense.

    Args:
        groups: the groups of the directory.
        before: whom the source named until now; they may stay.

    Raises:
        InputError: `access_not_told`, `nobody_chosen`, `unknown_group`.
    """
    if choice.mode == "source" and not about.tells_access:
        raise InputError(
            "This kind of source does not say who may see what; choose everyone or groups.",
            code="access_not_told",
        )
    if choice.mode == "fixed" and not choice.default:
        raise InputError("Choose at least one group, or everyone.", code="nobody_chosen")
    unknown = sorted(
        who.name for who in choice.default - before if who.kind == "group" and who.name not in groups
    )
    if unknown:
        raise InputError(
            f"Nobody is in the group {', '.join(unknown)}. Choose one of the groups that people are in: "
            f"{', '.join(sorted(groups)) or 'there is none yet'}.",
            code="unknown_group",
        )


class AccessWriter:
    """Changes who may see a source and what is held of it."""

    def __init__(
        self, database: Database, index: Index, audit: AuditLog, syncs: SyncControl, clock: Clock
    ) -> None:
        self._database = database
        self._index = index
        self._audit = audit
        self._syncs = syncs
        self._clock = clock

    def change(self, name: str, choice: AccessChoice, *, actor: str, workspace_id: str) -> int:
        """Stores the choice and rewrites the lists that it changes; tells how many.

        A run under way is asked to pause, and goes on afterwards with the new choice.

        Raises:
            ConflictError: `sync_running` when the run does not stop in time.
        """
        with self._database.read() as session:
            row = find_source(session, workspace_id, name)
        runs = is_held(row, self._clock()) and row.state == "active"
        if runs:
            self._syncs.pause(name, actor=actor, workspace_id=workspace_id)
        try:
            with alone_with(
                self._database, self._clock, workspace_id, name, wait_seconds=WAIT_FOR_RUN_SECONDS
            ) as source:
                mode, before = source.access_mode, stored_access(source.default_access)
                if (mode, before) == (choice.mode, choice.default):
                    return 0
                needs_pass = choice.mode == "source" and source.state != "draft"
                self._store(source, choice, actor=actor)
                changed = self._rewrite(source, choice, mode, before)
        finally:
            if runs:
                self._syncs.resume(name, actor=actor, workspace_id=workspace_id)
        if needs_pass and source.state == "active":
            self._syncs.start(name, actor=actor, whole=True, workspace_id=workspace_id)
        return changed

    def _store(self, source: SourceRow, choice: AccessChoice, *, actor: str) -> None:
        """The choice first: should this process die now, the next pass still brings it."""
        with self._database.write() as session:
            row = session.get_one(SourceRow, source.id)
            row.access_mode, row.default_access, row.cursor = choice.mode, stored(choice.default), ""
            session.add(row)
            details = {"mode": choice.mode, "default": ", ".join(stored(choice.default)) or "nobody"}
            self._audit.record(
                actor,
                "source.access",
                "source",
                row.name,
                details,
                workspace_id=row.workspace_id,
                session=session,
            )

    def _rewrite(self, source: SourceRow, choice: AccessChoice, mode: str, before: AccessList) -> int:
        changed = 0
        for part in self._documents(source.id):
            new = {
                document_id: access
                for document_id, held in part
                if (access := _new_access(held, choice, mode, before)) != held
            }
            if new:
                self._index.set_access(source.workspace_id, new)
                self._write(new)
                # Again: an index that is being made beside took the old lists from the rows until now.
                self._index.set_access(source.workspace_id, new)
                changed += len(new)
        return changed

    def _documents(self, source_id: str) -> Iterator[Sequence[tuple[str, AccessList]]]:
        last = ""
        while True:
            with self._database.read() as session:
                rows = session.exec(
                    select(DocumentRow.id, DocumentRow.access)
                    .where(DocumentRow.source_id == source_id, col(DocumentRow.id) > last)
                    .order_by(col(DocumentRow.id))
                    .limit(_AT_ONCE)
                ).all()
            if not rows:
                return
            last = rows[-1][0]
            yield [(document_id, stored_access(access)) for document_id, access in rows]

    def _write(self, new: Mapping[str, AccessList]) -> None:
        with self._database.write() as session:
            session.execute(
                update(DocumentRow), [{"id": i, "access": stored(access)} for i, access in new.items()]
            )


def _new_access(held: AccessList, choice: AccessChoice, mode: str, before: AccessList) -> AccessList:
    if choice.mode == "fixed":
        return choice.default
    if mode == "source" and held == before:
        return held & choice.default
    return held
