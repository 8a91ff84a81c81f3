"""What an admin fills in for an SQL database."""

import hashlib
from typing import Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from ingest.connector import ConnectorSettings, wrong_field
from ingest.connectors.sql.statement import single_select
from ingest.connectors.sql.template import names_in

_DRIVERS = {"postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg"}
_ALLOWED_OPTIONS = frozenset({"sslmode", "sslrootcert", "host", "port", "target_session_attrs"})


class SqlSettings(ConnectorSettings):
    """What an SQL source needs: a table or a query, and which column is what."""

    address: str = Field(
        title="Address",
        description="Of a PostgreSQL database, with the user and without the password; or sqlite:/// and the "
        "path of a file on the machine that runs Rung.",
        json_schema_extra={
            "placeholder": "postgresql://reader@db.example.com/shop?sslmode=require",
            "where": True,
        },
    )
    password: SecretStr = Field(
        SecretStr(""), title="Password", description="Of a user who may only read. Rung never writes."
    )
    table: str = Field(
        "",
        title="Table",
        description="A table or view, each row of which is a document. Or give a query below.",
        json_schema_extra={"placeholder": "support.articles"},
    )
    query: str = Field(
        "",
        title="Query",
        description="One SELECT, each row of which is a document. In place of a table.",
        json_schema_extra={"multiline": True},
    )
    id_columns: tuple[str, ...] = Field(
        ("id",), title="Id columns", description="The columns that together name a row for ever, one a line."
    )
    title_template: str = Field(
        "",
        title="Title",
        description="Columns in braces. Empty: the row's id.",
        json_schema_extra={"placeholder": "{subject}"},
    )
    body_template: str = Field(
        "",
        title="Text",
        description="What is searched and cited: columns in braces with words around. Empty: every column "
        "with its name.",
        json_schema_extra={"placeholder": "{subject}\n\n{body}", "multiline": True},
    )
    body_format: Literal["text", "markdown", "html"] = Field(
        "text", title="Text is", description="How the text is written: plain, in Markdown or in HTML."
    )
    link: str = Field(
        "",
        title="Web address of a row",
        description="Where people open it in the browser; columns in braces are filled in.",
        json_schema_extra={"placeholder": "https://helpdesk.example.com/articles/{id}"},
    )
    updated_column: str = Field(
        "",
        title="Column of the last change",
        description="A time or a number that grows with each change. With it a sync reads only what changed; "
        "without, every row.",
    )
    overlap_minutes: int = Field(
        10,
        ge=0,
        le=10_080,
        title="Overlap in minutes",
        description="How far before the last change seen a sync begins, for transactions that were slow to "
        "commit. Counts where the column is a time.",
        json_schema_extra={"advanced": True},
    )
    deleted_column: str = Field(
        "", title="Column of deletion", description="Where rows are kept and marked when they are deleted."
    )
    deleted_value: str = Field(
        "",
        title="Value that means deleted",
        description="Empty: anything but NULL, false, 0 and an empty text.",
        json_schema_extra={"advanced": True},
    )
    access_column: str = Field(
        "",
        title="Column of access",
        description="Who may read the row: everyone, group:NAME, user:EMAIL; an array, a JSON list, or text "
        "with commas. What cannot be read, and NULL, means nobody.",
    )
    author_column: str = Field("", title="Column of the author", description="Shown beside the document.")
    page_size: int = Field(
        200,
        ge=1,
        le=5_000,
        title="Rows at once",
        description="How many rows are read in one query. Fewer where rows are very large.",
        json_schema_extra={"advanced": True},
    )
    statement_timeout_seconds: int = Field(
        60,
        ge=1,
        le=3_600,
        title="Longest query in seconds",
        description="The database ends a query that takes longer.",
        json_schema_extra={"advanced": True},
    )

    @field_validator("address")
    @classmethod
    def _readable(cls, value: str) -> str:
        try:
            url = make_url(value.strip())
        except (ArgumentError, ValueError):
            # Without its cause, which may hold a password.
            raise ValueError(
                "write it as postgresql://user@host/database or sqlite:////path/to/file"
            ) from None
        if url.password is not None:
            raise ValueError("leave the password out of the address; it has a field of its own")
        if url.get_backend_name() == "sqlite":
            if not url.database or not url.database.startswith("/") or url.query:
                raise ValueError(
                    "write sqlite:/// and the absolute path of the file: sqlite:////data/shop.db"
                )
            return value.strip()
        if url.drivername not in (*_DRIVERS, *_DRIVERS.values()):
            raise ValueError("Rung reads PostgreSQL (postgresql://…) and SQLite files (sqlite:////…)")
        if not url.database:
            raise ValueError("the address names no database")
        unknown = sorted(set(url.query) - _ALLOWED_OPTIONS)
        if unknown:
            raise ValueError(f"these options are not taken: {', '.join(unknown)}")
        return value.strip()

    @field_validator("query")
    @classmethod
    def _one_select(cls, value: str) -> str:
        return single_select(value) if value.strip() else ""

    @field_validator("title_template", "body_template", "link")
    @classmethod
    def _plain_template(cls, value: str) -> str:
        names_in(value)
        return value

    @field_validator("link")
    @classmethod
    def _an_address(cls, value: str) -> str:
        if value and not value.startswith(("https://", "http://")):
            raise ValueError("it begins with https://")
        return value.strip()

    @field_validator("id_columns")
    @classmethod
    def _some(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        names = tuple(dict.fromkeys(name.strip() for name in value if name.strip()))
        if not names:
            raise ValueError("name at least one column")
        return names

    @model_validator(mode="after")
    def _table_or_query(self) -> Self:
        if bool(self.table.strip()) == bool(self.query):
            raise wrong_field("query" if self.query else "table", "Give a table or a query, one of the two.")
        return self

    @property
    def url(self) -> URL:
        """The whole address, for the engine alone: it holds the password."""
        url = make_url(self.address)
        if url.get_backend_name() == "sqlite":
            return url
        secret = self.password.get_secret_value()
        return url.set(drivername="postgresql+psycopg", password=secret or None)

    @property
    def is_sqlite(self) -> bool:
        return make_url(self.address).get_backend_name() == "sqlite"

    @property
    def host(self) -> str:
        """The machine that is asked, for its pace and for messages."""
        url = make_url(self.address)
        return f"{url.host}:{url.port or 5432}" if url.host else "this machine"

    @property
    def choice(self) -> str:
        """Changes when these settings may give other rows or other texts than before."""
        kept = {"password", "address", "page_size", "statement_timeout_seconds", "overlap_minutes"}
        return hashlib.sha256(self.model_dump_json(exclude=kept).encode()).hexdigest()[:12]

    @property
    def named_columns(self) -> tuple[str, ...]:
        """Every column that the settings name."""
        single = (self.updated_column, self.deleted_column, self.access_column, self.author_column)
        templates = (self.title_template, self.body_template, self.link)
        named = [*self.id_columns, *(name for name in single if name)]
        return tuple(dict.fromkeys([*named, *(n for text in templates for n in names_in(text))]))
