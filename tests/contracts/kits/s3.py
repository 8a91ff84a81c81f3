"""A bucket of moto's server."""

from pathlib import Path
from uuid import uuid4

from pydantic import SecretStr

from ingest.connector import Connector
from ingest.connectors.s3 import S3Connector, S3Settings
from tests.contracts.kits.shared import ITEMS, context, s3


class S3Kit:
    """Objects under three prefixes, and one in an archive class."""

    def __init__(self, folder: Path, *, items: int = ITEMS) -> None:
        self._client = s3().client()
        self._bucket = f"b{uuid4().hex}"
        self._forbidden = False
        self._client.create_bucket(Bucket=self._bucket)
        for number in range(items):
            self._put(f"part {number % 3}/page-{number}.md", f"# Page {number}\n\nText of {number}.\n")
        self._put(self.unreadable_id(), "cold", StorageClass="GLACIER")

    def _put(self, key: str, text: str, **more: str) -> None:
        self._client.put_object(Bucket=self._bucket, Key=key, Body=text.encode(), **more)

    def settings(self) -> S3Settings:
        return S3Settings(
            bucket=self._bucket,
            endpoint=s3().url,
            access_key_id="AKIATEST",
            secret_access_key=SecretStr("not-a-secret"),
            path_style=True,
        )

    def connector(self) -> Connector:
        made = S3Connector(self.settings(), context())
        if self._forbidden:
            made._bucket.load = _refuse  # type: ignore[method-assign,assignment]
        return made

    def change_one(self) -> str:
        self._put("part 2/page-2.md", "# Page 2\n\nChanged, and longer than before.\n")
        return "part 2/page-2.md"

    def remove_one(self) -> str:
        self._client.delete_object(Bucket=self._bucket, Key="part 0/page-3.md")
        return "part 0/page-3.md"

    def forbid_reading(self) -> None:
        self._forbidden = True

    def unreadable_id(self) -> str:
        return "part 1/a broken.md"


def _refuse(*_: object) -> None:
    raise AssertionError("an unchanged item was read")
