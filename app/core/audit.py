"""The audit log: who did what to which. Append-only, in the transaction of the act where there is one."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session, col, select

from app.core.clock import Clock, new_id, utc_now
from app.core.db import Database
from app.core.identity import DEFAULT_WORKSPACE_ID, OPERATOR, SYSTEM
from app.core.tables import AuditRow

__all__ = ["OPERATOR", "SYSTEM", "AuditEntry", "AuditLog", "Detail"]

Detail = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One act. `actor` is a person's e-mail address, `operator` or `system`; `action` is such as
    `credential.used`; `target` names what it was done to."""

    id: str
    at: datetime
    actor: str
    action: str
    target_kind: str
    target: str
    details: Mapping[str, Detail]


class AuditLog:
    """Writes and reads the log. Never give it a secret or the text of a document."""

    def __init__(self, database: Database, clock: Clock = utc_now) -> None:
        self._database = database
        self._clock = clock

    def record(
        self,
        actor: str,
        action: str,
        target_kind: str,
        target: str,
        details: Mapping[str, Detail] | None = None,
        *,
        workspace_id: str = DEFAULT_WORKSPACE_ID,
        session: Session | None = None,
    ) -> None:
        """Notes an act, in the caller's transaction where one is given."""
        row = AuditRow(
            id=new_id(),
            workspace_id=workspace_id,
            at=self._clock(),
            actor=actor,
            action=action,
            target_kind=target_kind,
            target=target,
            details=dict(details or {}),
        )
        if session is not None:
            session.add(row)
            return
        with self._database.write() as own:
            own.add(row)

    def about(
        self, target_kind: str, target: str, *, limit: int = 50, workspace_id: str = DEFAULT_WORKSPACE_ID
    ) -> list[AuditEntry]:
        """What was done to one thing, newest first."""
        with self._database.read() as session:
            rows = session.exec(
                select(AuditRow)
                .where(
                    AuditRow.workspace_id == workspace_id,
                    AuditRow.target_kind == target_kind,
                    AuditRow.target == target,
                )
                .order_by(col(AuditRow.id).desc())
                .limit(limit)
            ).all()
            return [
                AuditEntry(r.id, r.at, r.actor, r.action, r.target_kind, r.target, r.details) for r in rows
            ]
