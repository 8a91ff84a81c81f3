"""What a WebDAV folder needs to be read."""

from pathlib import Path
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator

from ingest.connector import ConnectorSettings
from ingest.connectors.paths import PATTERN_HELP


class WebdavSettings(ConnectorSettings):
    """One folder, with all that is below it."""

    address: str = Field(
        title="Address",
        description="The folder's WebDAV address. Nextcloud shows it in the files' settings.",
        json_schema_extra={
            "placeholder": "https://cloud.example.com/remote.php/dav/files/ann/Handbook",
            "where": True,
        },
    )
    username: str = Field(
        "",
        title="User name",
        description="Empty where the folder is open to all.",
        json_schema_extra={"where": True},
    )
    password: SecretStr = Field(
        SecretStr(""),
        title="Password",
        description="Best an app password that can only read; Nextcloud makes one under Security.",
    )
    bearer_token: SecretStr = Field(
        SecretStr(""),
        title="Bearer token",
        description="In place of user name and password, for servers that take one.",
        json_schema_extra={"advanced": True},
    )
    include: tuple[str, ...] = Field((), title="Only these paths", description=PATTERN_HELP)
    exclude: tuple[str, ...] = Field((), title="Leave out", description=PATTERN_HELP)
    requests_per_second: float = Field(
        10.0,
        gt=0,
        le=1000,
        title="Requests a second",
        description="How often the server is asked at most.",
        json_schema_extra={"advanced": True},
    )
    ca_file: Path | None = Field(
        None,
        title="Certificate authority",
        description="A PEM file with the company's own authority, where the server's certificate is from it.",
        json_schema_extra={"advanced": True, "where": True},
    )

    @field_validator("address")
    @classmethod
    def _folder(cls, value: str) -> str:
        parts = urlsplit(value.strip())
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("give an address that begins with https:// or http://")
        if parts.username or parts.password:
            raise ValueError("put the user name and the password into their own fields")
        if parts.query or parts.fragment:
            raise ValueError("leave out what follows ? or #; write # in a name as %23")
        _ = parts.port
        return value.strip().rstrip("/") + "/"

    @property
    def host(self) -> str:
        return urlsplit(self.address).hostname or ""
