"""What an admin fills in for a web site."""

import re
from base64 import b64encode
from pathlib import Path
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic.config import JsonDict

from ingest.connector import ConnectorSettings, wrong_field
from ingest.connectors.paths import PATTERN_HELP
from ingest.connectors.web.addresses import normalise

_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_ADVANCED: JsonDict = {"advanced": True}


class WebSettings(ConnectorSettings):
    """What a web site needs."""

    start_urls: tuple[str, ...] = Field(
        min_length=1,
        title="Start addresses",
        description="Where reading begins, one address a line. Only pages on these hosts are read.",
        json_schema_extra={"placeholder": "https://handbook.example.com/", "where": True},
    )
    mode: Literal["both", "sitemap", "crawl"] = Field(
        default="both",
        title="How pages are found",
        description="By the site's sitemap, by following links (crawl), or by both.",
    )
    include: tuple[str, ...] = Field(
        default=(),
        title="Only these paths",
        description="Empty means all. Links are followed only from start pages and pages that match. "
        + PATTERN_HELP,
        json_schema_extra={"placeholder": "handbook/**"},
    )
    exclude: tuple[str, ...] = Field(
        default=(),
        title="Never these paths",
        description="Such pages are not asked for. " + PATTERN_HELP,
        json_schema_extra={"placeholder": "archive/"},
    )
    max_depth: int = Field(
        default=10, ge=0, le=100, title="Depth", description="How many links away from a start address."
    )
    max_pages: int = Field(
        default=20_000, ge=1, le=1_000_000, title="Pages at most", description="More are named as a failure."
    )
    subdomains: bool = Field(
        default=False,
        title="Subdomains too",
        description="Also read hosts below the start addresses' hosts, such as docs.example.com.",
    )
    user_name: str = Field(
        default="",
        title="User name",
        description="Where the site asks for a name and a password (basic).",
        json_schema_extra={"where": True},
    )
    password: SecretStr = Field(
        default=SecretStr(""), title="Password", description="Sent to the hosts of the start addresses only."
    )
    secret_header: SecretStr = Field(
        default=SecretStr(""),
        title="Secret header",
        description="Sent with each request to these hosts, such as `Authorization: Bearer …`.",
        json_schema_extra=_ADVANCED,
    )
    allowed_hosts: tuple[str, ...] = Field(
        default=(),
        title="Internal hosts",
        description="Hosts in your own network that may be called, one a line. All others must be public.",
        json_schema_extra={"placeholder": "wiki.corp.example", "where": True, **_ADVANCED},
    )
    sitemap_url: str = Field(
        default="",
        title="Sitemap",
        description="Where it is neither named in robots.txt nor at /sitemap.xml.",
        json_schema_extra=_ADVANCED,
    )
    requests_per_second: float = Field(
        default=5.0,
        gt=0,
        le=1000,
        title="Requests a second",
        description="At most so many. A slower pace in robots.txt (Crawl-delay) counts.",
        json_schema_extra=_ADVANCED,
    )
    max_pages_of_a_pattern: int = Field(
        default=2_000,
        ge=10,
        title="Pages of one pattern",
        description="Linked pages whose addresses differ in numbers only; more look like an endless "
        "calendar. Pages of the sitemap do not count.",
        json_schema_extra=_ADVANCED,
    )
    ca_file: Path | None = Field(
        default=None,
        title="Certificates",
        description="A PEM file with your company's own certificates, on the machine that runs Rung.",
        json_schema_extra={"where": True, **_ADVANCED},
    )

    @field_validator("start_urls")
    @classmethod
    def _starts(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(_address(url) for url in value if url.strip()))

    @field_validator("sitemap_url")
    @classmethod
    def _sitemap(cls, value: str) -> str:
        return _address(value) if value.strip() else ""

    @field_validator("secret_header")
    @classmethod
    def _header(cls, value: SecretStr) -> SecretStr:
        text = value.get_secret_value().strip()
        name, colon, content = text.partition(":")
        fits = _HEADER_NAME.fullmatch(name.strip()) and content.strip() and text.isascii()
        if text and not (colon and fits and text.isprintable()):
            raise ValueError("write it as Name: value")
        return SecretStr(text)

    @model_validator(mode="after")
    def _some_start(self) -> Self:
        if not self.start_urls:
            raise wrong_field("start_urls", "Name at least one start address.")
        return self

    def secret_headers(self) -> dict[str, str]:
        """What signs in, as headers."""
        found = {}
        if self.user_name:
            pair = f"{self.user_name}:{self.password.get_secret_value()}".encode()
            found["Authorization"] = f"Basic {b64encode(pair).decode()}"
        name, _, content = self.secret_header.get_secret_value().partition(":")
        if name:
            found[name.strip()] = content.strip()
        return found


def _address(url: str) -> str:
    text = url.strip()
    if "://" not in text:
        text = f"https://{text}"
    if urlsplit(text).username is not None:
        raise ValueError("leave name and password out of the address; they have fields of their own")
    found = normalise(text)
    if found is None:
        raise ValueError("write an http or https address")
    return found
