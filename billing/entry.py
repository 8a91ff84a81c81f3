"""How the entries of one question are made, and found again by ids that derive from its reservation.

`Chain.append` gives an entry its number and hashes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, select

from app.core.errors import NotFoundError
from app.core.usage import Reservation, Work
from billing.price_book import Plan
from billing.rating import baseline_of, price_of
from billing.tables import LedgerRow

_MAX_TEXT = 200
_UNSTORABLE = dict.fromkeys((*range(32), 127, *range(55296, 57344)), "�")


_OF_RESERVATION = text(
    "SELECT kind, workspace_id, id, period, team, user_id, query_id, held_nano, currency, price_book"
    " FROM ledger WHERE workspace_id = :workspace_id AND reservation_id = :reservation_id ORDER BY seq"
)


@dataclass(frozen=True, slots=True)
class Reserved:
    """What later entries of a reservation take over from the entry that reserved."""

    workspace_id: str
    id: str
    period: str
    team: str
    user_id: str
    query_id: str
    held_nano: int
    currency: str
    price_book: str


def reserve_row(reservation: Reservation, plan: Plan, period: str, now: datetime) -> LedgerRow:
    """The entry that holds money; its id is the reservation's."""
    return LedgerRow(
        workspace_id=reservation.workspace_id,
        id=reservation.id,
        kind="reserve",
        period=period,
        team=reservation.team,
        user_id=reservation.user_id,
        query_id=reservation.query_id,
        reservation_id=reservation.id,
        held_nano=reservation.held_nano,
        currency=reservation.currency,
        price_book=plan.name,
        occurred_at=now,
        seq=0,
        prev_hash="",
        hash="",
    )


def commit_rows(
    reserved: Reserved, plan: Plan, attempts: Sequence[Work], baseline: Work, now: datetime
) -> list[LedgerRow]:
    """One entry an attempt. The baseline stands once: with the attempt that answered, or else the last.

    Raises:
        ConfigurationError: `unpriced_tier`; InputError: `negative_quantity`.
    """
    baseline_nano, method = baseline_of(plan, attempts, baseline)
    answered = [number for number, work in enumerate(attempts) if work.outcome == "answered"]
    bearer = answered[-1] if answered else len(attempts) - 1
    rows = []
    for number, work in enumerate(attempts):
        row = _later_row(reserved, f"commit:{number}", "commit", now)
        row.price_nano, row.cost_nano = price_of(plan, work), work.cost_nano
        row.baseline_nano, row.baseline_method = (baseline_nano if number == bearer else 0), method
        row.tier, row.model, row.outcome = work.tier, clean(work.model), work.outcome
        row.input_tokens, row.output_tokens = work.input_tokens, work.output_tokens
        row.duration_ms, row.estimated = work.duration_ms, work.estimated
        if work.provider_request_id is not None:
            row.provider_request_id = clean(work.provider_request_id)
        rows.append(row)
    return rows


def release_row(reserved: Reserved, reason: str, now: datetime) -> LedgerRow:
    """The entry that frees a hold without an answer."""
    row = _later_row(reserved, "release", "release", now)
    row.held_nano, row.note = -reserved.held_nano, clean(reason)
    return row


def find(connection: Connection, reservation: Reservation) -> tuple[Reserved, tuple[str, ...]]:
    """What was reserved, and the kinds of what was written for that reservation since.

    Raises:
        NotFoundError: `no_such_reservation`.
    """
    rows = connection.execute(
        _OF_RESERVATION, {"workspace_id": reservation.workspace_id, "reservation_id": reservation.id}
    ).all()
    if not rows:
        raise NotFoundError(f"There is no reservation {reservation.id}.", code="no_such_reservation")
    _kind, *reserved = rows[0]
    return Reserved(*reserved), tuple(row.kind for row in rows[1:])


def find_committed(session: Session, reservation: Reservation) -> list[LedgerRow]:
    """The `commit` entries of a reservation."""
    return list(
        session.exec(
            select(LedgerRow).where(
                LedgerRow.workspace_id == reservation.workspace_id,
                LedgerRow.reservation_id == reservation.id,
                LedgerRow.kind == "commit",
            )
        )
    )


def find_open(session: Session, before: datetime | None) -> tuple[Reservation, ...]:
    """Reservations without a commit or release, oldest first; only those made before, where it is given."""
    later = aliased(LedgerRow)
    ended = (
        select(later.id)
        .where(
            later.workspace_id == LedgerRow.workspace_id,
            later.reservation_id == LedgerRow.reservation_id,
            later.kind != "reserve",
        )
        .exists()
    )
    query = select(LedgerRow).where(LedgerRow.kind == "reserve", ~ended)
    if before is not None:
        query = query.where(LedgerRow.occurred_at <= before)
    rows = session.exec(query.order_by(col(LedgerRow.occurred_at), col(LedgerRow.seq))).all()
    return tuple(_reservation(row) for row in rows)


def clean(text: str) -> str:
    """Text from outside as every database stores it: no control characters, at most 200 characters."""
    return text.translate(_UNSTORABLE)[:_MAX_TEXT]


def _later_row(reserved: Reserved, suffix: str, kind: str, now: datetime) -> LedgerRow:
    return LedgerRow(
        workspace_id=reserved.workspace_id,
        id=f"{reserved.id}:{suffix}",
        kind=kind,
        period=reserved.period,
        team=reserved.team,
        user_id=reserved.user_id,
        query_id=reserved.query_id,
        reservation_id=reserved.id,
        currency=reserved.currency,
        price_book=reserved.price_book,
        occurred_at=now,
        seq=0,
        prev_hash="",
        hash="",
    )


def _reservation(row: LedgerRow) -> Reservation:
    return Reservation(
        id=row.id,
        query_id=row.query_id,
        workspace_id=row.workspace_id,
        team=row.team,
        user_id=row.user_id,
        held_nano=row.held_nano,
        currency=row.currency,
    )
