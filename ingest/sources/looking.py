"""Short looks at a source while it is set up: a check, an estimate, some documents. Nothing is stored."""

import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from app.core.errors import ConflictError, UnavailableError
from app.core.identity import NOBODY, AccessList
from ingest.connector import Connector, ConnectorSettings, ReadContext
from ingest.connectors import connector_type
from ingest.remote import RemoteCalls

T = TypeVar("T")


@dataclass(slots=True)
class _Outcome(Generic[T]):
    value: T | None = None
    error: BaseException | None = None
    done: bool = False


class Looks:
    """Looks at sources, each in a thread of its own and for a limited time.

    Args:
        seconds: the longest that a look may take.
        most_at_once: looks beyond that are refused, so that slow sources cannot use up all threads.
    """

    def __init__(
        self, *, max_file_bytes: int = 100_000_000, seconds: float = 30.0, most_at_once: int = 6
    ) -> None:
        self.seconds = seconds
        self._max_file_bytes = max_file_bytes
        self._places = threading.BoundedSemaphore(most_at_once)

    def look(
        self,
        kind: str,
        settings: ConnectorSettings,
        look: Callable[[Connector, Callable[[], bool]], T],
        *,
        default_access: AccessList = NOBODY,
        partial: Callable[[], T] | None = None,
    ) -> T:
        """What `look` finds with the source's connector; its second argument tells when time is up.

        Args:
            partial: what there is when time is up; without it that is an error.

        Raises:
            UnavailableError: `source_too_slow`, or what the connector raises.
            InputError: the source refuses these settings.
            ConflictError: `too_many_looks`.
        """
        if not self._places.acquire(blocking=False):
            raise ConflictError(
                "Several sources are being looked at already; try again in a minute.", code="too_many_looks"
            )
        stop, outcome = threading.Event(), _Outcome[T]()

        def run() -> None:
            try:
                with self._connector(kind, settings, default_access, stop) as connector:
                    outcome.value = look(connector, stop.is_set)
                    outcome.done = True
            except BaseException as error:  # noqa: BLE001 - raised below, in the thread that asked
                outcome.error = error
            finally:
                self._places.release()

        thread = threading.Thread(target=run, name="source-look", daemon=True)
        thread.start()
        thread.join(self.seconds)
        stop.set()
        if outcome.done and outcome.error is None:
            return outcome.value  # type: ignore[return-value]  # `done` says that it is there
        if outcome.error is not None:
            raise outcome.error
        if partial is not None:
            return partial()
        raise UnavailableError(
            f"The source did not answer within {self.seconds:g} seconds. Check its address, and whether a "
            "firewall lies between; then try again.",
            code="source_too_slow",
        )

    @contextmanager
    def _connector(
        self, kind: str, settings: ConnectorSettings, default_access: AccessList, stop: threading.Event
    ) -> Iterator[Connector]:
        scratch = Path(tempfile.mkdtemp(prefix="rung-look-"))
        try:
            context = ReadContext(
                default_access=default_access,
                max_file_bytes=self._max_file_bytes,
                scratch=scratch,
                calls=RemoteCalls(tries=2, longest_wait_seconds=5.0),
                stopping=stop.is_set,
            )
            with closing(connector_type(kind)(settings, context)) as connector:
                yield connector
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
