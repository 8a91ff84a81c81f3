"""The updates of a running answer, with a sign of life whenever nothing comes for a while."""

from collections.abc import Iterator

from app.core.errors import UnavailableError
from app.core.identity import Caller
from routing.runner import AskRunner
from routing.updates import ProblemUpdate, Update

SIGN_OF_LIFE_SECONDS = 15.0
_LONGEST_SILENCE_SECONDS = 330.0


def follow(
    asks: AskRunner, caller: Caller, query_id: str, *, wait_seconds: float = SIGN_OF_LIFE_SECONDS
) -> Iterator[tuple[int, Update] | None]:
    """Each update with its position, from the first; `None` for a silence, so that connections stay open.

    A silence of several minutes ends with a problem `answer_timeout`; the answer itself goes on.

    Raises:
        NotFoundError: `no_such_query`, at once, also for another person's.
    """
    first = asks.follow(query_id, caller, 0, wait_seconds=wait_seconds)
    return _patiently(asks, caller, query_id, first, wait_seconds)


def _patiently(
    asks: AskRunner,
    caller: Caller,
    query_id: str,
    updates: Iterator[tuple[int, Update]],
    wait_seconds: float,
) -> Iterator[tuple[int, Update] | None]:
    position, silent_seconds = 0, 0.0
    while True:
        try:
            for position, update in updates:
                silent_seconds = 0.0
                yield position, update
        except UnavailableError as error:
            silent_seconds += wait_seconds
            if error.code != "answer_timeout" or silent_seconds > _LONGEST_SILENCE_SECONDS:
                yield position + 1, ProblemUpdate(query_id, error.code, error.message)
                return
            yield None
            updates = asks.follow(query_id, caller, position, wait_seconds=wait_seconds)
        else:
            return


def wait_for(asks: AskRunner, caller: Caller, query_id: str) -> list[Update]:
    """All updates of an answer, once it has ended. Raises as `follow` does."""
    return [item[1] for item in follow(asks, caller, query_id) if item is not None]
