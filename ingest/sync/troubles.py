"""What becomes of a run whose source, index or database let it down."""

import errno
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from app.core.errors import RungError, UnavailableError
from ingest.remote import SourceWaitError

BACKOFF = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15, 60))
MOST_ATTEMPTS = 6
_SHORTEST_WAIT = timedelta(seconds=5)
_NO_ROOM = ("no space left on device", "database or disk is full", "could not extend file", "disk quota")


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run goes on (`waiting`, for `wait`) or ends (`failed`), and why."""

    state: Literal["waiting", "failed"]
    code: str
    message: str
    wait: timedelta | None = None


def ending_of(error: Exception, attempts: int) -> Ending:
    """What an error means for a run that met `attempts` of the kind in a row before."""
    if is_disk_full(error):
        return Ending(
            "failed",
            "disk_full",
            "There is no room left on the disk. What was indexed is kept; free some space, then sync again.",
        )
    if isinstance(error, SourceWaitError) and error.code == SourceWaitError.default_code:
        # Asked to wait, again and again, it never fails; but each time in a row it asks less often.
        least = BACKOFF[min(attempts, len(BACKOFF)) - 1] if attempts else _SHORTEST_WAIT
        asked = timedelta(seconds=error.retry_after_seconds)
        return Ending("waiting", error.code, error.message, max(asked, least))
    if isinstance(error, UnavailableError):
        if attempts + 1 >= MOST_ATTEMPTS:
            message = f"{error.message} It was tried {MOST_ATTEMPTS} times; the next sync tries again."
            return Ending("failed", error.code, message)
        wait = BACKOFF[min(attempts, len(BACKOFF) - 1)]
        if isinstance(error, SourceWaitError):
            wait = max(wait, timedelta(seconds=error.retry_after_seconds))
        return Ending("waiting", error.code, error.message, wait)
    if isinstance(error, RungError):
        return Ending("failed", error.code, error.message)
    message = f"The sync broke off ({type(error).__name__}: {error}); look into the log, then sync again."
    return Ending("failed", "internal_error", message)


def is_disk_full(error: BaseException | None) -> bool:
    """Whether the cause of an error is that there is no room to write."""
    seen = set[int]()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        if any(words in str(error).lower() for words in _NO_ROOM):
            return True
        error = error.__cause__ or error.__context__
    return False
