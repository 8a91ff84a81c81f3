"""The hash chain of the ledger: how an entry is appended, and how the whole is proved untouched.

Each workspace has one chain. An entry's hash covers all its fields and the hash of the entry before, and the
head keeps the last number and hash, so that a cut-off tail shows too.
"""

import hashlib
import json
from collections.abc import Generator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, Self

from sqlalchemy import Table, func, insert, text
from sqlmodel import Session, SQLModel, col, select, update

from app.core.errors import IntegrityError
from billing.tables import AccountRow, LedgerHeadRow, LedgerRow

GENESIS = "0" * 64
"""What stands as the hash before the first entry."""

Check = Literal["gap", "chain", "hash", "head", "sum"]
"""gap: a number is missing · chain: it does not follow the entry before · hash: it was altered ·
head: the end is missing · sum: the account does not hold what the entries add up to."""

_MESSAGES: Mapping[Check, str] = {
    "gap": "an entry before it is missing",
    "chain": "it does not follow from the entry before it",
    "hash": "it was altered after it was written",
    "head": "the chain does not end where its head says",
    "sum": "the account does not hold what the entries add up to",
}
_BATCH_ROWS = 1000
_NEW_HEAD = text(
    "INSERT INTO ledger_head (workspace_id, seq, hash) VALUES (:workspace_id, 0, :hash)"
    " ON CONFLICT DO NOTHING"
)


@dataclass(frozen=True, slots=True)
class Head:
    """The end of a workspace's chain. Kept outside, it proves later that nothing before it was rewritten."""

    workspace_id: str
    seq: int
    hash: str


@dataclass(frozen=True, slots=True)
class BadEntry:
    """The first place where the ledger is not what was written; `period` is set for a wrong sum."""

    workspace_id: str
    seq: int
    check: Check
    message: str
    period: str | None = None


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """The outcome of checking every entry of every workspace. `heads` are the chains found whole."""

    ok: bool
    rows: int
    heads: tuple[Head, ...]
    first_bad: BadEntry | None = None

    @property
    def head_hash(self) -> str:
        """The end of the chain; of several workspaces, one hash over all their ends."""
        hashes = [head.hash for head in self.heads] or [GENESIS]
        return hashes[0] if len(hashes) == 1 else hashlib.sha256("".join(hashes).encode()).hexdigest()

    @property
    def first_bad_seq(self) -> int | None:
        return self.first_bad.seq if self.first_bad else None

    @property
    def problem(self) -> str | None:
        return self.first_bad.message if self.first_bad else None


class Chain:
    """The end of one workspace's chain, locked until the transaction ends. Made by `Chain.lock`."""

    def __init__(self, session: Session, head: Head) -> None:
        self._session = session
        self._head = head

    @classmethod
    def lock(cls, session: Session, workspace_id: str) -> Self:
        """Locks the chain for appending: its head row on PostgreSQL; on SQLite a write holds the lock."""
        head = _locked_head(session, workspace_id)
        if head is None:
            session.connection().execute(_NEW_HEAD, {"workspace_id": workspace_id, "hash": GENESIS})
            head = _locked_head(session, workspace_id)
        if head is None:
            raise IntegrityError(f"The head of ledger {workspace_id} cannot be written.")
        return cls(session, head)

    def append(self, row: LedgerRow) -> LedgerRow:
        """Numbers, hashes and writes an entry; `seq`, `prev_hash` and `hash` are set here."""
        row.workspace_id = self._head.workspace_id
        row.seq, row.prev_hash = self._head.seq + 1, self._head.hash
        row.hash = entry_hash(row.model_dump())
        self._session.exec(insert(_table()).values(**row.model_dump()))
        self._session.exec(
            update(LedgerHeadRow)
            .where(col(LedgerHeadRow.workspace_id) == row.workspace_id)
            .values(seq=row.seq, hash=row.hash)
            .execution_options(synchronize_session=False)
        )
        self._head = Head(row.workspace_id, row.seq, row.hash)
        return row


def entry_hash(values: Mapping[str, object]) -> str:
    """SHA-256 in hex of an entry as canonical JSON: keys sorted, no spaces, ASCII, moments in UTC.

    Fields without a value are left out, so that a column added later changes no older hash.
    """
    covered = {
        name: _moment(value) if isinstance(value, datetime) else value
        for name, value in values.items()
        if name != "hash" and value is not None
    }
    canonical = json.dumps(covered, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).hexdigest()


