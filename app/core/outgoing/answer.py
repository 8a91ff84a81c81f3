"""Reading an answer, with limits."""

import time
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx

from app.core.outgoing.error import OutgoingError, reaching

_LONGEST_RETRY_SECONDS = 86_400.0
_DECODE_BYTES = 65_536


def read_limited(response: httpx.Response, max_bytes: int, *, within_seconds: float = 300.0) -> bytes:
    """The body, decompressed step by step, so that a small answer cannot become a large one in memory.

    Raises:
        OutgoingError: `too_large`; `source_timeout` when it takes longer in all; `unreadable_answer`.
    """
    host = response.request.url.host
    declared = response.headers.get("content-length", "")
    decoder = _decoder(response, host)
    if decoder is None and declared.isascii() and declared.isdigit() and int(declared) > max_bytes:
        raise _too_large(host, max_bytes)
    until = time.monotonic() + within_seconds
    parts: list[bytes] = []
    size = 0
    with reaching(host):
        for raw in response.iter_raw():
            for part in decoder.parts(raw) if decoder is not None else (raw,):
                size += len(part)
                if size > max_bytes:
                    raise _too_large(host, max_bytes)
                parts.append(part)
            if time.monotonic() > until:
                raise OutgoingError(
                    f"{host} sends too slowly: not whole after {within_seconds:.0f} seconds.",
                    code="source_timeout",
                    passing=True,
                )
    if decoder is not None:
        decoder.end()
    return b"".join(parts)


def retry_after_seconds(response: httpx.Response, *, now: datetime | None = None) -> float | None:
    """How long the host asks to be left alone (Retry-After: seconds or a date), at most a day."""
    text = response.headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:9]), _LONGEST_RETRY_SECONDS)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    wait = (moment - (now or datetime.now(UTC))).total_seconds()
    return min(max(wait, 0.0), _LONGEST_RETRY_SECONDS)


def _too_large(host: str, max_bytes: int) -> OutgoingError:
    return OutgoingError(f"{host} sends more than the {max_bytes:,} bytes allowed.", code="too_large")


class _Decoder:
    """Decompresses in small steps."""

    def __init__(self, window_bits: int, host: str) -> None:
        self._inflate = zlib.decompressobj(window_bits)
        self._host = host
        self._begun = False

    def parts(self, raw: bytes) -> Iterator[bytes]:
        try:
            while raw and not self._inflate.eof:
                self._begun = True
                yield self._inflate.decompress(raw, _DECODE_BYTES)
                raw = self._inflate.unconsumed_tail
        except zlib.error as error:
            raise OutgoingError(
                f"{self._host} sends damaged compressed data.", code="unreadable_answer"
            ) from error

    def end(self) -> None:
        if self._begun and not self._inflate.eof:
            raise OutgoingError(
                f"{self._host} sent compressed data without its end.", code="unreadable_answer", passing=True
            )


def _decoder(response: httpx.Response, host: str) -> _Decoder | None:
    encoding = response.headers.get("content-encoding", "").strip().lower()
    if encoding in ("", "identity"):
        return None
    if encoding in ("gzip", "x-gzip"):
        return _Decoder(zlib.MAX_WBITS | 32, host)
    if encoding == "deflate":
        return _Decoder(zlib.MAX_WBITS, host)
    raise OutgoingError(
        f"{host} sends data as {encoding[:40]!r} although that was not asked for.", code="unreadable_answer"
    )
