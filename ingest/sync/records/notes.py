"""What a run notes of single items: failures that stand against a source, and what it changed."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlmodel import Session, col, delete, select

from ingest.connector import SKIPPED_CODES
from ingest.sync.records.claims import Claim
from ingest.tables import ChangeRow, FailureRow

CHANGES_KEPT = 200
_AT_ONCE = 500

ChangeKind = Literal["new", "changed", "moved", "removed", "access"]


@dataclass(frozen=True, slots=True)
class FailureNote:
    """One document that a run could not take in, or passed over."""

    external_id: str
    code: str
    reason: str

    @property
    def skipped(self) -> bool:
        return self.code in SKIPPED_CODES


@dataclass(frozen=True, slots=True)
class ChangeNote:
    """What a run did to one document."""

    external_id: str
    kind: ChangeKind
    title: str


def write_failures(session: Session, claim: Claim, failures: Sequence[FailureNote], now: datetime) -> None:
    """Notes failures; one that stood already keeps since when it does."""
    notes = {note.external_id: note for note in failures}
    if not notes:
        return
    stood = session.exec(
        select(FailureRow).where(
            FailureRow.source_id == claim.source.id, col(FailureRow.external_id).in_(list(notes))
        )
    ).all()
    for row in stood:
        note = notes.pop(row.external_id)
        # A batch that is done again after a death brings the same ones.
        row.attempts += row.run_id != claim.run_id
        row.run_id, row.failed_at = claim.run_id, now
        row.code, row.reason, row.skipped = note.code, note.reason, note.skipped
        session.add(row)
    session.add_all(
        FailureRow(
            source_id=claim.source.id,
            external_id=note.external_id,
            workspace_id=claim.source.workspace_id,
            run_id=claim.run_id,
            code=note.code,
            reason=note.reason,
            skipped=note.skipped,
            first_failed_at=now,
            failed_at=now,
        )
        for note in notes.values()
    )


def forget_failures(session: Session, source_id: str, external_ids: Collection[str]) -> None:
    """Removes the failures of items that were taken in or are gone."""
    for part in _parts(sorted(external_ids)):
        session.exec(
            delete(FailureRow).where(
                col(FailureRow.source_id) == source_id, col(FailureRow.external_id).in_(part)
            )
        )


def write_changes(session: Session, claim: Claim, changes: Sequence[ChangeNote], now: datetime) -> None:
    """Notes what was done to documents; the latest are kept."""
    latest = {note.external_id: note for note in changes[-CHANGES_KEPT:]}
    if not latest:
        return
    _remove_changes(session, claim.run_id, list(latest))
    session.add_all(
        ChangeRow(
            run_id=claim.run_id,
            external_id=note.external_id,
            workspace_id=claim.source.workspace_id,
            kind=note.kind,
            title=note.title,
            at=now,
        )
        for note in latest.values()
    )
    session.flush()
    older = session.exec(
        select(ChangeRow.external_id)
        .where(ChangeRow.run_id == claim.run_id)
        .order_by(col(ChangeRow.at).desc(), col(ChangeRow.external_id))
        .offset(CHANGES_KEPT)
        .limit(10 * CHANGES_KEPT)
    ).all()
    _remove_changes(session, claim.run_id, older)


def _remove_changes(session: Session, run_id: str, external_ids: Sequence[str]) -> None:
    for part in _parts(external_ids):
        session.exec(
            delete(ChangeRow).where(col(ChangeRow.run_id) == run_id, col(ChangeRow.external_id).in_(part))
        )


def _parts(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(ids), _AT_ONCE):
        yield ids[start : start + _AT_ONCE]
