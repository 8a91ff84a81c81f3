"""What an admin fills in for a folder."""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from app.core.errors import InputError
from app.core.identity import Principal
from ingest.connector import ConnectorSettings, wrong_field
from ingest.connectors.paths import PATTERN_HELP


class FolderSettings(ConnectorSettings):
    """What a folder source needs."""

    path: Path = Field(
        title="Folder", description="The folder to read, as an absolute path on the machine that runs Rung."
    )
    watch: bool = Field(
        default=False,
        title="Watch for changes",
        description="Take in changes within seconds. What others change on a network share is seen "
        "at the next sync only.",
    )
    include: tuple[str, ...] = Field(
        default=(),
        title="Only these files",
        description="Empty means all. " + PATTERN_HELP,
        json_schema_extra={"placeholder": "handbook/**"},
    )
    exclude: tuple[str, ...] = Field(
        default=(),
        title="Never these files",
        description="They are passed over as if they were not there. " + PATTERN_HELP,
        json_schema_extra={"placeholder": "archive/"},
    )
    hidden: bool = Field(
        default=False,
        title="Hidden files too",
        description="Also read files and folders whose name begins with a dot.",
        json_schema_extra={"advanced": True},
    )
    access_from: Literal["access files", "file owners"] = Field(
        default="access files",
        title="Who may read",
        description="By `.access.toml` files in the folders, or by the files' own owners, groups and rights.",
    )
    owner_domain: str = Field(
        default="",
        title="Domain of owners",
        description="With file owners: the user ada is ada@ this domain. Without one, no owner counts.",
        json_schema_extra={"placeholder": "example.com", "advanced": True},
    )

    @field_validator("path")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        if "\x00" in str(value) or not str(value).strip():
            raise ValueError("name a folder")
        return value.expanduser().absolute()

    @model_validator(mode="after")
    def _domain(self) -> Self:
        if self.owner_domain:
            try:
                Principal.user(f"name@{self.owner_domain}")
            except InputError as error:
                raise wrong_field("owner_domain", "Write a domain such as example.com.") from error
        return self
