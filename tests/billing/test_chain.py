"""Whoever gets around the triggers leaves a trace that `verify` names."""

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DatabaseError
from sqlmodel import Session

from app.core.db import Database
from billing.chain import GENESIS, BadEntry, entry_hash, verify
from billing.tables import LEDGER_GUARDS_SQLITE
from tests.billing.conftest import Books


@pytest.fixture
def whole(books: Books) -> Books:
    """Eight entries of four questions."""
    for number in range(4):
        books.ask(f"q{number}")
    return books


def run(database: Database, *statements: str) -> None:
    with database.write() as session:
        for statement in statements:
            session.connection().execute(text(statement))


def sleep_guards(session: Session) -> None:
    """What somebody with all rights on the database could do, until the end of this transaction."""
    if session.connection().dialect.name == "sqlite":
        for name in ("ledger_refuses_update", "ledger_refuses_delete", "ledger_refuses_replace"):
            session.connection().execute(text(f"DROP TRIGGER IF EXISTS {name}"))
    else:
        session.connection().execute(text("SET LOCAL session_replication_role = replica"))


def tampered(books: Books, *statements: str) -> tuple[int, str]:
    """What verify says after these statements: the first bad entry and the check it failed."""
    assert books.ledger.verify().ok
    with books.database.write() as session:
        sleep_guards(session)
        for statement in statements:
            session.connection().execute(text(statement))
    report = books.ledger.verify()
    assert not report.ok
    bad = report.first_bad
    assert isinstance(bad, BadEntry) and bad.workspace_id == "default"
    assert report.first_bad_seq == bad.seq and report.problem == bad.message
    return bad.seq, bad.check


def test_a_whole_ledger_is_said_to_be_whole_with_its_end(whole: Books) -> None:
    report = whole.ledger.verify()
    assert (report.ok, report.rows, report.problem) == (True, 8, None)
    assert report.head_hash == whole.ledger.entries(limit=1).entries[0].hash
    assert report.heads[0].seq == 8


def test_an_empty_ledger_is_whole(books: Books) -> None:
    report = books.ledger.verify()
    assert (report.ok, report.rows, report.head_hash) == (True, 0, GENESIS)


CHANGES = (
    "price_nano = price_nano - 1",
    "price_nano = 0",
    "user_id = 'bob'",
    "team = 'sales'",
    "note = 'x'",
    "estimated = NOT estimated",
    "occurred_at = '2026-11-10 12:00:01+00:00'",
    "outcome = 'failed'",
    "kind = 'adjust'",
    "prev_hash = hash, hash = prev_hash",
)


def test_an_altered_entry_is_named_whatever_was_altered(whole: Books) -> None:
    for change in CHANGES:
        with whole.database.write() as session:
            sleep_guards(session)
            session.connection().execute(text(f"UPDATE ledger SET {change} WHERE seq = 4"))
            bad = verify(session).first_bad
            session.rollback()
        check = "chain" if "prev_hash" in change else "hash"
        assert bad is not None and (bad.seq, bad.check) == (4, check), change
    assert whole.ledger.verify().ok


def test_a_made_up_hash_is_named(whole: Books) -> None:
    assert tampered(whole, f"UPDATE ledger SET hash = '{'f' * 64}' WHERE seq = 4") == (4, "hash")


def test_a_forged_entry_whose_own_hash_is_right_breaks_the_next(whole: Books) -> None:
    with whole.database.write() as session:
        sleep_guards(session)
        found = session.connection().execute(text("SELECT * FROM ledger WHERE seq = 4")).mappings().one()
        row = {**found, "user_id": "bob", "estimated": bool(found["estimated"])}
        moment = row["occurred_at"]
        row["occurred_at"] = whole.clock.now if isinstance(moment, str) else moment
        change = {"forged": entry_hash(row)}
        session.connection().execute(
            text("UPDATE ledger SET user_id = 'bob', hash = :forged WHERE seq = 4"), change
        )
    bad = whole.ledger.verify().first_bad
    assert bad is not None and (bad.seq, bad.check) == (5, "chain")


def test_a_removed_entry_is_a_gap_at_the_next(whole: Books) -> None:
    assert tampered(whole, "DELETE FROM ledger WHERE seq = 4") == (5, "gap")


def test_a_removed_first_entry_is_a_gap(whole: Books) -> None:
    assert tampered(whole, "DELETE FROM ledger WHERE seq = 1") == (2, "gap")


def test_a_removed_entry_whose_number_is_taken_over_breaks_the_chain(whole: Books) -> None:
    renumber = [f"UPDATE ledger SET seq = {seq - 1} WHERE seq = {seq}" for seq in range(5, 9)]
    assert tampered(whole, "DELETE FROM ledger WHERE seq = 4", *renumber) == (4, "chain")


