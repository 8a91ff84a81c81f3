"""A bucket: its keys in order, page by page, and one object at a time."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from app.core.errors import UnavailableError
from ingest.connector import ReadContext
from ingest.connectors.paths import PathPatterns
from ingest.connectors.s3.errors import GET, LIST, asking
from ingest.connectors.s3.settings import S3Settings

T = TypeVar("T")
PAGE_KEYS = 1_000
_ARCHIVED = frozenset({"GLACIER", "DEEP_ARCHIVE"})


@dataclass(frozen=True, slots=True)
class Listed:
    """An object as the listing tells it."""

    key: str
    revision: str
    size_bytes: int
    archived: bool


@dataclass(frozen=True, slots=True)
class Loaded:
    """An object that was read. `content` is none where there is more of it than asked for."""

    content: bytes | None
    revision: str
    size_bytes: int
    media_type: str | None
    author: str | None
    updated_at: datetime | None


class Bucket:
    """Lists and reads, at the pace of the host. The library behind it is loaded at the first call."""

    def __init__(self, settings: S3Settings, context: ReadContext) -> None:
        self._settings = settings
        self._context = context
        self._patterns = PathPatterns(settings.include, settings.exclude)
        self._made: Any = None

    def pages(self, after: str = "") -> Iterator[list[Listed]]:
        """Every object that is read, in the order of keys, from behind a key on.

        Raises:
            InputError: the store refuses.
            UnavailableError: it does not answer, or its pages do not go on.
        """
        for prefix in self._settings.chosen_prefixes:
            start = _start(prefix, after)
            if start is not None:
                yield from self._pages_of(prefix, start)

    def first(self) -> str | None:
        """The key of any one object, to try reading it."""
        for page in self.pages():
            for listed in page:
                if not listed.archived:
                    return listed.key
        return None

    def load(self, key: str, limit: int) -> Loaded:
        """Reads an object of at most `limit` bytes.

        Raises:
            botocore.exceptions.ClientError: this object cannot be read.
        """
        loaded: Loaded = self._ask(GET, lambda: self._get(key, limit))
        return loaded

    def close(self) -> None:
        if self._made is not None:
            self._made.close()
            self._made = None

    def _pages_of(self, prefix: str, after: str) -> Iterator[list[Listed]]:
        while True:
            answer = self._ask(LIST, lambda start=after: self._list(prefix, start))
            found = answer.get("Contents", [])
            keys = [str(item["Key"]) for item in found]
            if after and keys and keys[0].encode() <= after.encode():
                raise UnavailableError(
                    f"{self._settings.host} gives the same keys again and again after {after!r}. Tell those "
                    "who run it; nothing was removed.",
                    code="paging_repeats",
                )
            yield [listed for item in found if (listed := self._listed(item)) is not None]
            if not answer.get("IsTruncated") or not keys:
                return
            after = max(keys, key=str.encode)

    def _listed(self, item: Any) -> Listed | None:
        key = str(item["Key"])
        # A key that ends with a slash is how browsers of buckets make a folder.
        if key.endswith("/") or not self._patterns.wants(key):
            return None
        restored = not item.get("RestoreStatus", {}).get("IsRestoreInProgress", True)
        archived = item.get("StorageClass") in _ARCHIVED and not restored
        size = int(item.get("Size", 0))
        return Listed(key, _revision(item.get("ETag"), size, item.get("LastModified")), size, archived)

    def _list(self, prefix: str, after: str) -> Any:
        extra = {"StartAfter": after} if after else {}
        if not self._settings.endpoint:
            extra["OptionalObjectAttributes"] = ["RestoreStatus"]  # type: ignore[assignment]
        return self._client().list_objects_v2(
            Bucket=self._settings.bucket, Prefix=prefix, MaxKeys=PAGE_KEYS, **extra
        )

    def _get(self, key: str, limit: int) -> Loaded:
        answer = self._client().get_object(Bucket=self._settings.bucket, Key=key)
        size = int(answer.get("ContentLength", 0))
        body = answer["Body"]
        try:
            content = body.read(limit + 1) if size <= limit else None
        finally:
            body.close()
        if content is not None and len(content) > limit:
            content = None
        metadata = {str(name).lower(): str(text) for name, text in answer.get("Metadata", {}).items()}
        modified = answer.get("LastModified")
        return Loaded(
            content=content,
            revision=_revision(answer.get("ETag"), size, modified),
            size_bytes=size,
            media_type=answer.get("ContentType"),
            author=metadata.get("author"),
            updated_at=modified.astimezone(UTC) if modified else None,
        )

    def _ask(self, action: str, call: Any) -> Any:
        return self._context.calls.run(self._settings.host, lambda: asking(self._settings, action, call))

    def _client(self) -> Any:
        if self._made is None:
            import boto3
            from botocore import UNSIGNED
            from botocore.config import Config

            settings = self._settings
            config = Config(
                connect_timeout=15,
                read_timeout=60,
                # `context.calls` tries again, at the pace of the host.
                retries={"total_max_attempts": 1, "mode": "standard"},
                s3={"addressing_style": "path" if settings.path_style else "auto"},
                signature_version=UNSIGNED if settings.anonymous else None,
                # Stores other than Amazon do not know the newer checksums.
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
            )
            session = boto3.session.Session(
                aws_access_key_id=settings.access_key_id or None,
                aws_secret_access_key=settings.secret_access_key.get_secret_value() or None,
                aws_session_token=settings.session_token.get_secret_value() or None,
                region_name=settings.region,
            )
            self._made = session.client("s3", endpoint_url=settings.endpoint or None, config=config)
        return self._made


def _start(prefix: str, after: str) -> str | None:
    """Where the listing of a prefix begins; none where it lies before `after` altogether."""
    if after.startswith(prefix):
        return after
    return "" if prefix.encode() > after.encode() else None


def _revision(etag: object, size: int, modified: object) -> str:
    known = str(etag).strip('"') if etag else str(modified)
    return f"{known}-{size}"
