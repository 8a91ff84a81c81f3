"""What an admin fills in for a Git repository."""

import hashlib
import re
from urllib.parse import quote, urlsplit

from pydantic import Field, SecretStr, field_validator

from ingest.connector import ConnectorSettings
from ingest.connectors.paths import PATTERN_HELP

SCHEMES = ("https", "http", "git", "file")
_FIELDS = frozenset({"branch", "path"})


class GitSettings(ConnectorSettings):
    """What a Git source needs."""

    url: str = Field(
        title="Address",
        description="The address to clone from, over https:// or git://, or a repository's folder on the "
        "machine that runs Rung. SSH addresses are not read: take the https:// one and a token.",
        json_schema_extra={"placeholder": "https://git.example.com/team/handbook.git", "where": True},
    )
    token: SecretStr = Field(
        SecretStr(""),
        title="Token",
        description="An access token that may read the repository, or a password. Empty for a public one.",
    )
    username: str = Field(
        "",
        title="User name",
        description="Only where the server asks for a certain one beside the token; most take any.",
        json_schema_extra={"advanced": True, "where": True},
    )
    branches: tuple[str, ...] = Field(
        (),
        title="Branches",
        description="One a line. Empty means the repository's default branch. With several, each file is a "
        "document of its own on each.",
    )
    subfolder: str = Field("", title="Folder", description="Read only what lies below this folder of it.")
    include: tuple[str, ...] = Field((), title="Only these files", description=PATTERN_HELP)
    exclude: tuple[str, ...] = Field((), title="Not these files", description=PATTERN_HELP)
    link: str = Field(
        "",
        title="Web address of a file",
        description="Where people open a file in the browser; {branch} and {path} are filled in.",
        json_schema_extra={"placeholder": "https://git.example.com/team/handbook/blob/{branch}/{path}"},
    )
    history_depth: int = Field(
        100,
        ge=1,
        le=100_000,
        title="Commits to look back",
        description="How many commits are fetched to tell who last changed a file and when. Files not "
        "changed since have neither.",
        json_schema_extra={"advanced": True},
    )

    @field_validator("url")
    @classmethod
    def _known_address(cls, value: str) -> str:
        url = value.strip()
        if url.startswith("/"):
            return url
        if re.match(r"[^/:]+@[^/:]+:", url) or url.startswith(("ssh:", "git+ssh:")):
            raise ValueError("SSH is not read; take the https:// address of the repository and a token")
        parts = urlsplit(url)
        if parts.scheme not in SCHEMES or not parts.path.strip("/"):
            raise ValueError("write an address that begins with https:// or git://, or an absolute path")
        if parts.scheme != "file" and not parts.hostname:
            raise ValueError("the address names no machine")
        if parts.username or parts.password:
            raise ValueError("leave user name and token out of the address; they have their own fields")
        return url

    @field_validator("subfolder")
    @classmethod
    def _inside(cls, value: str) -> str:
        folder = value.strip().strip("/")
        if ".." in folder.split("/"):
            raise ValueError("name a folder inside the repository, without ..")
        return folder

    @field_validator("link")
    @classmethod
    def _fillable(cls, value: str) -> str:
        unknown = set(re.findall(r"\{([^{}]*)\}", value)) - _FIELDS
        if unknown:
            raise ValueError("only {branch} and {path} are filled in")
        if value and not value.startswith(("https://", "http://")):
            raise ValueError("it begins with https://")
        return value.strip()

    @property
    def host(self) -> str:
        """The machine that is asked, for its pace and for messages."""
        return urlsplit(self.url).netloc or "this machine"

    @property
    def choice(self) -> str:
        """Changes when these settings may choose or describe other files than before."""
        return hashlib.sha256(self.model_dump_json(exclude={"token", "username"}).encode()).hexdigest()[:12]

    def link_to(self, branch: str, path: str) -> str | None:
        """Where a file is opened in the browser."""
        if not self.link:
            return None
        filled = self.link.replace("{branch}", quote(branch, errors="surrogateescape"))
        return filled.replace("{path}", quote(path, errors="surrogateescape"))
