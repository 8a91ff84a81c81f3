"""Reads and writes the tables of adapters; plain values in and out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from sqlalchemy.exc import IntegrityError as DuplicateError
from sqlmodel import Session, col, delete, func, select, update

from app.core.clock import Clock, new_id, utc_now
from app.core.db import Database
from app.core.errors import ConflictError, NotFoundError
from app.core.identity import DEFAULT_WORKSPACE_ID
from routing.adapters.adapter import (
    Adapter,
    AdapterEvent,
    AdapterVersion,
    Assignment,
    Judgement,
    Scope,
    VersionState,
)
from routing.adapters.tables import (
    AdapterAssignmentRow,
    AdapterDocumentRow,
    AdapterEventRow,
    AdapterVersionRow,
)

_SCOPES: tuple[Scope, ...] = ("team", "source_kind", "workspace")
"""In the order in which they are asked."""


@dataclass(frozen=True, slots=True)
class NewVersion:
    """A version that is ready to be written down; `AdapterVersionRow` says what each is."""

    version: int
    base_model: str
    base_sha256: str
    rank: int
    size_bytes: int
    sha256: str
    examples: int
    documents: tuple[str, ...]
    prompt_id: str
    access: tuple[str, ...] | None
    settings: Mapping[str, Any]


def served_name(workspace_id: str, name: str, version: int) -> str:
    """The name a version has on the server, the same for as long as it exists."""
    own = f"{name}.v{version}"
    return own if workspace_id == DEFAULT_WORKSPACE_ID else f"{workspace_id}.{own}"


class Store:
    """What is known of adapters."""

    def __init__(self, database: Database, clock: Clock = utc_now) -> None:
        self._database = database
        self._clock = clock

    def adapters(self, workspace_id: str) -> tuple[Adapter, ...]:
        chosen = (
            select(AdapterVersionRow)
            .where(AdapterVersionRow.workspace_id == workspace_id)
            .order_by(col(AdapterVersionRow.name), col(AdapterVersionRow.version).desc())
        )
        with self._database.read() as session:
            versions = [version_of(row) for row in session.exec(chosen).all()]
        names = dict.fromkeys(version.adapter for version in versions)
        return tuple(Adapter(name, tuple(v for v in versions if v.adapter == name)) for name in names)

    def row(self, workspace_id: str, name: str, version: int) -> AdapterVersionRow:
        """Raises NotFoundError `no_such_version`."""
        with self._database.read() as session:
            return _row(session, workspace_id, name, version)

    def row_served_as(self, name: str) -> AdapterVersionRow | None:
        """The version of this served name, in whatever workspace."""
        with self._database.read() as session:
            return session.exec(
                select(AdapterVersionRow).where(AdapterVersionRow.served_name == name)
            ).first()

    def documents(self, version_id: str) -> frozenset[str]:
        """The documents a version was made of."""
        with self._database.read() as session:
            return frozenset(
                session.exec(
                    select(AdapterDocumentRow.document_id).where(AdapterDocumentRow.version_id == version_id)
                ).all()
            )

    def last_version(self, workspace_id: str, name: str) -> int:
        """The highest number that was ever given; 0 for none."""
        with self._database.read() as session:
            found = session.exec(
                select(func.max(AdapterVersionRow.version)).where(
                    AdapterVersionRow.workspace_id == workspace_id, AdapterVersionRow.name == name
                )
            ).one()
        return int(found or 0)

    def add(
        self, workspace_id: str, name: str, new: NewVersion, done_by: str, action: str, detail: str
    ) -> AdapterVersion:
        """Writes a candidate with its documents and the event, in one transaction."""
        now = self._clock()
        row = AdapterVersionRow(
            id=new_id(),
            workspace_id=workspace_id,
            name=name,
            version=new.version,
            served_name=served_name(workspace_id, name, new.version),
            state="candidate",
            base_model=new.base_model,
            base_sha256=new.base_sha256,
            rank=new.rank,
            size_bytes=new.size_bytes,
            sha256=new.sha256,
            examples=new.examples,
            documents=len(new.documents),
            prompt_id=new.prompt_id,
            access=None if new.access is None else list(new.access),
            settings=dict(new.settings),
            created_at=now,
            created_by=done_by,
        )
        with self._database.write() as session:
            session.add(row)
            session.flush()
            session.add_all(
                AdapterDocumentRow(version_id=row.id, document_id=document, workspace_id=workspace_id)
                for document in new.documents
            )
            self._write_event(session, workspace_id, name, new.version, action, done_by, detail)
        return version_of(row)

    def keep_judgement(self, row: AdapterVersionRow, judgement: Judgement, done_by: str) -> None:
        stored = {
            "judged_at": judgement.judged_at.isoformat(),
            "questions": judgement.questions,
            "score": judgement.score,
            "against": judgement.against,
            "against_score": judgement.against_score,
            "better": judgement.better,
            "reason": judgement.reason,
        }
        failed = row.state == "failed"
        with self._database.write() as session:
            session.exec(
                update(AdapterVersionRow)
                .where(col(AdapterVersionRow.id) == row.id)
                .values(judgement=stored, **({"state": "candidate", "problem": ""} if failed else {}))
            )
            self._write_event(
                session, row.workspace_id, row.name, row.version, "judged", done_by, judgement.reason
            )

    def fail(self, row: AdapterVersionRow, problem: str, done_by: str) -> None:
        """Keeps why a version cannot be used. One that answers now or did before stays what it is."""
        state = "failed" if row.state == "candidate" else row.state
        with self._database.write() as session:
            session.exec(
                update(AdapterVersionRow)
                .where(col(AdapterVersionRow.id) == row.id)
                .values(state=state, problem=problem)
            )
            self._write_event(session, row.workspace_id, row.name, row.version, "refused", done_by, problem)

    def switch(
        self, row: AdapterVersionRow, expected: str | None, action: str, done_by: str
    ) -> list[AdapterVersion]:
        """Puts a version in service in one transaction; the one before becomes `previous`, older ones are
        retired. Returns those that were retired.

        Args:
            expected: the served name of the version that is thought to be in service; nothing for none.

        Raises:
            ConflictError: `changed_meanwhile`, where somebody else switched first.
        """
        table, mine = AdapterVersionRow, self._of(row)
        try:
            with self._database.write() as session:
                rows = session.exec(select(table).where(*mine).with_for_update()).all()
                by_state = {r.state: r.served_name for r in rows if r.state == "in_service"}
                if by_state.get("in_service") != expected:
                    raise _changed_meanwhile(row.name)
                retired = [version_of(r) for r in rows if r.state == "previous" and r.id != row.id]
                for before, after in (("previous", "retired"), ("in_service", "previous")):
                    session.exec(
                        update(table)
                        .where(*mine, col(table.state) == before, col(table.id) != row.id)
                        .values(state=after)
                    )
                session.exec(
                    update(table).where(col(table.id) == row.id).values(state="in_service", problem="")
                )
                detail = f"instead of {expected}" if expected else "the first of its name"
                self._write_event(session, row.workspace_id, row.name, row.version, action, done_by, detail)
        except DuplicateError as error:
            raise _changed_meanwhile(row.name) from error
        return retired

    def retire(self, row: AdapterVersionRow, done_by: str) -> None:
        with self._database.write() as session:
            session.exec(
                update(AdapterVersionRow).where(col(AdapterVersionRow.id) == row.id).values(state="retired")
            )
            detail = "it was in service" if row.state == "in_service" else ""
            self._write_event(session, row.workspace_id, row.name, row.version, "retired", done_by, detail)

    def assignments(self, workspace_id: str) -> tuple[Assignment, ...]:
        with self._database.read() as session:
            rows = session.exec(
                select(AdapterAssignmentRow).where(AdapterAssignmentRow.workspace_id == workspace_id)
            ).all()
        found = (Assignment(row.id, cast(Scope, row.scope), row.value, row.adapter) for row in rows)
        return tuple(sorted(found, key=lambda a: (_SCOPES.index(a.scope), a.value)))

    def serving(self, workspace_id: str) -> list[tuple[Assignment, AdapterVersionRow]]:
        """The assignments whose adapter has a version in service, in the order they are asked."""
        version = AdapterVersionRow
        chosen = select(AdapterAssignmentRow, version).where(
            AdapterAssignmentRow.workspace_id == workspace_id,
            version.workspace_id == workspace_id,
            version.name == AdapterAssignmentRow.adapter,
            version.state == "in_service",
        )
        with self._database.read() as session:
            rows = session.exec(chosen).all()
        found = [(Assignment(a.id, cast(Scope, a.scope), a.value, a.adapter), v) for a, v in rows]
        return sorted(found, key=lambda pair: (_SCOPES.index(pair[0].scope), pair[0].value))

    def assign(self, workspace_id: str, scope: Scope, value: str, adapter: str, done_by: str) -> Assignment:
        row = AdapterAssignmentRow(
            id=new_id(),
            workspace_id=workspace_id,
            scope=scope,
            value=value,
            adapter=adapter,
            created_at=self._clock(),
            created_by=done_by,
        )
        with self._database.write() as session:
            session.exec(
                delete(AdapterAssignmentRow).where(
                    col(AdapterAssignmentRow.workspace_id) == workspace_id,
                    col(AdapterAssignmentRow.scope) == scope,
                    col(AdapterAssignmentRow.value) == value,
                )
            )
            session.add(row)
            self._write_event(session, workspace_id, adapter, None, "assigned", done_by, _to(scope, value))
        return Assignment(row.id, scope, value, adapter)

    def unassign(self, workspace_id: str, assignment_id: str, done_by: str) -> None:
        """Raises NotFoundError `no_such_assignment`."""
        with self._database.write() as session:
            row = session.get(AdapterAssignmentRow, assignment_id)
            if row is None or row.workspace_id != workspace_id:
                raise NotFoundError("There is no such assignment.", code="no_such_assignment")
            session.delete(row)
            detail = _to(row.scope, row.value)
            self._write_event(session, workspace_id, row.adapter, None, "unassigned", done_by, detail)

    def events(self, workspace_id: str, name: str) -> tuple[AdapterEvent, ...]:
        chosen = (
            select(AdapterEventRow)
            .where(AdapterEventRow.workspace_id == workspace_id, AdapterEventRow.adapter == name)
            .order_by(col(AdapterEventRow.id).desc())
        )
        with self._database.read() as session:
            rows = session.exec(chosen).all()
        return tuple(AdapterEvent(r.done_at, r.done_by, r.action, r.version, r.detail) for r in rows)

    def _write_event(
        self,
        session: Session,
        workspace_id: str,
        name: str,
        version: int | None,
        action: str,
        done_by: str,
        detail: str,
    ) -> None:
        session.add(
            AdapterEventRow(
                id=new_id(),
                workspace_id=workspace_id,
                adapter=name,
                version=version,
                action=action,
                done_by=done_by,
                detail=detail,
                done_at=self._clock(),
            )
        )

    @staticmethod
    def _of(row: AdapterVersionRow) -> Sequence[Any]:
        table = AdapterVersionRow
        return (col(table.workspace_id) == row.workspace_id, col(table.name) == row.name)


def version_of(row: AdapterVersionRow) -> AdapterVersion:
    """The row as people see it."""
    return AdapterVersion(
        adapter=row.name,
        version=row.version,
        served_name=row.served_name,
        state=cast(VersionState, row.state),
        base_model=row.base_model,
        rank=row.rank,
        size_bytes=row.size_bytes,
        sha256=row.sha256,
        examples=row.examples,
        documents=row.documents,
        created_at=row.created_at,
        created_by=row.created_by,
        judgement=_judgement(row.judgement),
        problem=row.problem,
        access=None if row.access is None else tuple(row.access),
    )


def _judgement(stored: Mapping[str, Any] | None) -> Judgement | None:
    if stored is None:
        return None
    return Judgement(**{**stored, "judged_at": datetime.fromisoformat(stored["judged_at"])})


def _row(session: Session, workspace_id: str, name: str, version: int) -> AdapterVersionRow:
    found = session.exec(
        select(AdapterVersionRow).where(
            AdapterVersionRow.workspace_id == workspace_id,
            AdapterVersionRow.name == name,
            AdapterVersionRow.version == version,
        )
    ).first()
    if found is None:
        raise NotFoundError(f"{name} has no version {version}.", code="no_such_version")
    return found


def _changed_meanwhile(name: str) -> ConflictError:
    return ConflictError(
        f"Somebody else switched {name} meanwhile. Look again, then decide.", code="changed_meanwhile"
    )


def _to(scope: str, value: str) -> str:
    return f"{scope.replace('_', ' ')} {value}".strip()
