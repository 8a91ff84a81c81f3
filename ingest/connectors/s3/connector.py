"""Reads a bucket: everything that its listing names, compared by ETag and size."""

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import ClassVar

from botocore.exceptions import ClientError

from app.core.errors import RungError
from ingest.connector import (
    About,
    Change,
    Check,
    Checkpoint,
    ConnectorSettings,
    Delete,
    Estimate,
    Failure,
    Finding,
    KnownRevision,
    ReadContext,
    Unchanged,
    Upsert,
)
from ingest.connectors.paths import printable, unprintable
from ingest.connectors.s3.bucket import Bucket, Listed
from ingest.connectors.s3.errors import GET, code_of, permission_missing
from ingest.connectors.s3.settings import S3Settings
from ingest.document import SourceDocument
from ingest.parsing.formats import supports, unsupported

_CHECKPOINT_EVERY = 50
_ESTIMATED_PAGES = 20
_DENIED_IN_A_ROW = 25
_DENIED = frozenset({"AccessDenied", "403"})
_GONE = frozenset({"NoSuchKey", "NoSuchVersion", "404"})


class S3Connector:
    """Reads a bucket's newest versions. Ids are keys; what has a delete marker is not listed."""

    kind: ClassVar[str] = "s3"
    about: ClassVar[About] = About(
        title="S3 bucket",
        summary="Files in Amazon S3, MinIO, Ceph, R2 and other stores that speak S3.",
        needs="The bucket's name and a key that may list and read it (s3:ListBucket, s3:GetObject).",
        tells_access=False,
    )
    settings_type: ClassVar[type[ConnectorSettings]] = S3Settings
    lists_quickly: ClassVar[bool] = False

    def __init__(self, settings: S3Settings, context: ReadContext) -> None:
        self._settings = settings
        self._context = context
        self._bucket = Bucket(settings, context)
        self._denied: int | None = 0

    def check(self) -> Check:
        """Whether the bucket can be listed, and one object of it be read."""
        findings: list[Finding] = []
        try:
            key = self._bucket.first()
            findings.append(Finding(True, f"{self._settings.host} was reached, the bucket can be listed."))
            if key is None:
                return Check(True, "The bucket can be read; nothing in it is chosen yet.", tuple(findings))
            self._bucket.load(key, 0)
        except ClientError as error:
            return self._refused(findings, error)
        except RungError as error:
            findings.append(Finding(False, "Listing the bucket", error.message))
            return Check(False, error.message, tuple(findings))
        findings.append(Finding(True, "Objects can be read."))
        return Check(True, f"The bucket {self._settings.bucket} can be read.", tuple(findings))

    def estimate(self) -> Estimate:
        """See `Connector.estimate`. Counts up to twenty pages of keys."""
        documents = size = 0
        for number, page in enumerate(self._bucket.pages()):
            if number == _ESTIMATED_PAGES:
                return Estimate(documents, size, at_least=True)
            documents += len(page)
            size += sum(listed.size_bytes for listed in page)
        return Estimate(documents, size)

    def pull(self, checkpoint: str, known: KnownRevision) -> Iterator[Change]:
        """See `Connector.pull`. A checkpoint is the last key."""
        since = 0
        for page in self._bucket.pages(unprintable(checkpoint)):
            for listed in page:
                yield self._change(listed, known)
                since += 1
                if since == _CHECKPOINT_EVERY:
                    yield Checkpoint(printable(listed.key))
                    since = 0
        yield Checkpoint("", last=True)

    def fetch(self, external_id: str) -> Upsert | Delete | Failure:
        """See `Connector.fetch`."""
        key = unprintable(external_id)
        change = self._read(key)
        return Delete(external_id) if isinstance(change, Failure) and change.code == "vanished" else change

    def list_ids(self) -> Iterator[str]:
        """See `Connector.list_ids`."""
        for page in self._bucket.pages():
            for listed in page:
                yield printable(listed.key)

    def close(self) -> None:
        """Gives connections back."""
        self._bucket.close()

    def _change(self, listed: Listed, known: KnownRevision) -> Change:
        external_id, limit = printable(listed.key), self._context.max_file_bytes
        if known(external_id) == listed.revision:
            return Unchanged(external_id, self._context.default_access)
        if listed.archived:
            return self._failure(listed.key, "archived", _ARCHIVED)
        if listed.size_bytes > limit:
            return self._too_large(listed.key, listed.size_bytes)
        # Without a suffix only the object itself says what it is.
        if PurePosixPath(listed.key).suffix and not supports(listed.key):
            error = unsupported(external_id)
            return self._failure(listed.key, error.code, error.reason)
        change = self._read(listed.key)
        self._count_denied(change)
        return change

    def _read(self, key: str) -> Upsert | Failure:
        external_id = printable(key)
        try:
            loaded = self._bucket.load(key, self._context.max_file_bytes)
        except ClientError as error:
            return self._object_refused(key, error)
        if not supports(key, loaded.media_type):
            unread = unsupported(external_id)
            return self._failure(key, unread.code, unread.reason)
        if loaded.content is None:
            return self._too_large(key, loaded.size_bytes)
        return Upsert(
            SourceDocument(
                external_id=external_id,
                file_name=PurePosixPath(external_id).name,
                content=loaded.content,
                revision=loaded.revision,
                access=self._context.default_access,
                url=self._settings.link_to(key),
                author=loaded.author,
                updated_at=loaded.updated_at,
                media_type=None if supports(key) else loaded.media_type,
            )
        )

    def _object_refused(self, key: str, error: ClientError) -> Failure:
        code = code_of(error)
        message = str(error.response.get("Error", {}).get("Message", ""))
        if code in _GONE:
            return self._failure(key, "vanished", "It was there when the bucket was listed and is gone now.")
        if code == "InvalidObjectState":
            return self._failure(key, "archived", _ARCHIVED)
        if code in _DENIED and "kms" in message.lower():
            return self._failure(
                key, "permission_denied", "Give the key the right kms:Decrypt on its KMS key."
            )
        if code in _DENIED:
            return self._failure(
                key, "permission_denied", "The key may not read it; give it s3:GetObject for this object."
            )
        if code in ("InvalidRequest", "400") and ("ncryption" in message or not message):
            return self._failure(
                key,
                "customer_key",
                "It is encrypted with its owner's own key (SSE-C); store it with SSE-S3 or SSE-KMS.",
            )
        return self._failure(key, "unreadable", f"The store refused it: {code or 'no reason given'}.")

    def _count_denied(self, change: Change) -> None:
        """A right that is missing for all is one error of the source's, not one failure for each object."""
        if isinstance(change, Upsert):
            self._denied = None
        elif self._denied is not None and isinstance(change, Failure) and change.code == "permission_denied":
            self._denied += 1
            if self._denied == _DENIED_IN_A_ROW:
                raise permission_missing(self._settings, GET)

    def _refused(self, findings: list[Finding], error: ClientError) -> Check:
        denied = code_of(error) in _DENIED
        message = (
            permission_missing(self._settings, GET).message
            if denied
            else f"An object could be listed but not read: {code_of(error)}."
        )
        findings.append(Finding(False, "Reading an object", message))
        # One odd object does not speak for the bucket; a missing right does.
        return Check(not denied, message, tuple(findings))

    def _too_large(self, key: str, size: int) -> Failure:
        limit = self._context.max_file_bytes
        reason = f"{size:,} bytes are more than the {limit:,} allowed (RUNG_MAX_FILE_BYTES)."
        return self._failure(key, "too_large", reason)

    def _failure(self, key: str, code: str, reason: str) -> Failure:
        return Failure(printable(key), code, reason, self._context.default_access)


_ARCHIVED = "It lies in an archive class; restore it at the store, then try it again."
