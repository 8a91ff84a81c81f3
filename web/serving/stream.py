"""Server-sent events from a blocking source, without holding up the threads that answer pages."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

from anyio import CapacityLimiter, to_thread
from starlette.responses import StreamingResponse

from web.serving.metrics import Metrics

KEEP_ALIVE = ": still here\n\n"
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


@dataclass(frozen=True, slots=True)
class ServerEvent:
    """One event. `data` may have several lines and may not be empty: browsers drop an empty event."""

    name: str
    data: str
    id: int | None = None

    def encode(self) -> str:
        lines = [f"id: {self.id}"] if self.id is not None else []
        lines.append(f"event: {self.name}")
        lines += [f"data: {line}" for line in self.data.replace("\r", "").split("\n")]
        return "\n".join(lines) + "\n\n"


class Streams:
    """Sends streams. Each one holds a thread while it waits, taken from a pool of its own."""

    def __init__(self, metrics: Metrics, *, most: int = 200) -> None:
        self._metrics = metrics
        self._most = most
        self._limiter: CapacityLimiter | None = None

    def response(self, events: Iterator[ServerEvent | None]) -> StreamingResponse:
        """A response of these events; `None` sends a comment that keeps the connection open."""
        return StreamingResponse(self._send(events), media_type="text/event-stream", headers=_HEADERS)

    async def _send(self, events: Iterator[ServerEvent | None]) -> AsyncIterator[str]:
        # A limiter belongs to the running event loop, so it is made by the first stream.
        limiter = self._limiter = self._limiter or CapacityLimiter(self._most)
        done = object()
        with self._metrics.streams.track_inprogress():
            while True:
                event = await to_thread.run_sync(next, events, done, limiter=limiter, abandon_on_cancel=True)
                if event is done:
                    return
                yield event.encode() if isinstance(event, ServerEvent) else KEEP_ALIVE


def last_event_id(text: str | None) -> int:
    """Where a browser that comes back wants to go on: 0 for the beginning or for nonsense."""
    return int(text) if text and text.isdigit() and len(text) < 12 else 0