def test_swapped_entries_break_the_chain(whole: Books) -> None:
    swap = (
        "UPDATE ledger SET seq = 99 WHERE seq = 4",
        "UPDATE ledger SET seq = 4 WHERE seq = 5",
        "UPDATE ledger SET seq = 5 WHERE seq = 99",
    )
    assert tampered(whole, *swap) == (4, "chain")


def test_a_cut_off_tail_differs_from_the_head(whole: Books) -> None:
    assert tampered(whole, "DELETE FROM ledger WHERE seq > 6") == (6, "head")


def test_an_emptied_ledger_differs_from_the_head(whole: Books) -> None:
    assert tampered(whole, "DELETE FROM ledger") == (0, "head")


def test_a_head_that_was_removed_is_noticed(whole: Books) -> None:
    assert tampered(whole, "DELETE FROM ledger_head") == (8, "head")


def test_a_tail_cut_off_with_its_head_differs_from_the_account(whole: Books) -> None:
    to_six = (
        "UPDATE ledger_head SET seq = 6, hash = (SELECT hash FROM ledger WHERE seq = 6)",
        "DELETE FROM ledger WHERE seq > 6",
    )
    assert tampered(whole, *to_six) == (6, "sum")


def test_an_account_that_is_not_the_sum_is_named(whole: Books) -> None:
    for change in ("spent_nano = spent_nano - 1", "held_nano = 5", "period = '2026-10'"):
        with whole.database.write() as session:
            session.connection().execute(text(f"UPDATE ledger_account SET {change}"))
            bad = verify(session).first_bad
            session.rollback()
        assert bad is not None and (bad.seq, bad.check) == (8, "sum"), change
        assert bad.period == ("2026-10" if "period" in change else "2026-11")


def test_an_account_that_is_gone_is_named(whole: Books) -> None:
    assert tampered(whole, "DELETE FROM ledger_account") == (8, "sum")


def _attacks(books: Books) -> Iterator[str]:
    yield "UPDATE ledger SET price_nano = 0"
    yield "UPDATE ledger SET hash = hash WHERE seq = 1"
    yield "DELETE FROM ledger WHERE seq = 8"
    if books.database.is_sqlite:
        yield "INSERT OR REPLACE INTO ledger SELECT * FROM ledger WHERE seq = 8"
        yield "UPDATE OR REPLACE ledger SET seq = 1 WHERE seq = 2"
    else:
        yield "TRUNCATE ledger"


def test_the_database_refuses_to_change_or_remove_entries(whole: Books) -> None:
    before = whole.ledger.entries()
    for attack in _attacks(whole):
        with pytest.raises(DatabaseError, match="append-only"):
            run(whole.database, attack)
    assert whole.ledger.entries() == before


def test_an_entry_of_an_unknown_kind_is_refused(whole: Books) -> None:
    columns = (
        "workspace_id, seq, id, kind, period, team, user_id, query_id, reservation_id, currency, price_book"
    )
    rest = (
        "held_nano, price_nano, cost_nano, baseline_nano, input_tokens, output_tokens, duration_ms, estimated"
    )
    with pytest.raises(DatabaseError, match="ledger_kind"):
        run(
            whole.database,
            f"INSERT INTO ledger ({columns}, {rest}, occurred_at, prev_hash, hash)"
            f" SELECT workspace_id, 9, 'new', 'gift', period, team, user_id, query_id, reservation_id,"
            f" currency, price_book, {rest}, occurred_at, prev_hash, hash FROM ledger WHERE seq = 8",
        )


def test_the_guards_are_there_by_name(sqlite_database: Database) -> None:
    with sqlite_database.read() as session:
        stored = session.connection().execute(text("SELECT sql FROM sqlite_master WHERE type = 'trigger'"))
        assert {sql for (sql,) in stored} >= set(LEDGER_GUARDS_SQLITE)


def test_a_hash_is_of_canonical_json_and_the_same_in_every_time_zone() -> None:
    moment = datetime(2026, 11, 10, 12, tzinfo=UTC)
    elsewhere = moment.astimezone(timezone(timedelta(hours=-5)))
    values = {"b": 1, "a": "é", "occurred_at": moment, "note": None}
    assert entry_hash(values) == entry_hash({"occurred_at": elsewhere, "a": "é", "b": 1, "hash": "any"})
    assert entry_hash(values) != entry_hash({**values, "note": ""})
    assert entry_hash(values) != entry_hash({**values, "b": True})
    # Fixed for ever: a ledger written today is verified by every later version.
    canonical = b'{"a":"\\u00e9","b":1,"occurred_at":"2026-11-10T12:00:00.000000+00:00"}'
    assert entry_hash(values) == hashlib.sha256(canonical).hexdigest()
