"""The one place that reads the time, so that tests can set it, and the one that makes identifiers."""

import os
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID

Clock = Callable[[], datetime]
"""Returns the present moment in UTC, with its time zone."""


def utc_now() -> datetime:
    """The present moment in UTC, with its time zone."""
    return datetime.now(UTC)


_id_lock = threading.Lock()
_last_ms = 0
_sequence = 0


def new_id() -> str:
    """A new UUID version 7 (RFC 9562) in its usual text form: ordered by time, also within a millisecond."""
    global _last_ms, _sequence
    with _id_lock:
        now_ms = time.time_ns() // 1_000_000
        if now_ms > _last_ms:
            _last_ms, _sequence = now_ms, int.from_bytes(os.urandom(1))
        else:
            _sequence += 1
            if _sequence > 0xFFF:
                _last_ms, _sequence = _last_ms + 1, 0
        value = (_last_ms << 80) | (0x7 << 76) | (_sequence << 64) | (0b10 << 62)
    return str(UUID(int=value | (int.from_bytes(os.urandom(8)) & ((1 << 62) - 1))))
