"""What a mailbox needs to be read."""

import ipaddress
from datetime import date
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, field_validator, model_validator

from app.core.errors import InputError
from app.core.identity import normalise_email
from ingest.connector import ConnectorSettings, wrong_field


class ImapSettings(ConnectorSettings):
    """One account on one server."""

    host: str = Field(
        title="Server",
        description="The name of the IMAP server, without imap:// and without a port.",
        json_schema_extra={"placeholder": "imap.example.com", "where": True},
    )
    port: int = Field(
        993,
        ge=1,
        le=65535,
        title="Port",
        description="993 for TLS from the start, 143 for STARTTLS or none.",
        json_schema_extra={"where": True},
    )
    tls: Literal["tls", "starttls", "none"] = Field(
        "tls",
        title="Encryption",
        description="TLS from the start, STARTTLS, or none: none sends the password in the clear.",
        json_schema_extra={"where": True},
    )
    allow_unencrypted: bool = Field(
        False,
        title="Send the password unencrypted",
        description="Needed with no encryption, unless the server is this machine.",
        json_schema_extra={"advanced": True, "where": True},
    )
    username: str = Field(
        min_length=1,
        title="User name",
        description="As the server knows it, often the e-mail address.",
        json_schema_extra={"where": True},
    )
    password: SecretStr = Field(
        SecretStr(""),
        title="Password",
        description="Many providers want an app password here, made in the account's security settings.",
    )
    oauth_token: SecretStr = Field(
        SecretStr(""),
        title="OAuth access token",
        description="In place of a password, for servers that want XOAUTH2.",
        json_schema_extra={"advanced": True},
    )
    mailbox_owner: str = Field(
        "",
        title="Owner of the mailbox",
        description="The e-mail address of the person who may read the private folders; the user name, where "
        "that is an e-mail address. Without either nobody reads them.",
    )
    folders: tuple[str, ...] = Field(
        (),
        title="Folders",
        description="One pattern a line, such as INBOX or Projects/*; all folders where none is given.",
    )
    exclude_folders: tuple[str, ...] = Field(
        ("Trash", "Junk", "Spam", "Drafts"),
        title="Folders to leave out",
        description="One pattern a line. Folders that the server marks as bin, junk, drafts or all mail are "
        "left out as well, unless a pattern above names them.",
    )
    since: str = Field(
        "", title="Since", description="Mail that arrived before this day is left out: 2024-01-31."
    )
    threads: bool = Field(
        True,
        title="Threads as documents",
        description="One document for each thread of a folder, else each mail.",
    )
    attachments: bool = Field(
        True,
        title="Attachments",
        description="Read attachments as documents of their own, with the same access.",
    )
    ca_file: Path | None = Field(
        None,
        title="Certificate authority",
        description="A PEM file with the company's own authority, where the server's certificate is from it.",
        json_schema_extra={"advanced": True, "where": True},
    )

    @field_validator("host")
    @classmethod
    def _name(cls, value: str) -> str:
        host = value.strip().lower()
        if not host or any(sign in host for sign in "/@ \t\r\n\x00"):
            raise ValueError("give the name of the server alone, such as imap.example.com")
        return host

    @field_validator("since")
    @classmethod
    def _day(cls, value: str) -> str:
        try:
            if value.strip():
                date.fromisoformat(value.strip())
        except ValueError:
            raise ValueError("write a day such as 2024-01-31") from None
        return value.strip()

    @field_validator("username")
    @classmethod
    def _one_line(cls, value: str) -> str:
        if not value.isprintable():
            raise ValueError("the user name holds a sign that cannot be printed")
        return value.strip()

    @field_validator("mailbox_owner")
    @classmethod
    def _owner(cls, value: str) -> str:
        try:
            return normalise_email(value) if value.strip() else ""
        except InputError:
            # Its own message repeats what was written.
            raise ValueError("write an e-mail address such as name@example.com") from None

    @model_validator(mode="after")
    def _fits(self) -> "ImapSettings":
        if self.tls == "none" and not self.allow_unencrypted and not _is_loopback(self.host):
            raise wrong_field(
                "tls", "No encryption would send the password in the clear; choose TLS, or say yes to that."
            )
        return self

    @property
    def owner(self) -> str | None:
        """The owner's e-mail address, where it is known."""
        if self.mailbox_owner:
            return self.mailbox_owner
        try:
            return normalise_email(self.username)
        except InputError:
            return None


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
