"""What an admin fills in for a bucket."""

import re
from typing import Self
from urllib.parse import quote, urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from ingest.connector import ConnectorSettings, wrong_field
from ingest.connectors.paths import PATTERN_HELP

_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,254}")


class S3Settings(ConnectorSettings):
    """What an S3 source needs."""

    bucket: str = Field(
        title="Bucket",
        description="The bucket's name alone, without s3:// or a folder.",
        json_schema_extra={"where": True},
    )
    endpoint: str = Field(
        "",
        title="Address of the store",
        description="For MinIO, Ceph, Cloudflare R2 and other stores that speak S3. Empty means Amazon.",
        json_schema_extra={"placeholder": "https://minio.example.com:9000", "where": True},
    )
    region: str = Field(
        "us-east-1",
        title="Region",
        description="Where the bucket lies. Stores other than Amazon take any.",
        json_schema_extra={"where": True},
    )
    access_key_id: str = Field(
        "",
        title="Access key",
        description="The public half of a key that may list and read the bucket.",
        json_schema_extra={"where": True},
    )
    secret_access_key: SecretStr = Field(
        SecretStr(""), title="Secret key", description="The secret half of that key."
    )
    session_token: SecretStr = Field(
        SecretStr(""),
        title="Session token",
        description="Only of keys that hold for a while. The source stops when they run out.",
        json_schema_extra={"advanced": True},
    )
    anonymous: bool = Field(
        False, title="Without a key", description="For a bucket that anybody may read: no key is sent."
    )
    prefixes: tuple[str, ...] = Field(
        (),
        title="Prefixes",
        description="Read only keys that begin with one of these, one a line. Empty means all.",
        json_schema_extra={"placeholder": "handbook/"},
    )
    include: tuple[str, ...] = Field((), title="Only these keys", description=PATTERN_HELP)
    exclude: tuple[str, ...] = Field((), title="Not these keys", description=PATTERN_HELP)
    link: str = Field(
        "",
        title="Web address of a file",
        description="Where people open a file in the browser; {key} is filled in. Empty: s3://bucket/key.",
        json_schema_extra={"placeholder": "https://files.example.com/{key}", "advanced": True},
    )
    path_style: bool = Field(
        False,
        title="Bucket in the path",
        description="Ask https://store/bucket/key and not https://bucket.store/key. Most stores of one's own "
        "want it.",
        json_schema_extra={"advanced": True, "where": True},
    )

    @field_validator("bucket")
    @classmethod
    def _a_name(cls, value: str) -> str:
        name = value.strip()
        if not _BUCKET.fullmatch(name):
            raise ValueError("write the bucket's name alone, such as company-documents")
        return name

    @field_validator("endpoint")
    @classmethod
    def _an_address(cls, value: str) -> str:
        address = value.strip().rstrip("/")
        if not address:
            return ""
        parts = urlsplit(address)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("it begins with https:// and names a machine")
        if parts.username or parts.password:
            raise ValueError("leave the key out of the address; it has fields of its own")
        if parts.query or parts.fragment:
            raise ValueError("write the address alone, without anything after it")
        return address

    @field_validator("region")
    @classmethod
    def _a_region(cls, value: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9-]{1,63}", value.strip()):
            raise ValueError("write a region, such as eu-west-1")
        return value.strip()

    @field_validator("link")
    @classmethod
    def _fillable(cls, value: str) -> str:
        if set(re.findall(r"\{([^{}]*)\}", value)) - {"key"}:
            raise ValueError("only {key} is filled in")
        if value and not value.startswith(("https://", "http://")):
            raise ValueError("it begins with https://")
        return value.strip()

    @model_validator(mode="after")
    def _one_way_in(self) -> Self:
        if self.anonymous and self.access_key_id:
            raise wrong_field("anonymous", "Either give a key or read without one.")
        if bool(self.access_key_id) != bool(self.secret_access_key.get_secret_value()):
            missing = "secret_access_key" if self.access_key_id else "access_key_id"
            raise wrong_field(missing, "An access key and its secret key belong together.")
        if not self.anonymous and not self.access_key_id:
            text = "Give an access key and its secret key, or choose to read without a key."
            raise wrong_field("access_key_id", text)
        return self

    @property
    def host(self) -> str:
        """The machine that is asked, for its pace and for messages."""
        return urlsplit(self.endpoint).netloc or f"s3.{self.region}.amazonaws.com"

    @property
    def chosen_prefixes(self) -> tuple[str, ...]:
        """The prefixes in the order of keys; one that lies within another is left out."""
        kept: list[str] = []
        for prefix in sorted({p.strip() for p in self.prefixes if p.strip()}, key=str.encode):
            if not any(prefix.startswith(other) for other in kept):
                kept.append(prefix)
        return tuple(kept) or ("",)

    def link_to(self, key: str) -> str:
        """Where an object is opened."""
        quoted = quote(key)
        return self.link.replace("{key}", quoted) if self.link else f"s3://{self.bucket}/{quoted}"