def verify(session: Session) -> VerifyReport:
    """Checks every entry, the end of every chain and every account; stops at the first that is wrong."""
    rows = 0
    heads: list[Head] = []
    for workspace_id in _workspaces(session):
        last = Head(workspace_id, 0, GENESIS)
        with closing(_entries(session, workspace_id)) as entries:
            for row in entries:
                rows += 1
                wrong = _wrong(row, last)
                if wrong is not None:
                    return VerifyReport(False, rows, tuple(heads), _bad(workspace_id, row["seq"], wrong))
                last = Head(workspace_id, row["seq"], row["hash"])
        bad = _wrong_end(session, last)
        if bad is not None:
            return VerifyReport(False, rows, tuple(heads), bad)
        heads.append(last)
    return VerifyReport(True, rows, tuple(heads))


def _wrong_end(session: Session, last: Head) -> BadEntry | None:
    found = _head(session, last.workspace_id)
    if found != last and not (found is None and last.seq == 0):
        return _bad(last.workspace_id, last.seq, "head")
    period = _wrong_account(session, last.workspace_id)
    return None if period is None else _bad(last.workspace_id, last.seq, "sum", period)


def _wrong(row: dict[str, Any], last: Head) -> Check | None:
    if row["seq"] != last.seq + 1:
        return "gap"
    if row["prev_hash"] != last.hash:
        return "chain"
    if row["hash"] != entry_hash(row):
        return "hash"
    return None


def _bad(workspace_id: str, seq: int, check: Check, period: str | None = None) -> BadEntry:
    where = f"Ledger {workspace_id}, account {period}" if period else f"Ledger {workspace_id}, entry {seq}"
    return BadEntry(workspace_id, seq, check, f"{where}: {_MESSAGES[check]}.", period)


def _workspaces(session: Session) -> list[str]:
    columns = (LedgerRow.workspace_id, LedgerHeadRow.workspace_id, AccountRow.workspace_id)
    return sorted({name for column in columns for name in session.exec(select(column).distinct())})


def _entries(session: Session, workspace_id: str) -> Generator[dict[str, Any], None, None]:
    table = _table()
    names = [column.name for column in table.columns]
    ordered = table.select().where(table.c.workspace_id == workspace_id).order_by(table.c.seq)
    with session.connection().execute(ordered, execution_options={"yield_per": _BATCH_ROWS}) as result:
        for values in result:
            yield dict(zip(names, values, strict=True))


def _wrong_account(session: Session, workspace_id: str) -> str | None:
    """The first period whose account differs from the sums of its entries."""
    sums = session.exec(
        select(LedgerRow.period, func.sum(LedgerRow.price_nano), func.sum(LedgerRow.held_nano))
        .where(LedgerRow.workspace_id == workspace_id)
        .group_by(LedgerRow.period)
    )
    expected = {period: (int(spent), int(held)) for period, spent, held in sums}
    stored = {
        account.period: (account.spent_nano, account.held_nano)
        for account in session.exec(select(AccountRow).where(AccountRow.workspace_id == workspace_id))
    }
    differing = (p for p in expected.keys() | stored.keys() if expected.get(p) != stored.get(p))
    return min(differing, default=None)


def _head(session: Session, workspace_id: str) -> Head | None:
    found = session.exec(
        select(LedgerHeadRow.seq, LedgerHeadRow.hash).where(LedgerHeadRow.workspace_id == workspace_id)
    ).first()
    return None if found is None else Head(workspace_id, *found)


def _locked_head(session: Session, workspace_id: str) -> Head | None:
    found = session.exec(
        select(LedgerHeadRow.seq, LedgerHeadRow.hash)
        .where(LedgerHeadRow.workspace_id == workspace_id)
        .with_for_update()
    ).first()
    return None if found is None else Head(workspace_id, *found)


def _moment(value: datetime) -> str:
    return value.astimezone(UTC).isoformat(timespec="microseconds")


def _table() -> Table:
    return SQLModel.metadata.tables["ledger"]
