import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, timedelta
from uuid import RFC_4122, UUID

import pytest

from app.core.clock import new_id, utc_now


def test_now_is_in_utc() -> None:
    assert utc_now().tzinfo == UTC
    assert utc_now().utcoffset() == timedelta(0)


def test_an_id_is_a_uuid_of_version_7() -> None:
    before_ms = time.time_ns() // 1_000_000
    parsed = UUID(new_id())
    assert (parsed.version, parsed.variant) == (7, RFC_4122)
    assert str(parsed) == str(parsed).lower()
    # Ids of a busy millisecond run a little ahead of the clock.
    assert before_ms <= parsed.int >> 80 <= time.time_ns() // 1_000_000 + 60_000


def test_ids_of_one_thread_are_ordered_also_within_a_millisecond() -> None:
    ids = [new_id() for _ in range(20_000)]
    assert len(set(ids)) == len(ids)
    assert ids == sorted(ids)


def test_ids_made_at_once_in_many_threads_are_unique_and_ordered_in_each() -> None:
    with ThreadPoolExecutor(16) as threads:
        batches = list(threads.map(lambda _: [new_id() for _ in range(500)], range(16)))
    made = [one for batch in batches for one in batch]
    assert len(set(made)) == len(made)
    assert all(batch == sorted(batch) for batch in batches)


def test_a_clock_that_goes_back_does_not_break_the_order(monkeypatch: pytest.MonkeyPatch) -> None:
    before = new_id()
    real = time.time_ns()
    monkeypatch.setattr("app.core.clock.time.time_ns", lambda: real - 3_600 * 10**9)
    assert before < new_id() < new_id()
