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

from sqlalchemy import Connection, Table, func, insert, text
from sqlmodel import Session, SQLModel, select

from app.core.errors import IntegrityError
from billing.budgets.tables import ShareRow
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
Account = tuple[str, str, str]
"""A month, a scope and who in it; of the workspace's own account the last two are empty."""

_BATCH_ROWS = 1000
_LOCKED_HEAD = "SELECT seq, hash FROM ledger_head WHERE workspace_id = :workspace_id"
_LOCK_HEAD = {"sqlite": text(_LOCKED_HEAD), "postgresql": text(f"{_LOCKED_HEAD} FOR UPDATE")}
_MOVE_HEAD = text("UPDATE ledger_head SET seq = :seq, hash = :hash WHERE workspace_id = :workspace_id")
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

    def __init__(self, connection: Connection, head: Head) -> None:
        self._connection = connection
        self._head = head

    @classmethod
    def lock(cls, connection: Connection, workspace_id: str) -> Self:
        """Locks the chain for appending: its head row on PostgreSQL; on SQLite a write holds the lock."""
        head = _locked_head(connection, workspace_id)
        if head is None:
            connection.execute(_NEW_HEAD, {"workspace_id": workspace_id, "hash": GENESIS})
            head = _locked_head(connection, workspace_id)
        if head is None:
            raise IntegrityError(f"The head of ledger {workspace_id} cannot be written.")
        return cls(connection, head)

    def append(self, *rows: LedgerRow) -> tuple[LedgerRow, ...]:
        """Numbers, hashes and writes entries; `seq`, `prev_hash` and `hash` are set here."""
        written = []
        for row in rows:
            row.workspace_id = self._head.workspace_id
            row.seq, row.prev_hash = self._head.seq + 1, self._head.hash
            values = {name: getattr(row, name) for name in _table().columns.keys()}  # noqa: SIM118
            row.hash = values["hash"] = entry_hash(values)
            written.append(values)
            self._head = Head(row.workspace_id, row.seq, row.hash)
        self._connection.execute(insert(_table()), written)
        head = {"workspace_id": self._head.workspace_id, "seq": self._head.seq, "hash": self._head.hash}
        self._connection.execute(_MOVE_HEAD, head)
        return rows


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
    account = _wrong_account(session, last.workspace_id)
    return None if account is None else _bad(last.workspace_id, last.seq, "sum", account)


def _wrong(row: dict[str, Any], last: Head) -> Check | None:
    if row["seq"] != last.seq + 1:
        return "gap"
    if row["prev_hash"] != last.hash:
        return "chain"
    if row["hash"] != entry_hash(row):
        return "hash"
    return None


def _bad(workspace_id: str, seq: int, check: Check, account: Account | None = None) -> BadEntry:
    where, period = f"Ledger {workspace_id}, entry {seq}", None
    if account is not None:
        period, scope, scope_id = account
        whose = {"team": f" of team {scope_id}", "user": f" of person {scope_id}"}.get(scope, "")
        where = f"Ledger {workspace_id}, account {period}{whose}"
    return BadEntry(workspace_id, seq, check, f"{where}: {_MESSAGES[check]}.", period)


def _workspaces(session: Session) -> list[str]:
    columns = (
        LedgerRow.workspace_id,
        LedgerHeadRow.workspace_id,
        AccountRow.workspace_id,
        ShareRow.workspace_id,
    )
    return sorted({name for column in columns for name in session.exec(select(column).distinct())})


def _entries(session: Session, workspace_id: str) -> Generator[dict[str, Any], None, None]:
    table = _table()
    names = [column.name for column in table.columns]
    ordered = table.select().where(table.c.workspace_id == workspace_id).order_by(table.c.seq)
    with session.connection().execute(ordered, execution_options={"yield_per": _BATCH_ROWS}) as result:
        for values in result:
            yield dict(zip(names, values, strict=True))


def _wrong_account(session: Session, workspace_id: str) -> Account | None:
    """The first account, of the workspace, a team or a person, that is not the sum of its entries."""
    expected: dict[Account, tuple[int, int]] = {}
    for scope, column in (("", None), ("team", "team"), ("user", "user_id")):
        expected |= _sums(session, workspace_id, scope, column)
    stored: dict[Account, tuple[int, int]] = {
        (account.period, "", ""): (account.spent_nano, account.held_nano)
        for account in session.exec(select(AccountRow).where(AccountRow.workspace_id == workspace_id))
    }
    for share in session.exec(select(ShareRow).where(ShareRow.workspace_id == workspace_id)):
        stored[share.period, share.scope, share.scope_id] = (share.spent_nano, share.held_nano)
    differing = (name for name in expected.keys() | stored.keys() if expected.get(name) != stored.get(name))
    return min(differing, default=None)


def _sums(
    session: Session, workspace_id: str, scope: str, column: str | None
) -> dict[Account, tuple[int, int]]:
    """What the entries add up to for each month, and each team or person where the column names them."""
    table = _table()
    whose = [] if column is None else [table.c[column]]
    found = session.connection().execute(
        select(table.c.period, func.sum(table.c.price_nano), func.sum(table.c.held_nano), *whose)
        .where(table.c.workspace_id == workspace_id)
        .group_by(table.c.period, *whose)
    )
    return {
        (period, scope, name[0] if name else ""): (int(spent), int(held))
        for period, spent, held, *name in found
    }


def _head(session: Session, workspace_id: str) -> Head | None:
    found = session.exec(
        select(LedgerHeadRow.seq, LedgerHeadRow.hash).where(LedgerHeadRow.workspace_id == workspace_id)
    ).first()
    return None if found is None else Head(workspace_id, *found)


def _locked_head(connection: Connection, workspace_id: str) -> Head | None:
    statement = _LOCK_HEAD[connection.dialect.name]
    found = connection.execute(statement, {"workspace_id": workspace_id}).first()
    return None if found is None else Head(workspace_id, found.seq, found.hash)


def _moment(value: datetime) -> str:
    return value.astimezone(UTC).isoformat(timespec="microseconds")


def _table() -> Table:
    return SQLModel.metadata.tables["ledger"]
