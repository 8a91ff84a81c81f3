"""What the ledger tells people: the receipt of a question, the entries page by page, the sums of a month."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Literal, cast

from sqlalchemy import ColumnElement, case, distinct, func, or_
from sqlmodel import Session, col, select

from app.core.errors import InputError
from app.core.usage import BaselineMethod, Receipt
from billing.tables import AccountRow, LedgerRow

EntryKind = Literal["reserve", "commit", "release", "adjust", "reverse", "grant"]

MAX_PAGE = 500


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One entry as written. `held_nano` and `price_nano` are changes of what is held and spent."""

    seq: int
    id: str
    kind: EntryKind
    period: str
    occurred_at: datetime
    team: str
    user_id: str
    query_id: str
    reservation_id: str
    held_nano: int
    price_nano: int
    cost_nano: int
    baseline_nano: int
    baseline_method: BaselineMethod | None
    currency: str
    price_book: str
    tier: str | None
    model: str | None
    outcome: str | None
    input_tokens: int
    output_tokens: int
    duration_ms: int
    provider_request_id: str | None
    estimated: bool
    note: str | None
    hash: str


@dataclass(frozen=True, slots=True)
class EntryPage:
    """Entries, newest first. `before_seq` asks for the next page; nothing where this is the last."""

    entries: tuple[LedgerEntry, ...]
    before_seq: int | None


@dataclass(frozen=True, slots=True)
class EntryFilter:
    """Which entries; what is not given does not matter. `shown_only` leaves out what nobody was shown."""

    kind: EntryKind | None = None
    period: str | None = None
    user_id: str | None = None
    query_id: str | None = None
    shown_only: bool = False


@dataclass(frozen=True, slots=True)
class TierUse:
    """One rung in a month: how often it was tried, how often it answered, and its money."""

    tier: str
    attempts: int
    answers: int
    price_nano: int
    cost_nano: int
    saved_nano: int
    input_tokens: int
    output_tokens: int


@dataclass(frozen=True, slots=True)
class UsageSummary:
    """A month's sums for a workspace or for one person in it.

    `saved_nano` counts answered questions only: what was not answered saved nobody anything. `cap_nano` is
    the workspace's budget, nothing where there is none.
    """

    period: str
    currency: str
    questions: int
    answered: int
    spent_nano: int
    held_nano: int
    cost_nano: int
    saved_nano: int
    cap_nano: int | None
    tiers: tuple[TierUse, ...]


@dataclass(frozen=True, slots=True)
class Charge:
    """What one question was charged, cost us, and would have been charged at the baseline's rung; `observed`
    where that rung did answer."""

    price_nano: int
    cost_nano: int
    baseline_nano: int
    observed: bool


def receipt_from(rows: Sequence[LedgerRow]) -> Receipt:
    """The receipt that the `commit` entries of one question add up to; at least one is needed."""
    ordered = sorted(rows, key=lambda row: row.seq)
    answered = [row for row in ordered if row.outcome == "answered"]
    final = answered[-1] if answered else ordered[-1]
    if final.tier is None or final.baseline_method is None:
        raise ValueError("a receipt is made of commit entries")
    return Receipt(
        query_id=final.query_id,
        tier=final.tier,
        price_nano=sum(row.price_nano for row in ordered),
        cost_nano=sum(row.cost_nano for row in ordered),
        baseline_nano=sum(row.baseline_nano for row in ordered),
        baseline_method=cast(BaselineMethod, final.baseline_method),
        currency=final.currency,
        price_book=final.price_book,
        input_tokens=sum(row.input_tokens for row in ordered),
        output_tokens=sum(row.output_tokens for row in ordered),
        duration_ms=sum(row.duration_ms for row in ordered),
        notes=_notes(ordered, bool(answered)),
    )


def receipt(session: Session, query_id: str) -> Receipt | None:
    """The receipt of a question, or nothing where no attempt was charged to it."""
    rows = session.exec(
        select(LedgerRow).where(LedgerRow.query_id == query_id, LedgerRow.kind == "commit")
    ).all()
    return receipt_from(rows) if rows else None


def charges(session: Session, workspace_id: str, since: datetime) -> dict[str, Charge]:
    """The sums of each question's `commit` entries since then."""
    observed = case((col(LedgerRow.baseline_method) == "observed", 1), else_=0)
    rows = session.connection().execute(
        select(
            LedgerRow.query_id,
            func.sum(LedgerRow.price_nano),
            func.sum(LedgerRow.cost_nano),
            func.sum(LedgerRow.baseline_nano),
            func.max(observed),
        )  # type: ignore[call-overload]
        .where(
            LedgerRow.workspace_id == workspace_id,
            LedgerRow.kind == "commit",
            col(LedgerRow.occurred_at) >= since,
        )
        .group_by(col(LedgerRow.query_id))
    )
    return {
        query_id: Charge(int(price), int(cost), int(baseline), bool(seen))
        for query_id, price, cost, baseline, seen in rows
    }


def entries(
    session: Session, workspace_id: str, wanted: EntryFilter, *, before_seq: int | None, limit: int
) -> EntryPage:
    """A page of entries, newest first.

    Raises:
        InputError: `invalid_limit` outside 1 to 500.
    """
    if not 1 <= limit <= MAX_PAGE:
        raise InputError(f"A page has 1 to {MAX_PAGE} entries.", code="invalid_limit")
    query = select(LedgerRow).where(LedgerRow.workspace_id == workspace_id)
    for name in ("kind", "period", "user_id", "query_id"):
        value = getattr(wanted, name)
        if value is not None:
            query = query.where(getattr(LedgerRow, name) == value)
    if wanted.shown_only:
        query = query.where(or_(col(LedgerRow.outcome).is_(None), col(LedgerRow.outcome) != "shadow"))
    if before_seq is not None:
        query = query.where(LedgerRow.seq < before_seq)
    rows = session.exec(query.order_by(col(LedgerRow.seq).desc()).limit(limit + 1)).all()
    page = tuple(_entry(row) for row in rows[:limit])
    return EntryPage(page, page[-1].seq if len(rows) > limit else None)


def summary(
    session: Session, workspace_id: str, period: str, *, user_id: str | None, default_currency: str
) -> UsageSummary:
    """The sums of a month. A month without an account is all zeros in the default currency."""
    account = session.get(AccountRow, (workspace_id, period))
    mine = [col(LedgerRow.workspace_id) == workspace_id, col(LedgerRow.period) == period]
    if user_id is not None:
        mine.append(col(LedgerRow.user_id) == user_id)
    spent, held = session.exec(
        select(func.sum(LedgerRow.price_nano), func.sum(LedgerRow.held_nano)).where(*mine)
    ).one()
    committed = [*mine, col(LedgerRow.kind) == "commit"]
    asked = [*committed, col(LedgerRow.outcome) != "shadow"]
    questions = session.exec(select(func.count(distinct(col(LedgerRow.query_id)))).where(*asked)).one()
    tiers = _tiers(session, committed)
    return UsageSummary(
        period=period,
        currency=account.currency if account else default_currency,
        questions=int(questions),
        answered=sum(tier.answers for tier in tiers),
        spent_nano=int(spent or 0),
        held_nano=int(held or 0),
        cost_nano=sum(tier.cost_nano for tier in tiers),
        saved_nano=sum(tier.saved_nano for tier in tiers),
        cap_nano=account.cap_nano if account else None,
        tiers=tiers,
    )


def _tiers(session: Session, committed: list[ColumnElement[bool]]) -> tuple[TierUse, ...]:
    answered = col(LedgerRow.outcome) == "answered"
    saved = col(LedgerRow.baseline_nano) - col(LedgerRow.price_nano)
    sums = (
        func.count(),
        func.sum(case((answered, 1), else_=0)),
        func.sum(LedgerRow.price_nano),
        func.sum(LedgerRow.cost_nano),
        func.sum(case((answered, saved), else_=0)),
        func.sum(LedgerRow.input_tokens),
        func.sum(LedgerRow.output_tokens),
    )
    tier = col(LedgerRow.tier)
    found = session.connection().execute(
        select(tier, *sums).where(*committed).group_by(tier).order_by(tier)  # type: ignore[call-overload]
    )
    return tuple(TierUse(name, *(int(number) for number in numbers)) for name, *numbers in found)


def _entry(row: LedgerRow) -> LedgerEntry:
    return LedgerEntry(**{field.name: getattr(row, field.name) for field in fields(LedgerEntry)})


def _notes(rows: Sequence[LedgerRow], answered: bool) -> tuple[str, ...]:
    notes = []
    if any(row.outcome == "shadow" for row in rows):
        notes.append("This checked an answer in the background, at Rung's own cost; nobody was shown it.")
    elif not answered:
        notes.append("Nothing was answered, so nothing is charged.")
    if any(row.estimated for row in rows):
        notes.append("The provider reported no usage; the token counts are Rung's own.")
    return tuple(notes)
